"""Benchmarks of a board itself, one folder each; found by entry point."""
