"""Exporting classifiers with two workers against one, and what a model takes beyond the import."""

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.paired import measure, show

MODELS = (
    "resnet18_8xb32_in1k", "resnet34_8xb32_in1k", "resnet50_8xb32_in1k", "resnet101_8xb32_in1k",
    "mobilenet-v2_8xb32_in1k", "shufflenet-v2-1x_16xb64_in1k", "densenet121_4xb256_in1k",
    "vgg11_8xb32_in1k", "deit-tiny_4xb256_in1k", "vit-base-p16_64xb64_in1k",
    "swin-tiny_16xb64_in1k", "convnext-tiny_32xb128_in1k", "regnetx-1.6gf_8xb128_in1k",
    "repvgg-A0_8xb32_in1k", "res2net50-w14-s8_3rdparty_8xb32_in1k", "efficientnet-b0_3rdparty_8xb32_in1k",
)  # fmt: skip
"""A mixture of small and large ones; the whole zoo is `make coverage`."""

SECONDS = re.compile(r'"seconds": (?P<value>[0-9.]+)')


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"

        def export(workers: int) -> None:
            shutil.rmtree(out, ignore_errors=True)
            command = [sys.executable, "-m", "npubench", "export", *MODELS, "--jobs", str(workers)]
            subprocess.run([*command, "--out", str(out)], check=True, stdout=subprocess.DEVNULL)

        result = measure(lambda: export(2), lambda: export(1), 2)
        found = [SECONDS.findall(log.read_text()) for log in (out / ".npubench" / "logs").rglob("*.log")]
        beyond = [float(values[-1]) for values in found if values]
    title = f"export of {len(MODELS)} classifiers"
    show(title, "two workers", "one worker", result, "ratio at most 1/1.7 = 0.588")
    print(f"  beyond the import, one worker: mean {statistics.mean(beyond):.2f} s a model (bound: 3 s)\n")


if __name__ == "__main__":
    main()
