"""Engines: what runs the cases, one module each; all give a `figures.Found`."""
