"""Qualcomm's HTP through ONNX Runtime: context binaries, and outputs emulated here, never a time."""
