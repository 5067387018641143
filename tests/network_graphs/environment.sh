#!/usr/bin/env bash
# environment.sh FOLDER: Python over the torch of `npubench env install openmmlab`, with the packages whose networks are counted.
# Without their dependencies: most ask for another torch, and none of what they ask for is in a graph.
set -e
here=$(cd "$(dirname "$0")" && pwd)
torch=$(find ~/.local/share/npubench/envs -maxdepth 1 -type d -name 'openmmlab-*' | head -1)
[ -n "$torch" ] || { echo "no torch: npubench env install openmmlab" >&2; exit 1; }
[ -x "$1/bin/python" ] || python3.11 -m venv "$1"
packages=$1/lib/python3.11/site-packages
ls -d "$torch"/lib/python3.11/site-packages > "$packages/zz_openmmlab.pth"
"$1/bin/python" -m pip install -q --no-deps wheel
"$1/bin/python" -m pip install -q --no-deps -r "$here/requirements.txt"
# Of these two nothing is run: the layers of Qualcomm's networks, the files of MediaPipe's.
wheels=$1/wheels
mkdir -p "$wheels"
"$1/bin/python" -m pip download -q --no-deps -d "$wheels" qai-hub-models==0.65.0 mediapipe==0.10.14
unzip -q -o "$wheels"/qai_hub_models-*.whl '*.py' -d "$packages"
unzip -q -o "$wheels"/mediapipe-*.whl 'mediapipe/modules/*.tflite' -d "$packages"
