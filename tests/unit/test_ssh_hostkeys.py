import base64
import hashlib
import hmac
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npubench.boards.ssh.hostkeys import (
    HostKey,
    Known,
    host_name,
    in_order,
    known,
    matches,
    own_file,
    parse,
    remember,
)
from npubench.domain.errors import BoardError

KEY = HostKey("ssh-ed25519", b"\0\0\0\x0bssh-ed25519" + bytes(36))
OTHER = HostKey("ssh-ed25519", b"\0\0\0\x0bssh-ed25519" + bytes(35) + b"\1")
RSA = HostKey("ssh-rsa", b"\0\0\0\x07ssh-rsa" + bytes(300))
FILE = Path("known_hosts")


def encoded(key):
    return base64.b64encode(key.blob).decode()


def line(names, key=KEY, marker=""):
    return f"{marker} {names} {key.type} {encoded(key)} comment\n".lstrip()


def hashed(name):
    salt = b"0123456789abcdefghij"
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize(
    ("name", "patterns", "found"),
    [
        ("pi", "pi", True),
        ("pi", "PI", True),
        ("pi", "pie", False),
        ("pi", "a,pi,b", True),
        ("pi.lab", "*.lab", True),
        ("pi.lab", "*.lab,!pi.lab", False),
        ("pi1", "pi?", True),
        ("[pi]:2222", "[pi]:2222", True),
        ("[pi]:2222", "pi", False),
        ("p", "[pi]:2222", False),
        ("pi", "*", True),
        ("pi", hashed("pi"), True),
        ("pi", hashed("po"), False),
        ("pi", "|1|xx", False),
        ("pi", "|1|?|?", False),
        ("pi", "", False),
    ],
)
def test_patterns(name, patterns, found):
    assert matches(name, patterns) is found


def test_names():
    assert host_name("Pi", 22) == "pi"
    assert host_name("pi", 2222) == "[pi]:2222"


def test_a_known_key_is_trusted_an_unknown_host_is_not_and_a_changed_key_stops(tmp_path):
    file = tmp_path / "known_hosts"
    file.write_text("# comment\n\n" + line("pi"))
    assert known("pi", [file]).trusts(KEY)
    assert not known("po", [file]).trusts(KEY)
    with pytest.raises(BoardError, match=r"has CHANGED.*known_hosts line 3"):
        known("pi", [file]).trusts(OTHER)


def test_a_key_of_another_type_is_a_changed_key_as_well(tmp_path):
    file = tmp_path / "known_hosts"
    file.write_text(line("pi", RSA))
    with pytest.raises(BoardError, match="CHANGED"):
        known("pi", [file]).trusts(KEY)


def test_several_keys_of_a_host(tmp_path):
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text(line("pi", RSA))
    second.write_text(line("pi"))
    found = known("pi", [first, second, first, tmp_path / "missing"])
    assert found.trusts(KEY)
    assert found.trusts(RSA)
    assert found.types == ("ssh-rsa", "ssh-ed25519")


def test_a_revoked_key_stops_even_where_it_is_known(tmp_path):
    file = tmp_path / "known_hosts"
    file.write_text(line("pi") + line("*", KEY, "@revoked"))
    with pytest.raises(BoardError, match="revoked"):
        known("pi", [file]).trusts(KEY)


def test_a_certificate_authority_vouches_for_no_plain_key():
    assert list(parse(line("*", KEY, "@cert-authority"), FILE)) == []


def test_the_known_types_are_asked_for_first():
    preferred = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256")
    assert in_order(("ssh-rsa",), preferred)[:2] == ("rsa-sha2-512", "rsa-sha2-256")
    assert set(in_order(("ecdsa-sha2-nistp256",), preferred)) == set(preferred)
    assert in_order((), preferred) == preferred


def test_remembered_keys_are_known_even_after_a_line_without_an_end(tmp_path):
    file = tmp_path / "deep" / "known_hosts"
    remember("pi", KEY, file)
    file.write_text(file.read_text().rstrip("\n"))
    remember("[po]:2222", OTHER, file)
    assert known("pi", [file]).trusts(KEY)
    assert known("[po]:2222", [file]).trusts(OTHER)
    assert file.stat().st_mode & 0o077 == 0


def test_a_file_that_cannot_be_read_stops(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(BoardError, match="host keys cannot be checked"):
        known("pi", [tmp_path / "folder"])


def test_the_own_file_follows_xdg(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert own_file() == tmp_path / "npubench" / "known_hosts"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    assert own_file() == Path.home() / ".config" / "npubench" / "known_hosts"


@given(st.text(), st.text(max_size=30))
def test_any_file_is_read_without_an_error(text, name):
    for found in parse(text, FILE):
        assert matches(name, found.patterns) in (True, False)


@given(st.text(st.characters(exclude_characters="!*?|,", exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_a_plain_name_matches_itself_and_its_hash(name):
    assert matches(name.lower(), name)
    assert matches(name, hashed(name))


@given(
    st.lists(
        st.sampled_from([line("pi"), line("po", OTHER), "garbage\n", "@revoked\n", "pi ssh-ed25519 !\n"])
    )
)
def test_what_is_not_the_host_s_key_is_never_trusted(lines):
    found = Known("pi", tuple(x for x in parse("".join(lines), FILE) if matches("pi", x.patterns)))
    if found.lines:
        assert found.trusts(KEY)
        with pytest.raises(BoardError):
            found.trusts(OTHER)
    else:
        assert not found.trusts(KEY)
