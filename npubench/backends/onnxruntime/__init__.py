"""ONNX Runtime: the reference that every other toolchain is compared with."""
