"""Small integer expressions of operator sweeps, such as `oc` or `ic // g`; never `eval`.

Whole numbers, variables, `+ - * // %`, signs and parentheses; text in quotes stands for itself.
"""

import ast
import re
import warnings
from collections.abc import Mapping
from functools import lru_cache

Value = int | float | str
Variables = Mapping[str, Value]

LENGTH_LIMIT = 200
NUMBER_LIMIT = 2**63
"""What an ONNX attribute or dimension can hold: signed 64 bits."""

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

    def replacement(match: re.Match[str]) -> str:
        return str(_lookup(match[1], variables))

    filled = _FIELD.sub(replacement, template)
    if "{" in _FIELD.sub("", template) or "}" in _FIELD.sub("", template):
        raise ExpressionError(f"{template!r} has a brace without its partner")
    return filled


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
            return _bounded(_binary(op, _number(left, variables), _number(right, variables)))
        case _:
            raise ExpressionError(f"{ast.unparse(node)!r} is not allowed: use numbers, variables, + - * // %")


def _binary(op: ast.operator, left: int, right: int) -> int:
    match op:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.FloorDiv():
            return left // right
        case ast.Mod():
            return left % right
        case _:
            raise ExpressionError(f"operator {type(op).__name__} is not allowed: use + - * // %")


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
