"""Sanity checks: rows that may not be what they say, each with the reason and the evidence."""

from npubench.reporting.sanity.checks import doubts as doubts
from npubench.reporting.sanity.doubt import Doubt as Doubt
from npubench.reporting.sanity.doubt import DoubtClass as DoubtClass
from npubench.reporting.sanity.doubt import Strength as Strength
