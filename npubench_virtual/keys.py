"""Keys of the machine: made once, put behind its initramfs, and pinned, so that nobody has to be asked.

dropbear's key file is `string "ssh-ed25519"`, then a string of the 32 bytes of the private and the 32
of the public key (dropbear, ed25519.c: buf_put_ed25519_priv_key).
"""

import os
from pathlib import Path, PurePosixPath

from npubench.boards.ssh import hostkeys
from npubench.storage.files import write_atomically
from npubench_virtual import places

CLIENT_KEY = "client_key"
HOST_KEY = "host_key"
KNOWN_HOSTS = "known_hosts"
SSH_CONFIG = "ssh_config"
ALIAS = f"npubench-{places.NAME}"
_KIND = b"ssh-ed25519"


def make(folder: Path) -> None:
    """Make the client's and the host's key pair where there is none."""
    for name in (CLIENT_KEY, HOST_KEY):
        if not (folder / name).exists() or not (folder / f"{name}.pub").exists():
            _make_pair(folder / name)
    kind, blob = (folder / f"{HOST_KEY}.pub").read_text(encoding="ascii").split()
    write_atomically(folder / KNOWN_HOSTS, f"{ALIAS} {kind} {blob}\n")


def write_ssh_config(folder: Path, port: int) -> None:
    """A configuration for npubench, and for `ssh -F`, that knows the address and the host's key."""
    lines = (
        f"Host {places.NAME}",
        "    HostName 127.0.0.1",
        f"    Port {port}",
        "    User root",
        f'    IdentityFile "{folder / CLIENT_KEY}"',
        "    IdentitiesOnly yes",
        f"    HostKeyAlias {ALIAS}",
        # paramiko takes quotes away from a value that has them at both of its ends.
        f'    UserKnownHostsFile "{folder / KNOWN_HOSTS}" /dev/null',
    )
    write_atomically(folder / SSH_CONFIG, "\n".join(lines) + "\n")


def files(folder: Path) -> dict[PurePosixPath, tuple[int, bytes]]:
    """The keys as the board has them: permissions and contents by path."""
    here = PurePosixPath("etc/npubench")
    host_key = folder / HOST_KEY
    return {
        here / "authorized_keys": (0o600, (folder / f"{CLIENT_KEY}.pub").read_bytes()),
        here / "ssh_host_ed25519_key": (0o600, host_key.read_bytes()),
        here / "ssh_host_ed25519_key.pub": (0o644, (folder / f"{HOST_KEY}.pub").read_bytes()),
        here / "dropbear_host_key": (0o600, _for_dropbear(host_key)),
    }


def host_key(folder: Path) -> hostkeys.HostKey:
    """The host's public key."""
    (line,) = hostkeys.parse((folder / KNOWN_HOSTS).read_text(encoding="ascii"), folder / KNOWN_HOSTS)
    return line.key


def _make_pair(path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
    public = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(private)
    path.with_suffix(".pub").write_bytes(public + b"\n")


def _for_dropbear(path: Path) -> bytes:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = form.load_ssh_private_key(path.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError(f"{path} is no Ed25519 key")
    both = key.private_bytes_raw() + key.public_key().public_bytes_raw()
    return b"".join(len(part).to_bytes(4, "big") + part for part in (_KIND, both))
