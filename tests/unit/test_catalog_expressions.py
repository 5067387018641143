import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.catalog.sweeps import (
    NUMBER_LIMIT,
    ExpressionError,
    UnknownVariableError,
    evaluate,
    evaluate_number,
    fill_in,
)

GRID = {"ic": 48, "g": 4, "k": 3, "mode": "linear", "alpha": 0.5}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("oc", None),
        ("ic", 48),
        ("ic//g", 12),
        ("ic // g", 12),
        (" ic ", 48),
        ("(ic + 1) % 10", 9),
        ("2*k-1", 5),
        ("-1", -1),
        ("+k", 3),
        ("-(k)", -3),
        ("7", 7),
        ("0x10", 16),
        ("'nearest'", "nearest"),
        ("mode", "linear"),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_value(text, value):
    if value is None:
        with pytest.raises(UnknownVariableError, match="unknown variable 'oc': the grid has ic, g"):
            evaluate(text, GRID)
    else:
        assert evaluate(text, GRID) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1 +",
        "ic; g",
        "ic\ng",
        "k ** k",
        "9 ** 9 ** 9",
        "k / 2",
        "k << 70",
        "__import__('os').system('true')",
        "().__class__.__bases__[0]",
        "[k for k in (1,)]",
        "lambda: k",
        "(k := 5)",
        "ic if g else k",
        "k == 3",
        "not k",
        "~k",
        "True",
        "None",
        "1.5",
        "1j",
        "b'x'",
        "f'{k}'",
        "'a' * 3",
        "'a' + 'b'",
        "k + mode",
        "alpha",
        "k // 0",
        "k % (g - 4)",
        "9223372036854775808",
        "9223372036854775807 + 1",
        "ic * 4611686018427387904",
        "k.real",
        "max(k, g)",
        "1if k else 2",
        "\0",
        "k\0",
        "\ud800",
        "(" * 150 + "k" + ")" * 150,
        "-" * 5000 + "k",
        "1" * 5000,
    ],
)
def test_anything_else_is_refused(text):
    with pytest.raises(ExpressionError) as caught:
        evaluate(text, GRID)
    assert str(caught.value)


def test_text_is_no_dimension():
    with pytest.raises(ExpressionError, match="is text"):
        evaluate_number("'64'", GRID)


@given(st.text(max_size=60) | st.text(alphabet="kgic0123456789+-*/%()' ", max_size=60))
def test_any_text_gives_a_bounded_value_or_an_expression_error(text):
    try:
        value = evaluate(text, GRID)
    except ExpressionError:
        return
    assert isinstance(value, str) or -NUMBER_LIMIT <= value < NUMBER_LIMIT


@given(st.integers(-1000, 1000), st.integers(-1000, 1000), st.integers(1, 50))
def test_arithmetic_is_python_s(a, b, c):
    variables = {"a": a, "b": b, "c": c}
    assert evaluate("(a + b) * c - a // c + b % c", variables) == (a + b) * c - a // c + b % c


def test_templates():
    assert fill_in("conv{k}s{g}.{mode}", GRID) == "conv3s4.linear"
    assert fill_in("plain", {}) == "plain"
    for broken in ("{x}", "{}", "{k", "k}", "{{k}}", "{k.real}", "{k!r}", "{k:>9999999999}"):
        with pytest.raises(ExpressionError):
            fill_in(broken, GRID)


def test_a_value_that_looks_like_a_template_is_not_filled_in_again():
    assert fill_in("{a}", {"a": "{b}", "b": 1}) == "{b}"
