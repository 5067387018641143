"""`npubench probe` as a user meets it."""

import os

import pytest

from tests.cpu_probe import needed
from tests.integration.test_cli_run import npubench


def test_build_makes_a_program_once_and_list_tells_it(tmp_path):
    needed("gcc")
    places = {**os.environ, "NPUBENCH_CACHE": str(tmp_path / "cache")}
    first = npubench("probe", "build", "x86-64", "--compiler", "gcc", env=places)
    assert first.returncode == 0, first.stderr
    assert "building" in first.stderr
    again = npubench("probe", "build", "x86-64", env=places)
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == first.stdout
    assert "built by gcc" in npubench("probe", "list", env=places).stdout
    made = next((tmp_path / "cache" / "probe").glob("*/x86-64--gcc-*/cpupeak"))
    made.write_bytes(b"not a program")
    mended = npubench("probe", "build", "x86-64", env=places)
    assert mended.returncode == 0, mended.stderr
    assert made.read_bytes()[:4] == b"\x7fELF"


@pytest.mark.parametrize("words", [["x87"], ["../x86-64"]])
def test_a_target_that_there_is_not_is_a_usage_error(tmp_path, words):
    done = npubench("probe", "build", *words, env={**os.environ, "NPUBENCH_CACHE": str(tmp_path)})
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "armv7, aarch64, x86-64" in done.stderr


def test_a_compiler_that_fails_is_told_with_what_to_install(tmp_path):
    broken = tmp_path / "bin" / "arm-linux-gnueabihf-gcc"
    broken.parent.mkdir()
    broken.write_text(
        "#!/bin/sh\n[ \"$1\" = --version ] && echo gcc 1.0 && exit 0\necho 'error: no C library'\nexit 1\n"
    )
    broken.chmod(0o755)
    places = {
        **os.environ,
        "NPUBENCH_CACHE": str(tmp_path / "cache"),
        "PATH": f"{broken.parent}:/usr/bin:/bin",
    }
    done = npubench("probe", "build", "armv7", "--compiler", "gcc", env=places)
    assert done.returncode == 5
    assert "error: no C library" in done.stderr
    assert "npubench[probe]" in done.stderr


def test_a_compiler_that_writes_something_else_is_not_believed(tmp_path):
    liar = tmp_path / "bin" / "arm-linux-gnueabihf-gcc"
    liar.parent.mkdir()
    script = 'while [ "$1" != -o ]; do [ "$1" = --version ] && echo gcc 1.0 && exit 0; shift; done; cp /bin/sh "$2"'
    liar.write_text(f"#!/bin/sh\n{script}\n")
    liar.chmod(0o755)
    places = {**os.environ, "NPUBENCH_CACHE": str(tmp_path / "cache"), "PATH": f"{liar.parent}:/usr/bin:/bin"}
    done = npubench("probe", "build", "armv7", "--compiler", "gcc", env=places)
    assert done.returncode == 5
    assert "no program for armv7" in done.stderr
    assert not list((tmp_path / "cache").glob("probe/*/armv7--*"))
