import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.boards.ssh.config import SshSettings, settings
from npubench.domain.errors import UsageError
from npubench.domain.specs import BoardSpec, Precision


def board(**options):
    return BoardSpec("pi", "Pi", "chip", "ssh", "fake", (Precision.INT8,), transport_options=options)


def test_a_host_is_enough():
    assert settings(board(host="pi.local")) == SshSettings(
        "pi.local", ssh_config=str(Path.home() / ".ssh" / "config")
    )


def test_values_are_taken():
    found = settings(board(host="h", port=2222, key="~/k", remote_dir="~/bench/", connect_timeout_s=3))
    assert (found.port, found.key, found.remote_dir) == (2222, str(Path.home() / "k"), "bench")
    assert isinstance(found.connect_timeout_s, float)


def test_a_missing_host_names_the_file_to_write():
    with pytest.raises(UsageError, match=r"host is missing.*npubench/boards/pi\.toml"):
        settings(board())


def test_a_slip_of_the_pen_is_told():
    with pytest.raises(UsageError, match=r"transport_options\.hots: unknown key \(did you mean 'host'\?\)"):
        settings(board(host="h", hots="x"))


def test_every_mistake_is_told_at_once():
    with pytest.raises(UsageError, match=r"options\.port: must be.*; .*options\.hots: unknown key"):
        settings(board(host="h", port=0, hots="x"))


@pytest.mark.parametrize(
    "options",
    [
        {"host": ""},
        {"host": "-oProxyCommand=x"},
        {"host": "a\nb"},
        {"host": 3},
        {"port": 0},
        {"port": 65_536},
        {"port": True},
        {"port": "22"},
        {"keepalive_s": 0},
        {"keepalive_s": float("nan")},
        {"keepalive_s": float("inf")},
        {"keepalive_s": True},
        {"keepalive_count": 0},
        {"keep_bytes": 1},
        {"remote_dir": "/"},
        {"remote_dir": "~other/x"},
        {"user": "-l"},
    ],
)
def test_what_cannot_be_used_names_its_key(options):
    key = next(iter(options))
    with pytest.raises(UsageError, match=rf"board pi: transport_options\.{key}: must be "):
        settings(board(**{"host": "h", **options}))


@given(
    st.dictionaries(
        st.sampled_from(sorted(SshSettings.__struct_fields__)),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()),
    )
)
def test_any_options_give_settings_or_a_usage_error(options):
    with contextlib.suppress(UsageError):
        assert settings(board(**options)).host


@pytest.mark.parametrize("key", ["key", "ssh_config"])
def test_the_home_of_nobody_is_a_wrong_option(key):
    with pytest.raises(UsageError, match=rf"transport_options\.{key}: '~nosuchuser/x': nobody"):
        settings(board(host="h", **{key: "~nosuchuser/x"}))
