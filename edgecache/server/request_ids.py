"""Request ids: X-Amz-Cf-Id, 40 random bytes in base64url, unlike any other request's."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable

ID_BYTES = 40  # CloudFront's: 56 characters, the last two `==`
BATCH = 256  # ids from one call to the random source


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
            cut = range(0, len(data), ID_BYTES)
            ready.extend(urlsafe_b64encode(data[at : at + ID_BYTES]) for at in cut)
        return ready.pop()
