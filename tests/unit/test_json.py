import json
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from npubench.domain.records import BoardState, Figures, Kind, OnnxModel, Result
from npubench.storage.json import decode, encode
from tests import gateway, sample_results


class Word(str):
    pass


def test_rows_come_back_as_they_were():
    rows = [*gateway.rows(), sample_results.result(exported={"a": "b"}, warnings=("x", "y"))]
    for row in rows:
        assert repr(decode(Result, encode(row))) == repr(row)


@pytest.mark.parametrize(
    ("name", "written", "read"),
    [
        *(("macs", 12.0, 12), ("macs", "12", 12), ("duration_s", 4, 4.0), ("duration_s", "4.5", 4.5)),
        *(("duration_s", 10**30, 1e30), ("emulated", 1, True), ("case", r"\ud800", r"\ud800")),
        *(("tools", {"a": "1", "b": "2"}, {"a": "1", "b": "2"}), ("command", [], ())),
        *(("seeds", {"a": 2**80}, {"a": 2**80}), ("macs", None, None)),
    ],
)
def test_what_earlier_versions_wrote_is_read(name, written, read):
    row = json.loads(encode(sample_results.result())) | {name: written, "of_a_newer_version": [1]}
    found = getattr(decode(Result, json.dumps(row)), name)
    assert (found, type(found)) == (read, type(read))


def test_all_that_is_wrong_with_a_record_is_told():
    row = json.loads(encode(sample_results.result()))
    row |= {"macs": 1.5, "precision": "int3", "emulated": "yes", "tools": [1]}
    row["figures"]["latency_us"]["n"] = "many"
    del row["case"]
    with pytest.raises(ValueError, match="case") as raised:
        decode(Result, json.dumps(row))
    assert str(raised.value).split("; ") == [
        "tools: must be a table, not [1]",
        "case: is missing",
        "precision: must be 'fp32', 'int8' or 'none', not 'int3'",
        "macs: must be a whole number, not 1.5",
        "figures.latency_us.n: must be a whole number, not 'many'",
        "emulated: must be true or false, not 'yes'",
    ]


@pytest.mark.parametrize("text", ["", "{", '{"case": 1}\0', b'{"case": "\xff"}', "[]", "null", '"x"'])
def test_what_is_no_record_at_all_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"."):
        decode(Result, text)


def test_records_that_hold_paths_are_read_too(tmp_path):
    model = OnnxModel("m", tmp_path / "m.onnx", "a" * 64, 13, (), (), {}, 1, 2, 3, 4)
    assert decode(OnnxModel, encode(model)) == model
    figures = Figures(Kind.SIMULATED, samples_us=((1.0, 2.0),), details={"deep": [{"x": None}]})
    assert decode(Figures, encode(figures)) == figures
    assert issubclass(type(decode(Figures, encode(figures)).samples_us), tuple)


def test_what_json_has_no_form_for_is_written_as_what_it_has():
    details = {
        "path": Path("a/b"),
        "f": np.float32(0.5),
        "i": np.int64(3),
        "nan": float("nan"),
        "s": Word("x"),
    }
    figures = Figures(Kind.SIMULATED, details=MappingProxyType(details), placement=MappingProxyType({}))
    told = {"path": "a/b", "f": 0.5, "i": 3, "nan": None, "s": "x"}
    assert decode(Figures, encode(figures)).details == told
    with pytest.raises(NotImplementedError, match="object has no form in JSON"):
        encode(BoardState("now", extra={"x": object()}))
