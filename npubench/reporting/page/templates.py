"""The page's templates: filters, functions, and kept as compiled, which takes longer than to fill most in."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from npubench.domain.text import visible
from npubench.measure.statistics import least_samples
from npubench.reporting.data.formatting import closeness, duration, significant
from npubench.reporting.data.placements import word_of
from npubench.reporting.data.recorded import recorded
from npubench.reporting.data.summary import moment
from npubench.reporting.data.translate import say, say_count
from npubench.storage.files import cache_folder, data_root

if TYPE_CHECKING:
    import jinja2


@cache
def environment() -> "jinja2.Environment":
    """Every expression is made visible and escaped; an unknown name is an error."""
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(data_root() / "reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
        bytecode_cache=_compiled(),
    )
    made.filters.update(significant=significant, closeness=closeness, duration=duration, moment=moment)
    made.filters.update(recorded=recorded)
    made.globals.update(least_samples=least_samples, word_of=word_of)
    made.globals.update(_=say, _n=say_count)
    return made


def asset(name: str) -> Any:
    """A file beside the templates, as it is."""
    return Markup((data_root() / "reports" / name).read_text(encoding="utf-8"))


def _shown(value: Any) -> Any:
    """Every expression of a template passes here before it is escaped."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _compiled() -> "jinja2.BytecodeCache | None":
    """Where compiled templates lie, by release of Jinja; None where nothing can be kept."""
    import pickle

    import jinja2

    class Kept(jinja2.FileSystemBytecodeCache):
        """A full or read-only disk, or a file that is none of its own, costs the time to compile alone."""

        def load_bytecode(self, bucket: "jinja2.bccache.Bucket") -> None:
            try:
                super().load_bytecode(bucket)
            except (OSError, EOFError, ValueError, pickle.UnpicklingError):
                bucket.reset()

        def dump_bytecode(self, bucket: "jinja2.bccache.Bucket") -> None:
            try:
                super().dump_bytecode(bucket)
            except OSError:
                return

    folder: Path = cache_folder("templates") / jinja2.__version__
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return Kept(str(folder))
