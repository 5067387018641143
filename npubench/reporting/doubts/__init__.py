"""Doubts: rows that may not be what they say, each with the reason and the evidence, from any result set."""

from npubench.reporting.doubts.collect import doubts as doubts
from npubench.reporting.doubts.doubt import Doubt as Doubt
from npubench.reporting.doubts.doubt import DoubtClass as DoubtClass
from npubench.reporting.doubts.doubt import Strength as Strength
