"""The gate: is a candidate slower than its baseline? Launches in pairs, a test that may stop after any pair.

Pure functions over logarithms of ratios; `engine/gate` launches. docs/gate.md has the theory.
"""
