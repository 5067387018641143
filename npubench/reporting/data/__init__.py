"""Rows of a workspace as tables, columns and summaries."""
