"""AXera toolchains: Pulsar 1 (AX620A) and Pulsar 2 (AX650, AX630C, AX620E); see docs/pulsar.md."""
