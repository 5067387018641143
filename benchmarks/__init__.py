"""npubench's own speed, each figure against a named alternative in the same run.

`make bench` runs all of it, `python -m benchmarks NAME` one. Nothing here passes or fails: the
figures are printed for a person, with the bound that the project set itself. `before_after` also compares
with an earlier revision: `python -m benchmarks.before_after --before REV [NAME ...]`.
"""
