"""Operator sweeps: one table of ops/*.toml -> a spec for each case of its grid."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from npubench.catalog.expressions import (
    ExpressionError,
    UnknownVariableError,
    Value,
    Variables,
    evaluate,
    evaluate_number,
    fill_in,
)
from npubench.catalog.lines import KeyPath
from npubench.catalog.source import Problem, Source
from npubench.domain.specs import NodeSpec, OperatorSpec, Shape, TensorSpec, WeightSpec

if TYPE_CHECKING:
    from npubench.catalog.schema import InputTable, NodeTable, SweepTable, WeightTable

CASES_LIMIT = 20_000
ELEMENTS_LIMIT = 2**31
FILL_LIMIT = 2**16
"""`fill` spells its values out in the spec; more than this belongs into seeded weights."""

FLOAT_LIMITS = {
    "float16": 65504.0,
    "float32": float.fromhex("0x1.fffffep+127"),
    "float64": float.fromhex("0x1.fffffffffffffp+1023"),
}

T = TypeVar("T")


def expand(
    source: Source, at: KeyPath, sweep: "SweepTable", problems: list[Problem]
) -> tuple[OperatorSpec, ...]:
    """All cases of a sweep that stands at the key `at`; what is wrong goes to `problems`, once a key."""
    _check_wiring(source, at, sweep, problems)
    before = len(problems)
    _check_grid(source, at, sweep, problems)
    if len(problems) > before:
        return ()
    specs: dict[str, OperatorSpec] = {}
    found: dict[KeyPath, Problem] = {}
    for variables in _assignments(sweep):
        case = _Case(source, at, variables, found)
        spec = case.spec(sweep)
        if spec is None:
            continue
        if spec.name in specs:
            message = f"two cases get the name {spec.name!r}: put every variable that differs into the name"
            found.setdefault((*at, "name"), source.problem((*at, "name"), message))
        specs[spec.name] = spec
    problems.extend(found.values())
    return tuple(specs.values())


def _assignments(sweep: "SweepTable") -> Iterator[Variables]:
    keys = tuple(sweep.grid)
    for explicit in sweep.cases or ({},):
        for values in itertools.product(*sweep.grid.values()):
            yield {**explicit, **dict(zip(keys, values, strict=True))}


def _check_grid(source: Source, at: KeyPath, sweep: "SweepTable", problems: list[Problem]) -> None:
    count = len(sweep.cases or ({},)) * math.prod(map(len, sweep.grid.values()))
    if count > CASES_LIMIT:
        message = f"gives {count} cases: {CASES_LIMIT} are the limit of one sweep, split it"
        problems.append(source.problem((*at, "grid"), message))
    variables = set(sweep.cases[0]) if sweep.cases else set()
    for index, case in enumerate(sweep.cases or ()):
        if set(case) != variables:
            message = "has other variables than the first case: give all cases the same ones"
            problems.append(source.problem((*at, "cases", index), message))
    for name in variables & set(sweep.grid):
        message = "is given by 'cases', too: keep one of the two"
        problems.append(source.problem((*at, "grid", name), message))


def _check_wiring(source: Source, at: KeyPath, sweep: "SweepTable", problems: list[Problem]) -> None:
    """Every name is made once, before it is used."""
    made: set[str] = set()

    def make(name: str, key: KeyPath) -> None:
        if name in made:
            problems.append(source.problem(key, f"{name!r} is the name of another tensor: choose another"))
        made.add(name)

    def use(name: str, key: KeyPath) -> None:
        if name not in made:
            have = ", ".join(sorted(made)) or "nothing"
            problems.append(source.problem(key, f"no tensor {name!r} comes before this: there is {have}"))

    for index, table in enumerate(sweep.inputs):
        make(table.name, (*at, "inputs", index, "name"))
    for index, weight in enumerate(sweep.weights):
        make(weight.name, (*at, "weights", index, "name"))
    for index, node in enumerate(sweep.nodes):
        # ONNX leaves an optional input or output out by an empty name.
        for place, name in enumerate(node.inputs):
            if name:
                use(name, (*at, "nodes", index, "inputs", place))
        for place, name in enumerate(node.outputs):
            if name:
                make(name, (*at, "nodes", index, "outputs", place))
    for index, name in enumerate(sweep.outputs):
        use(name, (*at, "outputs", index))


class _Case:
    """One assignment of the grid's variables; mistakes go to `found`, the first at each key."""

    def __init__(
        self, source: Source, at: KeyPath, variables: Variables, found: dict[KeyPath, Problem]
    ) -> None:
        self._source = source
        self._at = at
        self._variables = variables
        self._found = found

    def spec(self, sweep: "SweepTable") -> OperatorSpec | None:
        """The case; None when something in it is impossible."""
        from npubench.catalog.schema import check_name

        name = self._try(("name",), lambda: check_name(fill_in(sweep.name, self._variables)))
        op = self._try(("op",), lambda: fill_in(sweep.op, self._variables))
        inputs = [self._tensor(table, ("inputs", i)) for i, table in enumerate(sweep.inputs)]
        weights = [self._weight(table, ("weights", i)) for i, table in enumerate(sweep.weights)]
        nodes = [self._node(table, ("nodes", i)) for i, table in enumerate(sweep.nodes)]
        if name is None or op is None or None in inputs or None in weights or None in nodes:
            return None
        return OperatorSpec(
            name=name,
            op=op,
            opset=sweep.opset,
            inputs=_all(inputs),
            weights=_all(weights),
            nodes=_all(nodes),
            outputs=tuple(sweep.outputs),
            seed=sweep.seed,
        )

    def _try(self, key: KeyPath, make: Callable[[], T]) -> T | None:
        try:
            return make()
        except ValueError as error:
            path = (*self._at, *key)
            if path not in self._found:
                given = ", ".join(f"{name}={value}" for name, value in self._variables.items())
                case = f" (in the case {given})" if given else ""
                self._found[path] = self._source.problem(path, f"{error}{case}")
            return None

    def _tensor(self, table: "InputTable", key: KeyPath) -> TensorSpec | None:
        shape = self._try((*key, "shape"), lambda: self._shape(table.shape))
        return None if shape is None else TensorSpec(table.name, shape, table.dtype)

    def _shape(self, dims: Sequence[int | str]) -> Shape:
        shape = tuple(evaluate_number(d, self._variables) if isinstance(d, str) else d for d in dims)
        for dim, written in zip(shape, dims, strict=True):
            if dim < 1:
                raise ExpressionError(f"{written!r} is {dim}: a dimension is at least 1")
        if math.prod(shape) > ELEMENTS_LIMIT:
            raise ExpressionError(f"{math.prod(shape)} elements: a tensor has at most {ELEMENTS_LIMIT}")
        return shape

    def _weight(self, table: "WeightTable", key: KeyPath) -> WeightSpec | None:
        tensor = self._tensor(table, key)
        if tensor is None:
            return None
        at = "fill" if table.values is None and table.fill is not None else "values"
        checked = self._try((*key, at), lambda: (self._values(table, math.prod(tensor.shape)),))
        return None if checked is None else WeightSpec(tensor, checked[0])

    def _values(self, table: "WeightTable", count: int) -> tuple[float, ...] | None:
        if table.values is not None and table.fill is not None:
            raise ExpressionError("are given besides 'fill': keep one of the two")
        if table.values is not None:
            if len(table.values) != count:
                raise ExpressionError(f"are {len(table.values)} numbers, the shape holds {count}")
            return tuple(self._number(value, table.dtype) for value in table.values)
        if table.fill is not None:
            if count > FILL_LIMIT:
                raise ExpressionError(
                    f"fills {count} elements: {FILL_LIMIT} are the limit, use seeded weights"
                )
            return (self._number(table.fill, table.dtype),) * count
        if not table.dtype.startswith("float"):
            raise ExpressionError(
                f"are missing: seeded weights are floating-point numbers, not {table.dtype}"
            )
        return None

    def _number(self, value: Value, dtype: str) -> float:
        number = evaluate_number(value, self._variables) if isinstance(value, str) else value
        if not dtype.startswith("float") and isinstance(number, float):
            raise ExpressionError(f"{number} is not a whole number: {dtype} holds nothing else")
        lowest, highest = _range(dtype)
        if not lowest <= number <= highest:
            raise ExpressionError(f"{number} does not fit {dtype}: it holds {lowest} to {highest}")
        return number

    def _node(self, table: "NodeTable", key: KeyPath) -> NodeSpec | None:
        op = self._try((*key, "op"), lambda: fill_in(table.op, self._variables))
        attributes = {
            name: self._try((*key, "attributes", name), lambda v=value: self._attribute(v))  # type: ignore[misc]
            for name, value in table.attributes.items()
        }
        if op is None or None in attributes.values():
            return None
        return NodeSpec(op, tuple(table.inputs), tuple(table.outputs), attributes, table.domain)

    def _attribute(self, value: Value | list[Value]) -> Value | tuple[Value, ...]:
        if isinstance(value, list):
            return tuple(self._attribute_item(item) for item in value)
        return self._attribute_item(value)

    def _attribute_item(self, value: Value) -> Value:
        if not isinstance(value, str):
            return value
        # A variable may hold any kind of value, an expression only whole numbers.
        if value in self._variables:
            return self._variables[value]
        try:
            return evaluate(value, self._variables)
        except UnknownVariableError as error:
            raise ExpressionError(f"{error}; if it is text, write inner quotes: \"'{value}'\"") from None


def _range(dtype: str) -> tuple[float, float]:
    """Smallest and largest number of a dtype; of floating-point ones IEEE 754's largest finite number."""
    if dtype in FLOAT_LIMITS:
        return -FLOAT_LIMITS[dtype], FLOAT_LIMITS[dtype]
    if dtype == "bool":
        return 0, 1
    bits = int(dtype.lstrip("uint"))
    return (0, 2**bits - 1) if dtype.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _all(items: Sequence[T | None]) -> tuple[T, ...]:
    return tuple(item for item in items if item is not None)
