"""Request ids: X-Amz-Cf-Id, 40 random bytes in base64url, unlike any other request's."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from struct import iter_unpack

ID_BYTES = 40  # CloudFront's: 56 characters, the last two `==`
ID_CHARS = 56
BATCH = 256  # ids from one call to the random source
_LONG = ID_BYTES - 1  # a whole number of groups of three: a batch is encoded in one go
_LONG_CHARS = _LONG // 3 * 4
_ENDS = [urlsafe_b64encode(bytes((byte,))) for byte in range(256)]


class RequestIds:
    """Ids, made in batches from an injected source of random bytes."""

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._ready: list[bytes] = []

    def next(self) -> bytes:
        """An id never given before."""
        ready = self._ready
        if not ready:
            data = self._random_bytes(ID_BYTES * BATCH)
            starts = urlsafe_b64encode(data[: _LONG * BATCH])
            ends = map(_ENDS.__getitem__, data[_LONG * BATCH :])
            cut = iter_unpack(f"{_LONG_CHARS}s", starts)
            ready.extend([start + end for (start,), end in zip(cut, ends, strict=True)])
        return ready.pop()

    def peek(self) -> bytes:
        """The id that is given next."""
        if not self._ready:
            self._ready.append(self.next())
        return self._ready[-1]
