"""Arm's Ethos-U: ONNX to TensorFlow Lite by onnx2tf, INT8 by AI Edge Quantizer, compiled by Vela."""
