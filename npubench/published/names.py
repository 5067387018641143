"""How publishers write names, inputs, batches and precisions: each style read into its parts.

A name is taken apart from its end, as file names are made: `YOLOv5: yolov5s_v6.1_3output_int8_4b_2core` is
the stem `yolov5s-v6.1` of the sample `YOLOv5`, with a cut head, in int8, at batch 4. What is left over stays
in the stem, so that a word nobody knows keeps a name from being taken for another.
"""

import re
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Input:
    """Size of a network's input; None: not told."""

    height: int | None = None  # pixels
    width: int | None = None
    batch: int | None = None

    @property
    def told(self) -> bool:
        """Whether both sides are known."""
        return self.height is not None and self.width is not None


@dataclass(frozen=True, slots=True)
class Spelling:
    """The parts of a publisher's name."""

    stem: str  # lower case, words parted by `-`: what names the network
    sample: str = ""  # what stands before a colon, the same way
    kind: str = ""  # `seg`, `pose`, `obb`, `cls`, or `det` where the name says so
    kind_of_sample: bool = False  # the sample says so, not the stem
    size: Input = Input()  # told by the name's end
    batch: int | None = None
    head: str = ""  # a value of `networks.Head`
    precision: str = ""  # as the name has it

    @property
    def unsized(self) -> "Spelling":
        """The same with a size at the stem's end taken as the input's (`yolov5s-640-640`)."""
        found = _SIZE.fullmatch(self.stem)
        if found is None:
            return self
        height = int(found["height"])
        size = Input(height, int(found["width"] or height))
        return replace(self, stem=found["stem"], size=size)


_BATCH = re.compile(r"\bbatch[ =:]*([0-9]{1,6})\b", re.I)
_NUMBERS = re.compile(r"[0-9]+")
_LONGEST = 200
"""Characters of a name or an input; what is longer is none."""

_CHANNELS = (1, 3)
_LARGEST = 65536
"""Pixels of a side."""

_SIZE = re.compile(r"(?P<stem>.+?)[-@](?P<height>[1-9]\d{1,3})(?:[x-](?P<width>[1-9]\d{1,3}))?(?:px)?")
_FILE = re.compile(r"\.(onnx|rknn|hef|bmodel|axmodel|tflite|dlc|engine|pt|pth|bin|xml|nb|kmodel|blob|trt)$")
_KIND = re.compile(r"(?P<stem>.+)-(?P<kind>seg|pose|obb|cls|det)")
_KIND_WORDS = {
    "detection": "det", "detect": "det", "segmentation": "seg", "segment": "seg", "instance-seg": "seg",
    "keypoints": "pose", "keypoint": "pose", "classification": "cls", "classify": "cls",
}  # fmt: skip

_END = (
    ("precision", r"u?int8|int16|int4|[ui]8|b?fp?(?:16|32)|w[48]a(?:8|16)|float(?:16|32)?"),
    ("precision", r"quant|quantized|qat|ptq|asym|quantized-(?:mix|int8)|mix|mixed"),
    ("batch", r"(?P<batch_a>[1-9][0-9]{0,3})b|(?:bs|batch)-?(?P<batch_b>[1-9][0-9]{0,3})"),
    ("cores", r"(?:\d|single|multi|dual|triple)-?cores?"),
    ("chip", r"bm\d{4}x?|cv\d{3}x?|rk\d{4}|rv\d{4}|ax\d{3}\w?|hailo-?\d\w?|npu\d?|edgetpu"),
    ("tool", r"onnx|axmodel|rknn|hef|bmodel|tensorrt|trt|rknn-?opt|sim|simplified"),
    ("maker", r"official|torchvision|ultralytics|pretrained"),
    ("data", r"coco|imagenet|in1k|ilsvrc|1k"),
    ("nms-core", r"nms-core"),
    ("nms", r"nms|with-nms|postprocess|with-postprocess"),
    ("decoded", r"bbox-decoding-only"),
    ("raw", r"3output|3outputs|cut|no-?post|no-?postprocess|tpukernel"),
    ("fused", r"fuse"),
    ("decoded-transposed", r"opt"),
)  # fmt: skip
_ENDS = tuple((name, re.compile(rf"(?P<stem>.+)-(?:{words})")) for name, words in _END)
_HEADS = frozenset(("nms-core", "nms", "decoded", "raw", "fused", "decoded-transposed"))


def spelled(name: str) -> Spelling:
    """The parts of `name`; nothing is looked up, so any name has them."""
    if len(name) > _LONGEST:
        return Spelling("")
    sample, colon, rest = name.partition(": ")
    if not colon:
        sample, rest = "", name
    parts = _ended(Spelling(_words(_FILE.sub("", rest.strip().lower())), _words(sample.lower())))
    kind = _KIND.fullmatch(parts.sample) if colon else None
    found = _KIND.fullmatch(parts.stem)
    if found is not None:
        return replace(parts, stem=found["stem"], kind=found["kind"])
    return replace(parts, kind=kind["kind"], kind_of_sample=True) if kind is not None else parts


def _words(text: str) -> str:
    joined = re.sub(r"[-_\s/,()]+", "-", text.replace("+", "-plus-")).strip("-")
    for long, short in _KIND_WORDS.items():
        joined = re.sub(rf"-{long}$", f"-{short}", joined)
    return joined


def _ended(parts: Spelling) -> Spelling:
    """`parts` without the words at the end that tell something else than the network."""
    while (shorter := _shortened(parts)) is not None:
        parts = shorter
    return parts


def _shortened(parts: Spelling) -> Spelling | None:
    """`parts` without its last word, if that is one of these; else None."""
    for name, pattern in _ENDS:
        found = pattern.fullmatch(parts.stem)
        if found is None:
            continue
        word = parts.stem[len(found["stem"]) + 1 :]
        shorter = replace(parts, stem=found["stem"])
        if name == "precision":
            return replace(shorter, precision=parts.precision or word)
        if name == "batch":
            return replace(shorter, batch=int(found["batch_a"] or found["batch_b"]))
        return replace(shorter, head=parts.head or name) if name in _HEADS else shorter
    return None


def batch_of(text: str) -> int | None:
    """The batch that a mode or a note states (`3 cores, batch 8`); None: not told."""
    found = {int(number) for number in _BATCH.findall(text)}
    return found.pop() if len(found) == 1 and 0 not in found else None


def input_of(text: str) -> Input:
    """The size that an input cell states, in whichever of the usual ways; fields None where it does not.

    Read are `640`, `640x480` (height first), `640x640x3`, `3x640x640`, `1x3x640x640`, `[1, 3, 640, 640]`,
    `[1, 640, 640, 3]` and `112x112x48` (frames among the channels). Other numbers of parts are not, nor are
    three where none can be the channels.
    """
    if len(text) > _LONGEST or re.search(r"[^0-9\sxX×*,()\[\]]", text):
        return Input()
    numbers = [int(number) for number in _NUMBERS.findall(text)]
    if not numbers or 0 in numbers or max(numbers) > _LARGEST:
        return Input()
    if len(numbers) == 1:
        return Input(numbers[0], numbers[0])
    batch = numbers.pop(0) if len(numbers) == 4 else None
    if len(numbers) == 3:
        if numbers[0] in _CHANNELS:
            numbers.pop(0)
        elif numbers[2] in _CHANNELS or numbers[0] == numbers[1]:
            numbers.pop()
    if len(numbers) != 2:
        return Input()
    height, width = numbers
    return Input(height, width, batch)
