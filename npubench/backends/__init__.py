"""Vendor toolchains, one folder each; found by entry point."""
