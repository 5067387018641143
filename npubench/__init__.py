"""npubench: which of my models run on this NPU, how fast, how accurately."""

__version__ = "0.1.0"
