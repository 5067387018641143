"""Cameras through decoder, processor and NPU as a queueing network: which hold their rate, and what drops."""
