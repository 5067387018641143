from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from npubench.domain.specs import Precision
from npubench.storage.json import InvalidError, Positive, convert, mistakes

Finite = Annotated[float, Meta(ge=-1.7e308, le=1.7e308)]
Name = Annotated[str, Meta(pattern=r"\A[a-z]+\Z", max_length=5, description="a name: use small letters")]


class Inner(Struct, forbid_unknown_fields=True):
    size: Annotated[int, Meta(ge=1, le=9)]
    name: Name = "x"


class Table(Struct, forbid_unknown_fields=True):
    title: Annotated[str, Meta(min_length=1)]
    inner: list[Inner] = []
    axis: Annotated[int, Meta(ge=0)] | Literal["none"] | None = None
    names: Name | Annotated[list[Name], Meta(min_length=1)] = "x"
    weight: Finite = 1.0
    above: Annotated[float, Meta(gt=0)] = 1.0
    free: dict[Name, Any] = {}
    pair: tuple[int, str] = (1, "a")
    kind: Literal["one", "two"] = "one"
    precision: Precision = Precision.FP32
    many: dict[str, list[Finite | str]] = {}


@dataclass(frozen=True)
class Record:
    path: Path
    tags: tuple[str, ...] = field(default=())


def wrong(value, record_type=Table):
    with pytest.raises(InvalidError) as raised:
        convert(value, record_type)
    return [str(one) for one in raised.value.mistakes]


def test_what_fits_is_the_record():
    table = convert({"title": "t", "axis": "none", "names": ["a"], "many": {"k": ["a", 2]}}, Table)
    assert (table.axis, table.names, table.many, table.inner) == ("none", ["a"], {"k": ["a", 2.0]}, [])
    assert convert({"path": "a/b", "tags": ["x"], "newer": 1}, Record) == Record(Path("a/b"), ("x",))


def test_every_mistake_is_told_with_its_key():
    value = {
        "titel": "t",
        "inner": [{"size": 0, "nam": "a"}, 3, {"size": 10, "name": "A"}, {"size": True, "name": "abcdefg"}],
        "weight": float("inf"),
        "above": 0,
        "free": {"A": 1},
        "pair": [1],
        "kind": "three",
        "precision": "int4",
        "many": {"k": [True, float("nan")]},
    }
    assert wrong(value) == [
        "title: is missing: add it",
        "inner[0].size: must be at least 1, not 0",
        "inner[0].nam: unknown key (did you mean 'name'?): the keys are size, name",
        "inner[1]: must be a table, not 3",
        "inner[2].size: must be at most 9, not 10",
        "inner[2].name: 'A' is not a name: use small letters",
        "inner[3].size: must be a whole number, not True",
        "inner[3].name: is of 7 characters: use at most 5",
        "weight: must be a finite number, not inf",
        "above: must be above 0, not 0",
        "free.A: 'A' is not a name: use small letters",
        "pair: must hold 2 values, not 1",
        "kind: must be 'one' or 'two', not 'three'",
        "precision: must be 'fp32', 'int8' or 'none', not 'int4'",
        "many.k[0]: must be a number or text in quotes, not True",
        "many.k[1]: must be a finite number, not nan",
        "titel: unknown key (did you mean 'title'?): the keys are title, inner, axis, names, weight, above, "
        "free, pair, kind, precision, many",
    ]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"axis": -1}, "axis: must be at least 0, not -1"),
        ({"axis": "all"}, "axis: must be a whole number or 'none', not 'all'"),
        ({"names": []}, "names: is empty: fill it in or remove it"),
        ({"names": ["a", 7]}, "names[1]: must be text in quotes, not 7"),
        ({"names": 7}, "names: must be text in quotes or an array, not 7"),
        ({"title": ""}, "title: is empty: fill it in or remove it"),
        ({"title": "x" * 100, "kind": "y" * 100}, f"kind: must be 'one' or 'two', not '{'y' * 56}..."),
        ({"many": 3}, "many: must be a table, not 3"),
        ({"inner": {}}, "inner: must be an array, not {}"),
    ],
)
def test_a_choice_of_types_tells_what_is_nearest(more, told):
    assert wrong({"title": "t", **more}) == [told]


def test_a_path_is_a_text():
    assert wrong({"path": 3}, Record) == ["path: must be a path, not 3"]
    assert wrong([1], Record) == ["the whole: must be a table, not [1]"]


@pytest.mark.parametrize("value", [-1, 0, -0.5])
def test_a_bound_is_told_of_a_number_however_it_is_written_and_whatever_else_may_stand_there(value):
    (found,) = mistakes(value, Positive | None)
    assert found.message == f"must be above 0, not {value}"
