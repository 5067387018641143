"""Joins of publishers' names to networks."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.published import networks
from npubench.published.name_rules import ruled, rules
from npubench.published.names import Input, batch_of, input_of
from npubench.published.networks import Confidence, Head, join


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("640", Input(640, 640)),
        ("640x480", Input(640, 480)),
        ("736x1280x3", Input(736, 1280)),
        ("112x112x48", Input(112, 112)),
        ("3x224x224", Input(224, 224)),
        ("[1, 3, 48, 320]", Input(48, 320, 1)),
        ("1x513x513x1", Input(513, 513, 1)),
        ("", Input()),
        ("4x77", Input(4, 77)),
        ("1, 3, 4, 5, 6", Input()),
        ("about 640", Input()),
        ("0x3", Input()),
    ],
)
def test_inputs_are_read_in_their_usual_spellings(text, size):
    assert input_of(text) == size


def test_a_batch_is_read_from_a_mode():
    assert batch_of("batch 8") == 8
    assert batch_of("3 cores, batch 16") == 16
    assert batch_of("batch 1 and batch 8") is None
    assert batch_of("3 cores") is None


def test_the_list_joins_by_publisher_name_and_input():
    found = join("hailo-ai/hailo_model_zoo", "yolov5s", "640x640x3", "batch 8")
    assert found.network is not None
    assert found.network.key == "yolov5s-v2@640x640"
    assert found.network.batch == 8
    assert found.network.head is Head.NMS
    assert found.confidence is Confidence.HIGH


def test_the_source_tells_models_of_one_name_apart():
    source = "https://github.com/quic/ai-hub-models/blob/v1/qai_hub_models/models/{}/perf.yaml"
    keys = ("mediapipe_hand", "mediapipe_hand_gesture")
    found = [join("quic/ai-hub-models", "HandLandmarkDetector", "", "", source.format(key)) for key in keys]
    assert [one.network and one.network.name for one in found] == [
        "mediapipe-hand-landmark-zmurez",
        "mediapipe-hand-landmark-full",
    ]
    assert join("quic/ai-hub-models", "HandLandmarkDetector", "") is networks.NOTHING


def test_each_line_of_the_list_has_its_reason_and_a_key_of_its_own():
    keys = [(one.publisher, one.name, one.input_text, one.source_key) for one in networks.entries()]
    assert len(set(keys)) == len(keys)
    for entry in networks.entries():
        assert entry.join.reason, entry
        assert entry.join.sure is False or entry.join.network is not None, entry


def test_rules_alone_agree_with_the_reviewed_list():
    """Each entry's name without the entry: what the rules say must be the list's network, or nothing."""
    sure, same, wrong = 0, 0, []
    for entry in networks.entries():
        if entry.join.task in networks.LANGUAGE_TASKS:
            continue
        found = ruled(entry.publisher, entry.name, entry.input_text)
        told = found is not None and found.confidence in ("high", "medium")
        sure += entry.join.sure
        if not told:
            continue
        known = entry.join.network if entry.join.sure else None
        same += known is not None and known.name == found.network
        if known is None or (known.name, known.height, known.width) != (
            *(found.network, found.size.height, found.size.width),
        ):
            wrong.append((entry.publisher, entry.name, known, found))
    assert same >= 0.9 * sure
    assert len(wrong) <= 0.01 * sure, wrong


def test_rules_know_language_and_speech_from_vision():
    for entry in networks.entries():
        found = ruled(entry.publisher, entry.name, entry.input_text)
        language = found is not None and found.task in networks.LANGUAGE_TASKS
        assert language == (entry.join.task in networks.LANGUAGE_TASKS), entry.name


@given(
    st.text(st.sampled_from("yolov5s8resnet_-:/. 0123456789xXint8b(é²٣\x1b\n"), max_size=60),
    st.text(st.sampled_from("0123456789xX×, []()a²٣"), max_size=20),
)
def test_no_name_is_too_odd_to_be_read(name, size):
    for publisher in ("hailo-ai/hailo_model_zoo", "somebody"):
        found = join(publisher, name, size, size, name)
        assert found.reason
        assert not found.sure or found.network is not None
    told = input_of(size)
    assert (told.height is None) == (told.width is None)


def test_what_is_longer_than_any_name_is_none():
    assert join("somebody", "yolov8s" + "_int8" * 100_000, "640") is networks.NOTHING
    assert input_of("9" * 5000) == Input()
    assert input_of("640x65537") == Input()
    assert input_of("640x65536") == Input(640, 65536)


def test_a_network_has_one_task_by_whichever_name():
    tasks = {}
    for entry in networks.entries():
        if entry.join.network:
            tasks.setdefault(entry.join.network.name, set()).add(entry.join.network.task)
    assert {name: found for name, found in tasks.items() if len(found) > 1} == {}


def test_every_rule_can_be_followed():
    for rule in rules().rules:
        groups = {*re.compile(rule.name).groupindex, "kind"}
        used = set(re.findall(r"\{(\w+)\}", rule.network + rule.variant))
        assert used <= groups, rule
        assert set(rule.words) <= groups, rule
        assert set(rule.kinds) <= set(rules().kinds), rule
        assert rule.style in ("", *rules().styles), rule
        assert not rule.tasks or rule.task_group in groups, rule
        assert not rule.inputs or rule.input_group in groups, rule
        assert all(input_of(one).told for one in (*rule.inputs.values(), rule.input) if one), rule
        assert Confidence(rule.confidence) is not Confidence.NONE or not rule.network, rule
        Head(rule.head)


def test_a_publisher_is_known_at_further_addresses():
    source = "https://github.com/qualcomm/ai-hub-models/blob/v2/models/yolov7/perf.yaml"
    found = join("qualcomm/ai-hub-models", "Yolo-v7", "", "", source)
    assert found == join("quic/ai-hub-models", "Yolo-v7", "", "", source)
    assert found.network.name == "yolov7-tiny"
    raw = "https://raw.githubusercontent.com/hailo-ai/hailo_model_zoo/v2/docs/table.rst"
    of_raw = join("raw.githubusercontent.com", "yolov5s", "640x640x3", "", raw)
    assert of_raw == join("Hailo-AI/hailo_model_zoo", "yolov5s", "640x640x3")
    assert of_raw.network.name == "yolov5s-v2"
