"""The ONNX project's own node tests in ONNX Runtime, one after the other: `node_worker FOLDER DEADLINE_S`.

FOLDER/skip.txt names what is done. FOLDER/answers.jsonl gets a line when a test starts and one when it
ends, so that whoever started this process knows at which test it died, and starts it again behind that.
"""

import hashlib
import json
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import onnx
import onnxruntime

from npubench.graph.walk import STANDARD_DOMAINS
from npubench.measure.onnx_session import PROVIDER, ByValue, needs_bytes

RANDOM = frozenset(
    {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}
)


def main(folder: Path, deadline_s: float) -> None:
    """Run every test that skip.txt does not name; an exception is part of its answer."""
    from onnx.backend.test.loader import load_model_tests

    skip = set((folder / "skip.txt").read_text(encoding="utf-8").split("\n"))
    # The default action ends the process: a hanging operator never comes back to Python.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    with (folder / "answers.jsonl").open("a", encoding="utf-8") as stream:
        for test in load_model_tests(kind="node"):
            if test.name in skip:
                continue
            _tell(stream, {"start": test.name})
            signal.setitimer(signal.ITIMER_REAL, deadline_s)
            try:
                answer = run(test)
            except Exception as error:  # noqa: BLE001 - the other side decides what it means
                text = {"type": type(error).__name__, "text": str(error), "traceback": traceback.format_exc()}
                answer = {"error": text}
            signal.setitimer(signal.ITIMER_REAL, 0)
            _tell(stream, {"end": test.name, **about(test), **answer})
        _tell(stream, {"all": True})


def about(test: Any) -> dict[str, Any]:
    """What the row says of the model."""
    model = test.model
    return {
        "sha256": hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest(),
        "opset": next((o.version for o in model.opset_import if o.domain in STANDARD_DOMAINS), None),
        "operators": sorted({node.op_type for node in model.graph.node}),
        "random": draws_numbers(model),
    }


def draws_numbers(model: Any) -> bool:
    """Whether the outputs depend on a random generator: Dropout does where it is told to train."""
    return any(
        node.op_type in RANDOM or (node.op_type == "Dropout" and len(node.input) > 2)
        for node in model.graph.node
    )


def run(test: Any) -> dict[str, Any]:
    """Compare the outputs of every data set; `different` says what does not agree, `max_abs` how far."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    model = test.model.SerializeToString()
    session = onnxruntime.InferenceSession(model, options, providers=[PROVIDER])
    names = [value.name for value in session.get_inputs()]
    worst = 0.0
    for inputs, outputs in test.data_sets:
        feeds = {name: plain(value) for name, value in zip(names, inputs, strict=False)}
        wanted = [plain(value) for value in outputs]
        for have, want in zip(run_by_value(session, feeds, wanted), wanted, strict=True):
            different, off = compare(have, want, test.rtol, test.atol)
            if different:
                return {"different": different}
            worst = max(worst, off)
    return {"max_abs": worst}


def compare(have: Any, want: Any, rtol: float, atol: float) -> tuple[str, float]:
    """What differs (nothing: an empty text) and the largest difference of finite numbers."""
    if isinstance(want, list):
        if not isinstance(have, list) or len(have) != len(want):
            return "a sequence of another length", 0.0
        pairs = [compare(one, other, rtol, atol) for one, other in zip(have, want, strict=True)]
        return next((text for text, _ in pairs if text), ""), max((off for _, off in pairs), default=0.0)
    if want is None or have is None:
        return ("" if want is have else "an output that should be empty, or one that is"), 0.0
    ours, theirs = np.asarray(have), np.asarray(want)
    if ours.shape != theirs.shape:
        return f"the shape {ours.shape}, not {theirs.shape}", 0.0
    if theirs.dtype.kind in "OSU":
        return ("" if (ours.astype(str) == theirs.astype(str)).all() else "other texts"), 0.0
    if ours.dtype != theirs.dtype:
        return f"the type {ours.dtype}, not {theirs.dtype}", 0.0
    if theirs.dtype.kind not in "biufc":
        ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    if not np.allclose(ours, theirs, rtol, atol, equal_nan=True):
        with np.errstate(all="ignore"):
            off = np.abs(ours.astype(np.complex128) - theirs).max(initial=0.0)
        return f"other numbers, off by up to {off:.2g} (rtol {rtol:g}, atol {atol:g})", 0.0
    finite = np.isfinite(ours) & np.isfinite(theirs)
    return "", float(np.abs(ours.astype(np.complex128) - theirs)[finite].max(initial=0.0))


def _tell(stream: TextIO, line: dict[str, Any]) -> None:
    # Out at once: what a crash leaves behind has to tell where it happened.
    stream.write(json.dumps(line) + "\n")
    stream.flush()


def plain(value: Any) -> Any:
    """Test data as ONNX Runtime takes it: arrays, lists of arrays, nothing."""
    if isinstance(value, onnx.TensorProto):
        return onnx.numpy_helper.to_array(value)
    if isinstance(value, onnx.SequenceProto):
        return plain(onnx.numpy_helper.to_list(value))
    if isinstance(value, onnx.OptionalProto):
        return plain(onnx.numpy_helper.to_optional(value))
    if isinstance(value, list):
        return [plain(one) for one in value]
    return np.asarray(value) if isinstance(value, np.generic) else value


def run_by_value(session: Any, feeds: Mapping[str, Any], wanted: list[Any]) -> list[Any]:
    """The outputs for `feeds`, of the types of `wanted`. Raises what ONNX Runtime raises."""
    by_value = any(needs_bytes(value) for value in (*feeds.values(), *wanted))
    outputs: list[Any] = (ByValue(session) if by_value else session).run(None, dict(feeds))
    return outputs


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
