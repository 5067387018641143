"""The first screen of a run report: the answer in a sentence, how sure it is, and the ranking."""
