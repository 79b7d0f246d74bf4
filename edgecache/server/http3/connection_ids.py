"""Connection ids: each says, to ours alone, which process has the connection.

Law: the kernel hands a datagram to a worker by the addresses in it, which change when a viewer's do
(RFC 9000 §9); the id does not. An id is a nonce, the number of the process under a mask, and a tag
over both: nobody else can make one, see which two belong together, or have a datagram sent to a
process that is not its own. Workers of a location and their successors share the secret. The token
of a stateless reset (§10.3) follows from the id, so that each of them can reset what none has.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from hmac import compare_digest

NONCE_BYTES, OWNER_BYTES, TAG_BYTES = 7, 3, 8
ID_BYTES = NONCE_BYTES + OWNER_BYTES + TAG_BYTES  # 18 of at most 20 (RFC 9000 §17.2)
RESET_TOKEN_BYTES = 16
OWNER_MAX = (1 << 8 * OWNER_BYTES) - 1  # PID_MAX_LIMIT of Linux is 2**22


class ConnectionIds:
    """Ids of one process, whose number is `owner`; `secret` is the location's.

    ValueError when the number has no room in an id.
    """

    def __init__(self, secret: bytes, owner: int, random_bytes: Callable[[int], bytes]) -> None:
        if not 0 <= owner <= OWNER_MAX:
            raise ValueError(f"a process number above {OWNER_MAX}")
        self.owner = owner
        self._random_bytes = random_bytes
        self._mask_key, self._tag_key, self._reset_key = (
            blake2b(word, key=secret, digest_size=32, person=b"connection-ids").digest()
            for word in (b"mask", b"tag", b"reset")
        )

    def issue(self) -> bytes:
        """A new id, for a viewer to address this process by."""
        nonce = self._random_bytes(NONCE_BYTES)
        start = nonce + self._masked(nonce, self.owner.to_bytes(OWNER_BYTES, "big"))
        return start + self._tag(start)

    def owner_of(self, connection_id: bytes) -> int | None:
        """The number of the process that issued an id; None: none of this location has."""
        start, tag = connection_id[:-TAG_BYTES], connection_id[-TAG_BYTES:]
        if len(connection_id) != ID_BYTES or not compare_digest(self._tag(start), tag):
            return None
        return int.from_bytes(self._masked(start[:NONCE_BYTES], start[NONCE_BYTES:]), "big")

    def reset_token(self, connection_id: bytes) -> bytes:
        """What proves to a viewer that its connection is gone."""
        made = blake2b(connection_id, key=self._reset_key, digest_size=RESET_TOKEN_BYTES)
        return made.digest()

    def _masked(self, nonce: bytes, number: bytes) -> bytes:
        mask = blake2b(nonce, key=self._mask_key, digest_size=OWNER_BYTES).digest()
        return bytes(a ^ b for a, b in zip(number, mask, strict=True))

    def _tag(self, start: bytes) -> bytes:
        return blake2b(start, key=self._tag_key, digest_size=TAG_BYTES).digest()
