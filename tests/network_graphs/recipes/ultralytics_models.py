"""Detectors and their kin by ultralytics' YAML files; outputs are decoded boxes before suppression."""

from collections.abc import Iterator

from tests.network_graphs.recipe import Recipe, picture

SIZES = 640
FAMILIES = {
    **{"yolov8": "nsmlx", "yolo11": "nsmlx", "yolo12": "nsmlx", "yolo26": "nsmlx"},
    **{"yolov10": "nsmblx", "yolov9": "tsmce", "yolov5": "nsmlx", "yolov6": "nsmlx"},
}
TASKS = {
    "yolov8": ("", "-seg", "-pose", "-obb", "-cls", "-p2", "-p6", "-world", "-worldv2"),
    **dict.fromkeys(("yolo11", "yolo12", "yolo26"), ("", "-seg", "-pose", "-obb", "-cls")),
    "yolov9": ("",),
}
NAMES = {"yolov5": "yolov5{}u", "yolov6": "yolov6{}-ultralytics"}


def build(yaml: str, task: str):
    def made(_shape):
        from ultralytics.nn import tasks

        kinds = {
            "-seg": tasks.SegmentationModel, "-pose": tasks.PoseModel, "-obb": tasks.OBBModel,
            "-cls": tasks.ClassificationModel, "-world": tasks.WorldModel, "-worldv2": tasks.WorldModel,
        }  # fmt: skip
        kind = tasks.RTDETRDetectionModel if "rtdetr" in yaml else kinds.get(task, tasks.DetectionModel)
        model = kind(yaml, verbose=False)
        model.eval()
        for module in model.modules():
            if hasattr(module, "export"):
                module.export, module.format, module.dynamic = True, "onnx", False
        if hasattr(model, "fuse"):
            model.fuse(verbose=False)
        return model

    return made


def recipes() -> Iterator[Recipe]:
    for family, members in FAMILIES.items():
        for task in TASKS.get(family, ("",)):
            for member in members:
                yaml = f"{family}{member}{task}.yaml"
                name = NAMES.get(family, family + "{}").format(member) + task.replace("-world", "-world")
                size = {"-cls": [224], "-p6": [1280], "-obb": [640, 1024]}.get(task, [640])
                yield from picture(name, size, build(yaml, task), f"ultralytics {yaml}")
    for member in "ce":
        yield from picture(
            f"yolov9{member}-seg",
            640,
            build(f"yolov9{member}-seg.yaml", "-seg"),
            f"ultralytics yolov9{member}-seg.yaml",
        )
    for name, yaml in (("yolov3-tinyu", "yolov3-tiny"), ("yolov3u", "yolov3"), ("yolov3-sppu", "yolov3-spp")):
        sizes = [640, (224, 640), 416]
        yield from picture(name, sizes, build(f"{yaml}.yaml", ""), f"ultralytics {yaml}.yaml")
    for member in ("l", "x", "resnet50", "resnet101"):
        yield from picture(
            f"rtdetr-{member}", 640, build(f"rtdetr-{member}.yaml", ""), f"ultralytics rtdetr-{member}.yaml"
        )
    # FastSAM is YOLOv8-seg with one class.
    for member in "sx":
        yield from picture(
            f"fastsam-{member}",
            [640, 1024],
            one_class(member),
            f"ultralytics yolov8{member}-seg.yaml, one class",
        )


def one_class(member: str):
    def made(_shape):
        from ultralytics.nn.tasks import SegmentationModel

        model = SegmentationModel(f"yolov8{member}-seg.yaml", nc=1, verbose=False).eval()
        for module in model.modules():
            if hasattr(module, "export"):
                module.export, module.format, module.dynamic = True, "onnx", False
        model.fuse(verbose=False)
        return model

    return made
