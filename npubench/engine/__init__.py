"""Runs a plan: conversions in parallel, one lane per board, every outcome a row."""
