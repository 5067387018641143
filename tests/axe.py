"""axe-core, the accessibility checker, from npm; kept in the cache of the user who tests."""

import os
import shutil
import subprocess
from pathlib import Path

VERSION = "4.10.3"


def source() -> str:
    """Its script. Raises RuntimeError that says how to get it."""
    cache = Path(os.environ["NPUBENCH_TESTS_USER_CACHE"]) / "npubench-tests"
    script = cache / f"axe-core-{VERSION}" / "node_modules" / "axe-core" / "axe.min.js"
    if not script.is_file():
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError(
                "no npm found to get axe-core with: install it (Debian: apt-get install npm), "
                "or set NPUBENCH_NO_CHROMIUM=1 to leave out the tests of the report in a browser"
            )
        folder = script.parents[2]
        folder.mkdir(parents=True, exist_ok=True)
        words = [
            npm,
            "install",
            "--silent",
            "--no-fund",
            "--no-audit",
            "--ignore-scripts",
            "--prefix",
            str(folder),
        ]
        done = subprocess.run([*words, f"axe-core@{VERSION}"], capture_output=True, text=True, timeout=300)
        if done.returncode != 0 or not script.is_file():
            raise RuntimeError(f"npm could not get axe-core {VERSION}: {done.stderr.strip()[-300:]}")
    return script.read_text(encoding="utf-8")
