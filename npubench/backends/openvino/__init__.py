"""Intel's OpenVINO: the CPU here, and an NPU where there is one. It measures, and has no simulator."""
