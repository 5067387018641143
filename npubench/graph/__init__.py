"""ONNX models: read, checked, walked, counted; and what surgery makes of them."""
