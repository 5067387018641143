"""Rows of a workspace as tables for terminals and programs, as pandas frames and as one HTML page."""
