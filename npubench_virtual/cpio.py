"""A small cpio archive, as the kernel unpacks behind an initramfs.

Format: "newc" of Linux' Documentation/driver-api/early-userspace/buffer-format.rst.
"""

import stat
from collections.abc import Mapping
from pathlib import PurePosixPath

_TRAILER = "TRAILER!!!"


def archive(files: Mapping[PurePosixPath, tuple[int, bytes]]) -> bytes:
    """Files of root with their permissions and contents, and the folders that they lie in.

    Paths are relative. The length is a multiple of four, so that another archive may follow.
    """
    folders = sorted({parent for path in files for parent in path.parents if parent != PurePosixPath(".")})
    entries = [_entry(i, str(folder), stat.S_IFDIR | 0o755, b"") for i, folder in enumerate(folders, 1)]
    for number, (path, (mode, content)) in enumerate(sorted(files.items()), len(folders) + 1):
        entries.append(_entry(number, str(path), stat.S_IFREG | mode, content))
    return b"".join([*entries, _entry(0, _TRAILER, 0, b"")])


def _entry(inode: int, name: str, mode: int, content: bytes) -> bytes:
    encoded = name.encode() + b"\0"
    user = group = time = device_major = device_minor = check = 0
    owner, device = (user, group), (device_major, device_minor)
    fields = (inode, mode, *owner, 1, time, len(content), *device, *device, len(encoded), check)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + encoded
    return _padded(head) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
