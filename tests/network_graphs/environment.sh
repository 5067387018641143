#!/usr/bin/env bash
# environment.sh FOLDER: Python over the torch of `npubench env install openmmlab`, with the packages whose networks are counted.
# Without their dependencies: most ask for another torch, and none of what they ask for is in a graph.
set -e
here=$(cd "$(dirname "$0")" && pwd)
torch=$(ls -d ~/.local/share/npubench/envs/openmmlab-*/ | head -1)
[ -x "$1/bin/python" ] || python3.11 -m venv "$1"
ls -d "$torch"/lib/python3.11/site-packages > "$1/lib/python3.11/site-packages/openmmlab.pth"
"$1/bin/python" -m pip install -q --no-deps -r "$here/requirements.txt"
