"""A comparison for terminals, for pull requests and for CI: one module a format."""

from npubench.reporting.compare.formats.junit import junit as junit
from npubench.reporting.compare.formats.markdown import markdown as markdown
from npubench.reporting.compare.formats.text import text as text
