#!/bin/sh
# coverage-lines.sh PYTHON FOLDER WORKERS [WORDS...]: runs the tests with coverage.py, installed beside PYTHON's environment.
set -eu
python=$1 workers=$3
mkdir -p "$2"
COVERAGE_FOLDER=$(cd "$2" && pwd)
export COVERAGE_FOLDER
shift 3
[ -d "$COVERAGE_FOLDER/env" ] || {
    "$python" -m venv "$COVERAGE_FOLDER/env"
    "$python" -c 'import site; print(*("import site; site.addsitedir(%r)" % folder for folder in site.getsitepackages()), sep="\n")' \
        > "$("$COVERAGE_FOLDER/env/bin/python" -c 'import site; print(site.getsitepackages()[0])')/below.pth"
    "$COVERAGE_FOLDER/env/bin/python" -m pip install --quiet 'coverage>=7.10'
}
rm -f "$COVERAGE_FOLDER"/data*
"$COVERAGE_FOLDER/env/bin/python" -m coverage run --rcfile tests/coverage.ini -m pytest -n "$workers" --dist loadscope --no-loadscope-reorder "$@" || echo "pytest ended with $?" >&2
"$COVERAGE_FOLDER/env/bin/python" -m coverage combine --quiet --rcfile tests/coverage.ini
"$COVERAGE_FOLDER/env/bin/python" -m coverage report --rcfile tests/coverage.ini --skip-covered
