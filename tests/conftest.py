"""Hypothesis looks for new examples on a developer's machine; in CI it repeats the same ones.

A run in CI answers for one change, and must not fail by an example that nobody has looked at yet.
"""

import importlib
import os
import signal
import time
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from npubench.storage.files import data_root

settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("developer", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "developer")


for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    # A script's background job, or nohup, starts with these ignored, and so would every process of the tests.
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)

USER_CACHE = "NPUBENCH_TESTS_USER_CACHE"
"""The variable of the cache folder of whoever runs the tests, for what tests download."""


@pytest.fixture(scope="session", autouse=True)
def shipped_catalogue_read_once():
    """A worker reads npubench's own catalogue once, where every command of a user reads it anew."""

    load = importlib.import_module("npubench.catalog.load")  # The package has a function of that name.
    read_layer, read_zoo, shipped = load.read_layer, load.read_zoo, data_root()

    @cache
    def shipped_layer(*kinds):
        problems = []
        return read_layer(shipped, problems, *kinds), tuple(problems)

    @cache
    def shipped_zoo():
        return read_zoo(shipped / "models")

    def layer(folder, problems, *kinds):
        if folder != shipped:
            return read_layer(folder, problems, *kinds)
        found, told = shipped_layer(*kinds)
        problems.extend(told)
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(load, "read_layer", layer)
        patched.setattr(
            load,
            "read_zoo",
            lambda models: shipped_zoo() if models == shipped / "models" else read_zoo(models),
        )
        yield


@pytest.fixture(scope="session", autouse=True)
def own_environment(tmp_path_factory):
    """Tests see a home folder, language, time zone and cache of their own, unless they say otherwise.

    What takes long to make or to fetch is used where whoever runs the tests has it: tool environments, pip's
    and the tests' own downloads, pyenv's interpreters.
    """
    home, before = Path.home(), dict(os.environ)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    pip = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf"
    kept = {
        "NPUBENCH_ENVS": Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share") / "npubench/envs",
        USER_CACHE: cache,
        "PIP_CACHE_DIR": cache / "pip",
        "PYENV_ROOT": home / ".pyenv",
        **({"PIP_CONFIG_FILE": pip} if pip.is_file() else {}),
    }
    for name, folder in kept.items():
        os.environ.setdefault(name, str(folder))
    for name in [*os.environ]:
        if name.startswith(("LC_", "XDG_", "OMP_", "GIT_")) or name in FOREIGN:
            del os.environ[name]
    os.environ |= {"LANG": "C.UTF-8", "TZ": "UTC"}
    # A proxy is for pip; servers of tests are here.
    os.environ |= dict.fromkeys(("no_proxy", "NO_PROXY"), "localhost,127.0.0.1")
    # Tests beside each other do not wait for each other's measurements on this machine.
    for name in ("HOME", "NPUBENCH_CACHE", "NPUBENCH_LEASES"):
        os.environ[name] = str(tmp_path_factory.mktemp(name.lower()))
    umask = os.umask(0o022)
    time.tzset()
    yield
    os.umask(umask)
    os.environ.clear()
    os.environ.update(before)
    time.tzset()


FOREIGN = frozenset(
    [
        *("LANGUAGE", "NPUBENCH_LANG", "NPUBENCH_CATALOG", "SSH_AUTH_SOCK", "COLUMNS", "LINES", "NO_COLOR"),
        *(
            "FORCE_COLOR",
            "TERM",
            "PAGER",
            "EDITOR",
            "PYTHONWARNINGS",
            "PYTHONUTF8",
        ),
    ]
)
"""What else a user's shell may have set that changes what a program prints or where it goes."""
