"""Figures over runs: each case's level in its band, its changes, and what is new, fixed or unstable."""
