"""Predicted figures: models fitted to what was published or measured, with bands; else refusals."""
