"""The examples of CI, read as their servers read them and run as shell: what each job does, step by step.

A board stands for the one of the example: this machine. What a server does around the steps (a checkout, caches,
uploads) is not played; what a step finds in its environment is.
"""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples" / "ci"
GITHUB = EXAMPLES / "github" / "npubench.yml"
GITLAB = EXAMPLES / "gitlab" / ".gitlab-ci.yml"
JENKINS = EXAMPLES / "jenkins" / "Jenkinsfile"
CRON = EXAMPLES / "cron"
QUICK = ("--precision", "fp32", "--warmup", "0", "--repeat", "3", "--min-duration", "0", "--rounds", "2")
FEW = ("--launch-time", "0.02")
NPUBENCH = f"""#!{sys.executable}
import os, subprocess, sys
sys.path.insert(0, {str(ROOT)!r})
from npubench.cli import main
words = sys.argv[1:]
if words[:1] == ["env"]:
    sys.exit(0)
if words[:1] == ["run"]:
    with open({{bin}} + "/agent.txt", "w") as told:
        subprocess.run(["ssh-add", "-l"], stdout=told, stderr=told)
    with open({{bin}} + "/run-env.txt", "w") as told:
        told.write(repr(dict(os.environ)))
    if "--simulate" in words and {{real}} is False:
        words = [word for word in words if word not in {{"--simulate", "--strict"}}]
        words[words.index("ethos-u65-512")] = "local"
    words[1:1] = {QUICK!r} if "--simulate" not in words else ()
if words[:1] == ["gate"]:
    words[1:1] = [*{FEW!r}, "--launches", os.environ.get("LAUNCHES", "3")]
sys.exit(main(words))
"""
"""npubench, measuring as little as can be; the simulated board is this machine where no toolchain is installed."""
PYTHON3 = """#!/bin/sh
[ "$1 $2" = "-m venv" ] || exit 9
mkdir -p "$3/bin"
printf '#!/bin/sh\\necho "$@" >> "{bin}/pip.txt"\\n' > "$3/bin/pip"
chmod +x "$3/bin/pip"
ln -sf "{bin}/npubench" "$3/bin/npubench"
"""
SENDS = """#!/bin/sh
echo "$@" >> "{bin}/{name}.txt"
env > "{bin}/{name}-env.txt"
{rest}
"""


@dataclass(frozen=True)
class Step:
    """One piece of shell: what runs it, its environment, and whether it runs after a failure, too."""

    name: str
    script: str
    shell: tuple[str, ...] = ("bash", "-eo", "pipefail")
    env: Mapping[str, str] = field(default_factory=dict)
    always: bool = False


def yaml(path: Path) -> Any:
    """What a YAML file holds."""
    return YAML(typ="safe").load(path.read_text())


def github(job: str) -> list[Step]:
    """The steps of a job that are shell; expressions of environments are left for `Place` to fill in."""
    table = yaml(GITHUB)["jobs"][job]
    shared = table.get("env", {})
    return [
        Step(
            one["name"],
            one["run"],
            ("bash", "-e"),
            {**shared, **one.get("env", {})},
            "always()" in one.get("if", ""),
        )
        for one in table["steps"]
        if "run" in one
    ]


def gitlab(job: str) -> list[Step]:
    """The two scripts of a job."""
    table = yaml(GITLAB)[job]
    env = table["variables"]
    return [
        Step("script", "\n".join(table["script"]), env=env),
        Step("after_script", "\n".join(table["after_script"]), env=env, always=True),
    ]


def jenkins(stage: str) -> list[Step]:
    """The blocks of shell of a stage, in order; those of `post` run always."""
    text = JENKINS.read_text()
    body = next(part for part in text.split("stage('")[1:] if part.lower().startswith(f"{stage}'"))
    env = dict(re.findall(r"^\s+([A-Z]+) = '(.*)'$", body, re.MULTILINE))
    steps, _, post = body.partition("post {")
    blocks = [(one, False) for one in _blocks(steps)] + [(one, True) for one in _blocks(post)]
    return [Step("sh", script, ("sh", "-e"), env, always) for script, always in blocks]


def _blocks(text: str) -> list[str]:
    return re.findall(r"sh '''(.*?)'''", text, re.DOTALL)


def cron(job: str) -> list[Step]:
    """The script of a job, called as the crontab does."""
    name, words = {"board": ("npubench-nightly", '"$BOARD" .'), "simulate": ("npubench-simulated", ".")}[job]
    return [Step(name, f"exec '{CRON / name}' {words}", ("sh",), {"BOARD": "my-pi"})]


SYSTEMS = {"github": github, "gitlab": gitlab, "jenkins": jenkins, "cron": cron}


def scripts() -> Iterator[tuple[str, str]]:
    """All shell of all examples, each with a name and the line that says which shell."""
    for system, steps in SYSTEMS.items():
        for job in ("simulate", "board"):
            for number, step in enumerate(steps(job)):
                if system == "cron":
                    yield step.name, (CRON / step.name).read_text()
                else:
                    yield f"{system}-{job}-{number}", f"#!/bin/{step.shell[0]}\n" + step.script.lstrip()


class Place:
    """A checkout with models, and a machine that has npubench, pip, gh and curl as the tests have them."""

    def __init__(self, root: Path, real: bool = False) -> None:
        self.work = root / "checkout"
        self.bin = root / "bin"
        self.models = self.work / "models"
        for folder in (self.models, self.bin, root / "runner"):
            folder.mkdir(parents=True)
        self.root = root
        self.tool("npubench", NPUBENCH.replace("{real}", str(real)).replace("{bin}", repr(str(self.bin))))
        self.tool("python3", PYTHON3.replace("{bin}", str(self.bin)))
        self.tool("gh", SENDS.format(bin=self.bin, name="gh", rest=""))
        self.tool("curl", SENDS.format(bin=self.bin, name="curl", rest=f'cat > "{self.bin}/curl-stdin.txt"'))
        self.env = {
            **os.environ,
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "RUNNER_TEMP": str(root / "runner"),
            "GITHUB_PATH": str(root / "path.txt"),
            "GITHUB_STEP_SUMMARY": str(root / "summary.md"),
        }
        self.output = ""

    def tool(self, name: str, script: str) -> None:
        """A program on PATH."""
        (self.bin / name).write_text(script)
        (self.bin / name).chmod(stat.S_IRWXU)

    def job(self, steps: list[Step], **env: str) -> int:
        """Run a job as its server would: the code of the step that failed first, or 0. `env` counts most."""
        ended = 0
        for step in steps:
            if ended and not step.always:
                continue
            mine = {name: value for name, value in step.env.items() if "${{" not in value}
            path = self.root / "path.txt"
            added = ":".join(path.read_text().split()) if path.exists() else ""
            all_env = {**self.env, "PATH": f"{added}:{self.env['PATH']}".lstrip(":"), **mine, **env}
            file = self.root / "step.sh"
            file.write_text(step.script)
            done = subprocess.run(
                [*step.shell, str(file)], cwd=self.work, env=all_env, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600,
            )  # fmt: skip
            self.output += done.stdout
            ended = ended or done.returncode
        return ended
