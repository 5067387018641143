"""Layers of rows: views with shares and rates, advice with its evidence, and what changed from A to B."""
