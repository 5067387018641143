"""The processor: instruction throughput and latency, and memory bandwidth."""
