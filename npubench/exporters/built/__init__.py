"""Networks that npubench builds itself by `onnx.helper`, with seeded random weights."""
