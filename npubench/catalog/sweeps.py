"""Operator sweeps: a table of ops/*.toml, with its small integer expressions, to a spec a case."""

import ast
import itertools
import math
import operator
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from npubench.domain.specs import NodeSpec, OperatorSpec, Shape, TensorSpec, WeightSpec
from npubench.storage.json import KeyPath
from npubench.storage.toml import Tell

if TYPE_CHECKING:
    from npubench.catalog.schema import InputTable, NodeTable, SweepTable, WeightTable


Value = int | float | str
Variables = Mapping[str, Value]

LENGTH_LIMIT = 200
NUMBER_LIMIT = 2**63
"""What an ONNX attribute or dimension can hold: signed 64 bits."""

_OPERATORS: Mapping[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_FIELD = re.compile(r"\{([^{}]*)\}")


class ExpressionError(ValueError):
    """An expression that cannot be read or has no value; the message says why."""


class UnknownVariableError(ExpressionError):
    """An expression names a variable that the grid does not have."""


def evaluate(text: str, variables: Variables) -> int | str:
    """The value of `text`. Raises ExpressionError for anything outside the small language."""
    try:
        return _value(_parse(text), variables)
    except ZeroDivisionError:
        raise ExpressionError(f"{text!r} divides by zero") from None


def evaluate_number(text: str, variables: Variables) -> int:
    """Like `evaluate`, for places where only a whole number makes sense."""
    value = evaluate(text, variables)
    if isinstance(value, str):
        raise ExpressionError(f"{text!r} is text, a whole number is wanted")
    return value


def fill_in(template: str, variables: Variables) -> str:
    """`template` with each `{variable}` replaced. Raises ExpressionError for an unknown one."""
    if "{" not in template and "}" not in template:
        return template
    pieces = _FIELD.split(template)
    if any("{" in text or "}" in text for text in pieces[::2]):
        raise ExpressionError(f"{template!r} has a brace without its partner")
    pieces[1::2] = [str(_lookup(name, variables)) for name in pieces[1::2]]
    return "".join(pieces)


@lru_cache(maxsize=4096)
def _parse(text: str) -> ast.expr:
    if len(text) > LENGTH_LIMIT:
        raise ExpressionError(f"an expression of {len(text)} characters: {LENGTH_LIMIT} are enough")
    try:
        with warnings.catch_warnings():
            # `1if x` and the like make the parser warn about a language that is refused below anyway.
            warnings.simplefilter("ignore")
            return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ExpressionError(f"{text!r} is not an expression such as 'ic // g'") from None


def _value(node: ast.expr, variables: Variables) -> int | str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Constant(value=int(number)) if not isinstance(number, bool):
            return _bounded(number)
        case ast.Name(id=name):
            value = _lookup(name, variables)
            if isinstance(value, float):
                raise ExpressionError(f"{name!r} is {value}, expressions take whole numbers")
            return value
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            number = _number(operand, variables)
            return _bounded(-number if isinstance(sign, ast.USub) else number)
        case ast.BinOp(left=left, op=op, right=right):
            numbers = _number(left, variables), _number(right, variables)
            if type(op) not in _OPERATORS:
                raise ExpressionError(f"operator {type(op).__name__} is not allowed: use + - * // %")
            return _bounded(_OPERATORS[type(op)](*numbers))
        case _:
            raise ExpressionError(f"{ast.unparse(node)!r} is not allowed: use numbers, variables, + - * // %")


def _number(node: ast.expr, variables: Variables) -> int:
    value = _value(node, variables)
    if isinstance(value, str):
        raise ExpressionError(f"{value!r} is text, arithmetic takes whole numbers")
    return value


def _lookup(name: str, variables: Variables) -> Value:
    if name not in variables:
        raise UnknownVariableError(
            f"unknown variable {name!r}: the grid has {', '.join(variables) or 'none'}"
        )
    return variables[name]


def _bounded(number: int) -> int:
    if not -NUMBER_LIMIT <= number < NUMBER_LIMIT:
        raise ExpressionError("a number does not fit 64 bits")
    return number


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


def expand(tell: Tell, at: KeyPath, sweep: "SweepTable") -> tuple[OperatorSpec, ...]:
    """All cases of a sweep that stands at the key `at`; what is wrong is told, once a key."""
    told: set[KeyPath] = set()

    def tell_once(key: KeyPath, message: str) -> None:
        if key not in told:
            told.add(key)
            tell((*at, *key), message)

    _check_wiring(tell_once, sweep)
    if not _check_grid(tell_once, sweep):
        return ()
    specs: dict[str, OperatorSpec] = {}
    for variables in _assignments(sweep):
        spec = _Case(tell_once, variables).spec(sweep)
        if spec is None:
            continue
        if spec.name in specs:
            message = f"two cases get the name {spec.name!r}: put every variable that differs into the name"
            tell_once(("name",), message)
        specs[spec.name] = spec
    return tuple(specs.values())


def _assignments(sweep: "SweepTable") -> Iterator[Variables]:
    keys = tuple(sweep.grid)
    for explicit in sweep.cases or ({},):
        for values in itertools.product(*sweep.grid.values()):
            yield {**explicit, **dict(zip(keys, values, strict=True))}


def _check_grid(tell: Tell, sweep: "SweepTable") -> bool:
    """Whether the grid gives cases of the same variables, and not too many."""
    wrong: dict[KeyPath, str] = {}
    count = len(sweep.cases or ({},)) * math.prod(map(len, sweep.grid.values()))
    if count > CASES_LIMIT:
        wrong["grid",] = f"gives {count} cases: {CASES_LIMIT} are the limit of one sweep, split it"
    variables = set(sweep.cases[0]) if sweep.cases else set()
    for index, case in enumerate(sweep.cases or ()):
        if set(case) != variables:
            wrong["cases", index] = "has other variables than the first case: give all cases the same ones"
    for name in variables & set(sweep.grid):
        wrong["grid", name] = "is given by 'cases', too: keep one of the two"
    for key, message in wrong.items():
        tell(key, message)
    return not wrong


def _check_wiring(tell: Tell, sweep: "SweepTable") -> None:
    """Every name is made once, before it is used."""
    made: set[str] = set()

    def make(name: str, key: KeyPath) -> None:
        if name in made:
            tell(key, f"{name!r} is the name of another tensor: choose another")
        made.add(name)

    def use(name: str, key: KeyPath) -> None:
        if name not in made:
            have = ", ".join(sorted(made)) or "nothing"
            tell(key, f"no tensor {name!r} comes before this: there is {have}")

    for index, table in enumerate(sweep.inputs):
        make(table.name, ("inputs", index, "name"))
    for index, weight in enumerate(sweep.weights):
        make(weight.name, ("weights", index, "name"))
    for index, node in enumerate(sweep.nodes):
        # ONNX leaves an optional input or output out by an empty name.
        for place, name in enumerate(node.inputs):
            if name:
                use(name, ("nodes", index, "inputs", place))
        for place, name in enumerate(node.outputs):
            if name:
                make(name, ("nodes", index, "outputs", place))
    for index, name in enumerate(sweep.outputs):
        use(name, ("outputs", index))


class _Case:
    """One assignment of the grid's variables."""

    def __init__(self, tell: Tell, variables: Variables) -> None:
        self._tell = tell
        self._variables = variables

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
            given = ", ".join(f"{name}={value}" for name, value in self._variables.items())
            self._tell(key, f"{error} (in the case {given})" if given else str(error))
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

    def _attribute(self, value: Value | list[Value]) -> Value | tuple[Any, ...]:
        if isinstance(value, list):
            return tuple(map(self._attribute, value))
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
