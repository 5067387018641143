"""Hypothesis looks for new examples on a developer's machine; in CI it repeats the same ones.

A run in CI answers for one change, and must not fail by an example that nobody has looked at yet.
"""

import os

import pytest
from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("developer", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "developer")


@pytest.fixture(scope="session", autouse=True)
def own_leases(tmp_path_factory):
    """Tests beside each other do not wait for each other's measurements on this machine."""
    os.environ["NPUBENCH_LEASES"] = str(tmp_path_factory.mktemp("leases"))
    yield
    del os.environ["NPUBENCH_LEASES"]


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Tests neither fill nor use the cache of whoever runs them, unless they say where it is."""
    if "NPUBENCH_CACHE" in os.environ:
        yield
        return
    os.environ["NPUBENCH_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    del os.environ["NPUBENCH_CACHE"]
