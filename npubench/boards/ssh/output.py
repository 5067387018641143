"""The output of a command, bounded: its beginning and its end, and how much lies between."""

from typing import BinaryIO


class Bounded:
    """Keeps the first quarter of `limit` bytes and the last three; `log` gets the same, as it comes."""

    def __init__(self, limit: int, log: "Bounded | None" = None, stream: BinaryIO | None = None) -> None:
        self._head_limit = limit // 4
        self._tail_limit = limit - self._head_limit
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0
        self._log = log
        self._stream = stream

    def add(self, chunk: bytes) -> None:
        """The next bytes of the output."""
        if self._log is not None:
            self._log.add(chunk)
        room = self._head_limit - len(self._head)
        if room > 0:
            self._head += chunk[:room]
            if self._stream is not None:
                self._stream.write(chunk[:room])
                self._stream.flush()
            chunk = chunk[room:]
        self._tail += chunk
        if len(self._tail) > 2 * self._tail_limit:  # seldom, so that no byte is moved often
            self._trim()

    def close(self) -> None:
        """Nothing more comes: the log gets the end."""
        self._trim()
        if self._log is not None:
            self._log.close()
        if self._stream is not None:
            self._stream.write(self._rest())
            self._stream.flush()

    @property
    def truncated(self) -> bool:
        """Whether something was left out."""
        return self._dropped > 0

    def text(self) -> str:
        """What was kept, with a line saying how many bytes are left out; bad UTF-8 becomes U+FFFD."""
        self._trim()
        return (bytes(self._head) + self._rest()).decode("utf-8", "replace")

    def _rest(self) -> bytes:
        note = f"\n[npubench left {self._dropped} bytes out here]\n".encode() if self._dropped else b""
        return note + bytes(self._tail)

    def _trim(self) -> None:
        excess = len(self._tail) - self._tail_limit
        if excess > 0:
            del self._tail[:excess]
            self._dropped += excess
