"""Surgery on ONNX graphs that unblocks a target: rewrites that keep the function, cuts at head and tail."""
