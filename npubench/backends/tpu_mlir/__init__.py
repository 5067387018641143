"""Sophgo's TPU-MLIR: BM168x and CV18xx. Its cmodel gives outputs, its compiler a profile for some chips."""
