"""axe-core 4.10.3, the accessibility checker (https://github.com/dequelabs/axe-core), as npm has it."""

from pathlib import Path

SCRIPT = Path(__file__).parent / "data" / "axe" / "axe.min.js"


def source() -> str:
    """Its script, for a page to evaluate."""
    return SCRIPT.read_text(encoding="utf-8")
