import json
from functools import cache

import pytest
from pydantic import TypeAdapter

from npubench.domain.records import Figures, Kind, OnnxModel, Result
from npubench.storage.json import decode, encode, reason_of
from tests import gateway, sample_results

adapter = cache(TypeAdapter)
"""Made once a type: it takes a fraction of a second."""


def pydantics(record_type, text):
    return adapter(record_type).validate_json(text)


def test_rows_are_read_as_pydantic_reads_them():
    rows = [*gateway.rows(), sample_results.result(exported={"a": "b"}, warnings=("x", "y"))]
    for row in rows:
        text = encode(row)
        assert decode(Result, text) == pydantics(Result, text) == row
        assert repr(decode(Result, text)) == repr(pydantics(Result, text))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("macs", 12.0), ("macs", "12"), ("duration_s", 4), ("duration_s", "4.5"), ("duration_s", 10**30)),
        *(("emulated", 1), ("emulated", "yes"), ("case", "\ud800".encode("unicode_escape").decode())),
        *(("tools", {"a": "1", "b": "2"}), ("command", []), ("seeds", {"a": 2**80}), ("unheard_of", [1])),
    ],
)
def test_what_one_reader_takes_the_other_takes_alike(name, value):
    text = json.dumps(json.loads(encode(sample_results.result())) | {name: value})
    assert repr(decode(Result, text)) == repr(pydantics(Result, text))


@pytest.mark.parametrize(("name", "value"), [("macs", 1.5), ("kind_", None), ("precision", "int3")])
def test_what_is_no_record_is_told_as_pydantic_tells_it(name, value):
    row = json.loads(encode(sample_results.result())) | {name: value}
    row.pop("case") if name == "kind_" else None
    with pytest.raises(ValueError, match=r"Input should be|Field required") as raised:
        decode(Result, json.dumps(row))
    assert reason_of(raised.value).startswith("case: " if name == "kind_" else f"{name}: ")


def test_records_that_hold_paths_are_read_too(tmp_path):
    model = OnnxModel("m", tmp_path / "m.onnx", "a" * 64, 13, (), (), {}, 1, 2, 3, 4)
    assert decode(OnnxModel, encode(model)) == model
    figures = Figures(Kind.SIMULATED, samples_us=((1.0, 2.0),), details={"deep": [{"x": None}]})
    assert decode(Figures, encode(figures)) == figures
    assert issubclass(type(decode(Figures, encode(figures)).samples_us), tuple)
