"""`python -m benchmarks [NAME ...]`."""

import sys
from importlib import import_module

NAMES = (
    "before_after",
    "latency",
    "export_models",
    "schedule",
    "ssh_upload",
    "ssh_commands",
    "codec_fps",
    "report",
    "convert_rknn",
    "operators_rknn",
    "doubts_recall",
    "atlas_recall",
    "atlas_load",
    "own_files",
    "streams",
    "gate_certificate",
    "history_load",
    "team_store",
)

for name in sys.argv[1:] or NAMES:
    import_module(f"benchmarks.{name}").main()
