"""Exporters: operators, models and a user's own files become ONNX files."""
