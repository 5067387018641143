"""Joins that were checked one by one, and names that look equal and differ."""

import csv
import json
from pathlib import Path

import pytest

from npubench.published.graphs import graph_for
from npubench.published.network_facts import stated, zoo
from npubench.published.networks import Confidence, Head, Network, join

ROOT = Path(__file__).resolve().parents[2]
CHECKED = ROOT / "tests" / "data" / "networks" / "checked_joins.csv"
"""Drawn over all publishers; networks and inputs by what the publishers' own files say, GMACs as the makers of the
architectures state them or worked out by hand; empty where neither is to be had."""

HAILO, AI_HUB, SOPHON = "hailo-ai/hailo_model_zoo", "quic/ai-hub-models", "sophgo/sophon-demo"
AXELERA, ROCKCHIP, AXERA = "axelera-ai-hub/voyager-sdk", "airockchip/rknn_model_zoo", "AXERA-TECH/ax-samples"
SOMEBODY = "somebody/own-table"


def checked():
    with CHECKED.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def named(publisher, model, size="", source="", mode=""):
    found = join(publisher, model, size, mode, source)
    return found.network.name if found.sure and found.network else None


def keyed(publisher, model, size="", source=""):
    found = join(publisher, model, size, "", source)
    return found.network.key if found.sure and found.network else None


def test_joins_checked_one_by_one():
    lines = checked()
    assert len(lines) >= 150
    for line in lines:
        source = f"https://example.org/models/{line['source_key']}/perf.yaml"
        found = join(line["publisher"], line["name"], line["input"], "", source)
        assert found.sure, line
        network = found.network
        told = (network.name, network.variant, str(network.height or ""), str(network.width or ""))
        assert told == (line["network"], line["variant"], line["height"], line["width"]), line


def test_macs_of_checked_joins_are_those_of_their_graphs():
    for line in checked():
        size = [int(line[side]) if line[side] else None for side in ("height", "width")]
        graph = graph_for(Network(line["network"], line["variant"], "", *size))
        if graph is not None and line["gmacs"]:
            assert graph.macs / 1e9 == pytest.approx(float(line["gmacs"]), rel=0.07), (line, graph.macs / 1e9)


def test_macs_that_publishers_state_are_those_of_the_checked_joins():
    told = {(one.network, one.height, one.width): one.gmacs for one in stated() if one.gmacs}
    compared = 0
    for line in checked():
        value = told.get((line["network"], *(int(line[side] or 0) for side in ("height", "width"))))
        if value is not None and line["gmacs"]:
            compared += 1
            assert value == pytest.approx(float(line["gmacs"]), rel=0.13), line
    assert compared > 40


def test_resnet50_is_several_networks():
    assert keyed(SOPHON, "ResNet: resnet50_int8_4b") == "resnet50@224x224"
    assert keyed(AI_HUB, "ResNet50", "", "models/resnet50/perf.yaml") == "resnet50@224x224"
    assert keyed(AXELERA, "ResNet-50 v1.5") == "resnet50@224x224"
    assert keyed(HAILO, "resnet_v1_50", "224x224x3") == "resnet50-v1-tfslim@224x224"
    assert join(AXELERA, "ResNet-50 v1.0", "").network == Network(
        "resnet50-v1", "keras", "classification", 224, 224
    )
    assert named("NVIDIA-AI-IOT/jetson_benchmarks", "ResNet50_224x224") == "resnet50-v1"
    assert named("coral.ai", "ResNet-50 V1", "299") is None
    assert named("coral.ai", "ResNet-50 V2", "299") == "resnet50-v2-tfslim"
    assert named(ROCKCHIP, "resnet50-v2-7", "[1, 3, 224, 224]") == "resnet50-v2"
    assert named(SOMEBODY, "resnet50-v1", "224") is None


def test_yolov5s_is_a_network_for_each_release_and_activation():
    assert keyed(HAILO, "yolov5s", "640x640x3") == "yolov5s-v2@640x640"
    assert keyed(HAILO, "yolov5xs_wo_spp", "512x512x3") == "yolov5s-v2-wo-spp@512x512"
    assert named(HAILO, "yolov5m", "640x640x3") == "yolov5m-v2"
    assert named(HAILO, "yolov5m_6.1", "640x640x3") == "yolov5m-v6"
    assert named(HAILO, "yolov5s_6.1", "640x640x3") == "yolov5s-v6"
    assert named(AXELERA, "YOLOv5s-v5") == "yolov5s-v5"
    assert named(AXELERA, "YOLOv5s-Relu") == "yolov5s-v5-relu"
    assert named(AXELERA, "YOLOv5s") == "yolov5s-v6"
    assert named(ROCKCHIP, "yolov5s", "[1, 3, 640, 640]") == "yolov5s-v6"
    assert named(ROCKCHIP, "yolov5s_relu", "[1, 3, 640, 640]") == "yolov5s-v6-relu"
    assert named("Qengineering/YoloV5-NPU", "yolov5s_relu", "640") == "yolov5s-v6-relu"
    assert named(SOPHON, "YOLOv5: yolov5s_v6.1_3output_int8_4b") == "yolov5s-v6"
    assert named(AXERA, "yolov5s", "640") is None
    assert join(AXERA, "yolov5s", "640").confidence is Confidence.LOW
    assert named(AI_HUB, "Yolo-v5", "", "models/yolov5/perf.yaml") == "yolov5mu"
    assert named(SOMEBODY, "yolov5s", "640") is None
    assert named(SOMEBODY, "yolov5s v7.0", "640") == "yolov5s-v6"


def test_yolov6n_is_a_network_for_each_release():
    assert named(HAILO, "yolov6n", "640x640x3") == "yolov6n-v1"
    assert named(HAILO, "yolov6n_0.2.1", "640x640x3") == "yolov6n-v2"
    core = join(HAILO, "yolov6n_0.2.1_nms_core", "640x640x3").network
    assert (core.name, core.head) == ("yolov6n-v2", Head.NMS_CORE)
    assert named(ROCKCHIP, "yolov6n", "[1, 3, 640, 640]") == "yolov6n-v3"
    assert named(AI_HUB, "Yolo-v6", "", "models/yolov6/perf.yaml") == "yolov6n-v3"
    assert named(AXERA, "yolov6s", "640") is None


def test_heads_and_samples_of_yolov8s():
    whole = join(SOPHON, "YOLOv8_det: yolov8s_int8_1b", "").network
    opt = join(SOPHON, "YOLOv8_det: yolov8s_opt_int8_1b", "").network
    assert (whole.key, whole.head, whole.batch) == ("yolov8s@640x640", Head.DECODED, 1)
    assert (opt.key, opt.head) == ("yolov8s@640x640", Head.DECODED_TRANSPOSED)
    unseen = join(SOPHON, "YOLOv8_det: yolov8m_opt_int8_4b", "").network
    assert (unseen.key, unseen.head, unseen.batch) == ("yolov8m@640x640", Head.DECODED_TRANSPOSED, 4)
    assert named(SOPHON, "YOLOv8_seg: yolov8s_int8_1b") == "yolov8s-seg"
    assert named(SOPHON, "YOLOv9_seg: yolov9c_int8_4b") == "yolov9c-seg"
    assert join(AXERA, "yolov8s", "640").network.head is Head.RAW
    assert join(HAILO, "yolov8s", "640x640x3", "batch 8").network.batch == 8
    assert join(HAILO, "yolov8s_bbox_decoding_only", "640x640x3").network.key == "yolov8s@640x640"


def test_faces_and_plates_of_one_name_differ():
    assert keyed(ROCKCHIP, "RetinaFace_mobile320", "[1, 3, 320, 320]") == "retinaface-mobilenet0.25@320x320"
    assert keyed(AXELERA, "RetinaFace - mb0.25") == "retinaface-mobilenet0.25@640x640"
    assert keyed(HAILO, "retinaface_mobilenet_v1", "736x1280x3") == "retinaface-mobilenetv1@736x1280"
    assert keyed("Qengineering/YoloV5-NPU", "RetinaFace_mobile320", "640").endswith("@320x320")
    assert keyed(ROCKCHIP, "lprnet", "[1, 3, 24, 94]") == "lprnet-sirius@24x94"
    assert keyed(SOPHON, "LPRNet: lprnet_int8_4b") == "lprnet-sirius@24x94"
    assert keyed(HAILO, "lprnet", "75x300x3") == "lprnet-hailo@75x300"
    assert named(SOMEBODY, "lprnet", "24x94") is None
    assert named(HAILO, "scrfd_10g", "640x640x3") != named(SOPHON, "SCRFD: scrfd_10g_kps_int8_1b")


@pytest.mark.parametrize(
    ("title", "folder", "network"),
    [
        ("Yolo-v3", "yolov3", "yolov3-tinyu"),
        ("Yolo-v7", "yolov7", "yolov7-tiny"),
        ("Yolo-X", "yolox", "yolox-s"),
        ("YOLOv8-Detection", "yolov8_det", "yolov8n"),
        ("YOLOv10-Detection", "yolov10_det", "yolov10n"),
        ("YOLOv11-Detection", "yolov11_det", "yolo11n"),
        ("Shufflenet-v2", "shufflenet_v2", "shufflenetv2-x0.5"),
        ("Segformer-Base", "segformer_base", "segformer-b0-ade"),
        ("RegNet", "regnet", "regnetx-3.2gf"),
        ("ResNeXt101", "resnext101", "resnext101-32x8d"),
        ("LeViT", "levit", "levit-128s"),
        ("RTMPose-Body2d", "rtmpose_body2d", "rtmpose-m-wholebody"),
        ("MobileNet-v3-Large", "mobilenet_v3_large", "mobilenetv3-large"),
    ],
)
def test_titles_of_ai_hub_hide_the_member(title, folder, network):
    assert named(AI_HUB, title, "", f"https://example.org/models/{folder}/perf.yaml") == network


def test_other_names_of_one_network_and_one_name_of_others():
    one = keyed(AI_HUB, "ESRGAN", "", "models/esrgan/perf.yaml")
    assert one == keyed(AI_HUB, "Real-ESRGAN-x4plus", "", "models/real_esrgan_x4plus/perf.yaml")
    # Sophgo's sample of that name is SRVGGNet, not RRDBNet.
    assert named(SOPHON, "Real-ESRGAN: real_esrgan_int8_4b") == "realesr-general-x4v3"
    # One architecture, told apart because Hailo compiles them by different scripts.
    assert named(HAILO, "deit_base", "224x224x3") == "deit-base"
    assert named(HAILO, "vit_base", "224x224x3") == "vit-base-p16"
    assert named(HAILO, "vit_base_bn", "224x224x3") == "vit-base-p16-bn"
    # Nearly equal MACs, a sixth to a third of the rate.
    assert named(HAILO, "fast_sam_s", "640x640x3") == "fastsam-s"
    assert named(HAILO, "yolov8s_seg", "640x640x3") == "yolov8s-seg"
    assert named(ROCKCHIP, "ppyoloe_s", "[1, 3, 640, 640]") == "ppyoloe-plus-s"
    assert named(SOPHON, "ppYoloe: ppyoloe_int8_1b") == "ppyoloe-s"
    assert keyed(SOPHON, "yolact: yolact_bm1684x_int8_1b") == "yolact-r101@550x550"
    assert named(HAILO, "yolact_regnetx_800mf", "512x512x3") == "yolact-regnetx-800mf"
    assert named(HAILO, "ssd_mobilenet_v2", "300x300x3") == "ssdlite-mobilenetv2-tf1"
    assert keyed("AXERA-TECH/axcl-docs", "Inceptionv3", "224") == "inceptionv3@299x299"


@pytest.mark.parametrize(
    ("publisher", "model", "size", "key"),
    [
        (HAILO, "yolov11n_seg", "640x640x3", "yolo11n-seg@640x640"),
        (HAILO, "yolov5n6_6.1", "1280x1280x3", "yolov5n6-v6@1280x1280"),
        (HAILO, "centerpose_regnetx_1.6gf_fpn", "640x640x3", "centerpose-regnetx-1.6gf@640x640"),
        (HAILO, "yolov8s", "320x320x3", "yolov8s@320x320"),
        (HAILO, "yolov5m_vehicles", "1080x1920x3", None),
        (HAILO, "resnet_v1_101", "224x224x3", None),
        (HAILO, "yolov6s", "640x640x3", None),
        (AI_HUB, "Swin-Base", "", "swin-base@224x224"),
        (AI_HUB, "YOLOv8-Pose", "", "yolov8n-pose@640x640"),
        (AI_HUB, "Mask2Former", "", None),
        (SOPHON, "YOLOv8_obb: yolov8m-obb_int8_4b_2core", "", "yolov8m-obb@640x640"),
        (SOPHON, "YOLOv11_seg: yolov11s_fp16_1b", "", "yolo11s-seg@640x640"),
        (SOPHON, "ResNet: resnet101_int8_1b", "", "resnet101@224x224"),
        (SOPHON, "YOLO_world: yolo_world_fp16_1b", "", None),
        (ROCKCHIP, "yolov5s-640-640", "[1, 3, 640, 640]", "yolov5s-v6@640x640"),
        (ROCKCHIP, "yolov5x_relu", "[1, 3, 640, 640]", "yolov5x-v6-relu@640x640"),
        (AXERA, "YOLO11m-seg", "640", "yolo11m-seg@640x640"),
        (AXERA, "MobileNetV3-Large", "224", "mobilenetv3-large@224x224"),
        (AXELERA, "YOLO11s", "", "yolo11s@640x640"),
        (AXELERA, "YOLOv8s 640x480", "", "yolov8s@480x640"),
        (AXELERA, "YOLOX-tiny", "", "yolox-tiny@416x416"),
        ("google-coral/edgetpu", "mobilenet_v1_0.75_192_quant", "", "mobilenetv1-0.75@192x192"),
        ("google-coral/edgetpu", "mobilenet_v2_1.0_224_inat_bird_quant", "", None),
        (SOMEBODY, "yolov8n.rknn", "1x3x640x640", "yolov8n@640x640"),
        (SOMEBODY, "YOLO v8 nano", "640", "yolov8n@640x640"),
        (SOMEBODY, "swin_tiny_patch4_window7_224", "224", "swin-tiny@224x224"),
        (SOMEBODY, "yolov8n", "", None),
        (SOMEBODY, "yolov8n_320", "640", None),
        (SOMEBODY, "yolov8s_custom", "640", None),
        (SOMEBODY, "mobilenet", "224", None),
        (SOMEBODY, "resnet18_8xb32_in1k", "", "resnet18@224x224"),
        (SOMEBODY, "", "", None),
        (SOMEBODY, "yolov5l6", "1280", None),
        (SOMEBODY, "yolov5l6_v7.0", "1280", "yolov5l6-v6@1280x1280"),
        (SOMEBODY, "yolov9c-seg", "640", "yolov9c-seg@640x640"),
        (SOMEBODY, "yolov9m-seg", "640", None),
        (SOMEBODY, "ssd_mobilenet_v1_coco", "300", None),
        (SOMEBODY, "resnet50_v2", "224", None),
        (SOMEBODY, "resnet18_v1", "224", "resnet18@224x224"),
        (SOMEBODY, "shufflenet_v2_x1_0", "224", "shufflenetv2-x1.0@224x224"),
        (SOMEBODY, "regnetx_040", "224", "regnetx-4gf@224x224"),
        (SOMEBODY, "mobilenetv2_140", "224", "mobilenetv2-1.4@224x224"),
        (SOMEBODY, "mobilefacenet", "112", None),
        (SOMEBODY, "resnext101", "224", None),
        (SOMEBODY, "hrnet_w48_pose", "256x192", "hrnet-w48-pose@256x192"),
        (SOMEBODY, "PP-YOLOE+_l", "640", "ppyoloe-plus-l@640x640"),
        (SOMEBODY, "ppyoloe_l", "640", None),
        (SOMEBODY, "stereonet", "368x1232", "stereonet@368x1232"),
        (SOMEBODY, "stereonet", "100x100", None),
        (SOMEBODY, "centerpose-regnetx-800mf", "512", "centerpose-regnetx-800mf@512x512"),
    ],
)
def test_names_that_no_list_holds(publisher, model, size, key):
    assert keyed(publisher, model, size) == key


def test_each_name_of_the_zoo_that_is_claimed_is_one():
    for one in stated():
        if one.zoo:
            assert one.zoo in zoo(), one
            assert zoo()[one.zoo].network == one.network


def test_networks_of_the_zoo_have_the_macs_and_parameters_that_publishers_state():
    """Counted by npubench on the zoo's own graph (generated/coverage.jsonl), scaled to the input by its pixels."""
    with (ROOT / "generated" / "coverage.jsonl").open(encoding="utf-8") as stream:
        counted = {line["case"]: line for line in map(json.loads, stream) if line.get("macs")}
    compared = 0
    for one in stated():
        graph = counted.get(one.zoo)
        if graph is None:
            continue
        *_, height, width = map(int, graph["shape"].split("x"))
        if one.gmacs:
            compared += 1
            pixels = one.height * one.width / (height * width)
            assert one.gmacs == pytest.approx(graph["macs"] / 1e9 * pixels, rel=0.035), one
        if one.params_m:
            # Hailo's DeiT are told without their classifier.
            assert one.params_m == pytest.approx(graph["parameters"] / 1e6, rel=0.075), one
    assert compared > 15
