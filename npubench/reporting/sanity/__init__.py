"""Doubts: rows that may not be what they say, each with the reason and the evidence, from any result set."""

from npubench.reporting.sanity.checks import doubts as doubts
from npubench.reporting.sanity.finding import Doubt as Doubt
from npubench.reporting.sanity.finding import DoubtClass as DoubtClass
from npubench.reporting.sanity.finding import Strength as Strength
