"""The base of vendor tools that have a Python environment of their own."""
