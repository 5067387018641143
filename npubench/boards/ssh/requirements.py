"""What a board must have, in one place: `npubench board check` asks for it, docs/boards.md lists it."""

import re
from dataclasses import dataclass

TOOLS = {
    "sh": "runs everything; POSIX, as dash, bash and busybox ash are; as the login shell, printing nothing",
    "cat": "receives and sends files, reads the board's state",
    "chmod": "makes programs executable",
    "df": "tells the free space; with -P and -k",
    "kill": "ends what is left of a command at its deadline",
    "ln": "makes the lease; without -s",
    "mkdir": "makes remote_dir; with -p",
    "mv": "gives a whole file its name; with -f",
    "printf": "prints what was found",
    "rm": "removes old files; with -r and -f",
    "sha256sum": "verifies what arrived",
}
"""Programs or builtins of the shell and what for. busybox has all of them. Optional: date."""

CHECK = """\
folder=$1
shift
for tool in "$@"; do
    command -v "$tool" >/dev/null 2>&1 || echo "lacks $tool"
done
echo "hash $(printf abc | sha256sum 2>/dev/null)"
[ -r /proc/self/environ ] && echo proc
if mkdir -p -- "$folder" && : > "$folder/.check" && rm -f -- "$folder/.check"; then
    echo "folder $(cd -- "$folder" && pwd)"
    df -P -k -- "$folder"
fi
exit 0
"""
_HASH_OF_ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
SPACE = re.compile(r"(?m)\s([0-9]+)\s+-?[0-9]+\s+(-?[0-9]+)\s+(?:[0-9]+%|-)\s+/")
"""Size and free space in KiB in what `df -P -k` prints."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a board has: problems in a line each; `folder` and `free_bytes` of its remote_dir."""

    problems: tuple[str, ...]
    folder: str | None
    free_bytes: int | None


def read(output: str, remote_dir: str) -> Findings:
    """The findings that the output of `CHECK` tells."""
    lines = output.splitlines()
    lacking = [line.removeprefix("lacks ") for line in lines if line.startswith("lacks ")]
    problems = [f"{tool} is missing, which {TOOLS.get(tool, 'is needed')}" for tool in lacking]
    if "sha256sum" not in lacking and not any(line.startswith(f"hash {_HASH_OF_ABC}") for line in lines):
        problems.append("sha256sum does not give the SHA-256 of what it reads")
    if not lines or not lines[0].startswith(("lacks ", "hash ")):
        said = lines[0][:60] if lines else ""
        problems.append(f"its login shell prints {said!r} before a command's output: silence it")
    if "proc" not in lines:
        problems.append("/proc/<pid>/environ cannot be read: commands that hang cannot be ended")
    folder = next((line.removeprefix("folder ") for line in lines if line.startswith("folder /")), None)
    if folder is None:
        said = next((line for line in lines if remote_dir in line), "mkdir failed")
        problems.append(f"transport_options.remote_dir {remote_dir} cannot be written: {said}")
    space = SPACE.search(output)
    if folder is not None and space is None:
        problems.append(f"df -P -k does not tell the free space of {folder}")
    return Findings(tuple(problems), folder, int(space[2]) * 1024 if space else None)
