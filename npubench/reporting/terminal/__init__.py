"""Rows, doubts and single cases for terminals: what fits their width, and what to do next."""
