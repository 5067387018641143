"""Facts that rows share, each set once: a page of many rows would be mostly repetition without."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from npubench.domain.records import Result
from npubench.reporting.data.provenance import Facts, graph_facts, own_facts, setting_facts


@dataclass(frozen=True, slots=True)
class Shared:
    """Sets of facts; `numbers` has for every row which of them is its own, from 0."""

    numbers: tuple[int, ...]
    facts: tuple[Facts, ...]


@dataclass(frozen=True, slots=True)
class RowFacts:
    """What is known of one row alone, and labels of what is not."""

    known: Facts
    unknown: tuple[str, ...]


def settings_of(results: Sequence[Result]) -> Shared:
    """Run, tools, protocol, seeds and command of all rows, in the order in which they occur."""
    return _shared(
        results,
        lambda r: (r.run_id, r.tools, r.npubench_version, r.protocol, r.seeds, r.command),
        setting_facts,
    )


def graphs_of(results: Sequence[Result]) -> Shared:
    """What the exported models of all rows are made of."""
    return _shared(
        results,
        lambda r: (r.onnx_sha256, r.exported, r.opset, r.inputs, r.outputs, r.operators, r.parameters),
        graph_facts,
    )


def row_facts(result: Result) -> RowFacts:
    """The row's own facts."""
    own = own_facts(result)
    return RowFacts(
        tuple(fact for fact in own if fact[1] is not None), tuple(name for name, text in own if text is None)
    )


def _shared(
    results: Sequence[Result], parts: Callable[[Result], tuple[Any, ...]], facts_of: Callable[[Result], Facts]
) -> Shared:
    """Facts are made once for each distinct set of what they are made of: to encode that takes less time."""
    from msgspec import msgpack

    encode = msgpack.Encoder(enc_hook=str).encode
    found: dict[bytes, int] = {}
    facts = []
    numbers = []
    for result in results:
        try:
            key = encode(parts(result))
        except UnicodeEncodeError:  # A lone surrogate, of which a board's files may be full.
            key = repr(parts(result)).encode("utf-8", "surrogatepass")
        number = found.get(key)
        if number is None:
            number = found[key] = len(found)
            facts.append(facts_of(result))
        numbers.append(number)
    return Shared(tuple(numbers), tuple(facts))
