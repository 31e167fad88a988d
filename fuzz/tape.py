"""How does a fuzzer choose among forms of input? By the first bytes of what it sends, like a tape that is read once."""

from __future__ import annotations


class Tape:
    """Reads choices off the front of some bytes; behind their end all are zero, or empty."""

    def __init__(self, sent: bytes) -> None:
        self._sent = sent
        self._at = 0

    def byte(self) -> int:
        """Return a number of 0 to 255."""
        return int.from_bytes(self.take(1))

    def number(self) -> int:
        """Return a number of 0 to 65535."""
        return int.from_bytes(self.take(2))

    def chunk(self) -> bytes:
        """Return as many bytes as the next one says."""
        return self.take(self.byte())

    def take(self, count: int) -> bytes:
        """Return the next bytes, or as many as there are."""
        taken = self._sent[self._at : self._at + count]
        self._at += len(taken)
        return taken

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(len(self._sent))

    @property
    def over(self) -> bool:
        """Nothing is left."""
        return self._at >= len(self._sent)
