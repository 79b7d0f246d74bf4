"""Certificates that control has issued, and join tokens. Law: a token opens once, or never.

Of a token its digest is kept. A machine that is revoked stays so until its certificates have ended.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from edgecache.control.nodes.authority import IssuedCertificate
from edgecache.control.state.database import StateDatabase

TOKENS_MAX = 1_000  # that may still be used
LOCAL_INSTANCE = "local"  # of control's own machine
KEPT_S = 7 * 86_400.0  # certificates that have ended are listed so long


class TokenRefusedError(Exception):
    """A join token that opens nothing: the message says why."""


@dataclass(frozen=True, slots=True)
class CertificateRecord:
    """A certificate as it is listed; times are epoch seconds."""

    serial: str
    place: str
    instance: str
    names: tuple[str, ...]
    issued_at: float
    ends: float
    revoked_at: float | None

    @property
    def node(self) -> str:
        """The machine's place and instance."""
        return f"{self.place}/{self.instance}"


class IssuedCertificates:
    """The rows of a state; used from its thread."""

    def __init__(self, state: StateDatabase, clock: Callable[[], float]) -> None:
        self._state = state
        self._database = state
        self._clock = clock

    def add_token(self, digest: str, place: str, lifetime_s: float) -> None:
        """A token for `place`, for so many seconds. TokenRefusedError: there are too many."""
        now = self._clock()
        with self._state.writing():
            self._database.execute("DELETE FROM join_tokens WHERE ends < ?", (now - KEPT_S,))
            rows = self._database.execute(
                "SELECT count(*) FROM join_tokens WHERE used_at IS NULL AND ends >= ?", (now,)
            )
            if rows.fetchone()[0] >= TOKENS_MAX:
                raise TokenRefusedError(f"{TOKENS_MAX} tokens wait to be used already")
            self._database.execute(
                "INSERT INTO join_tokens (digest, place, ends) VALUES (?, ?, ?)",
                (digest, place, now + lifetime_s),
            )

    def redeem(self, digest: str, certify: Callable[[str], IssuedCertificate]) -> IssuedCertificate:
        """The certificate that `certify` makes for a token's place; with it the token is used up.

        TokenRefusedError. What `certify` raises leaves the token as it was.
        """
        now = self._clock()
        with self._state.writing():
            row = self._database.execute(
                "SELECT place, ends, used_at FROM join_tokens WHERE digest = ?", (digest,)
            ).fetchone()
            if row is None:
                raise TokenRefusedError("the token is not one of this installation")
            place, ends, used_at = row
            if used_at is not None:
                raise TokenRefusedError("the token was used already: it opens once")
            if ends < now:
                raise TokenRefusedError("the token has ended: run `edgecache nodes token` anew")
            issued = certify(str(place))
            self._database.execute(
                "UPDATE join_tokens SET used_at = ? WHERE digest = ?", (now, digest)
            )
            self.add(issued)
        return issued

    def add(self, issued: IssuedCertificate) -> None:
        """Keep a certificate that goes out."""
        with self._state.writing():
            oldest = self._clock() - KEPT_S
            self._database.execute("DELETE FROM certificates WHERE ends < ?", (oldest,))
            self._database.execute(
                "INSERT INTO certificates (serial, place, instance, names, issued_at, ends)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (
                    issued.serial, issued.identity.place, issued.identity.instance,
                    msgspec.json.encode(issued.names).decode(), issued.issued_at, issued.ends,
                ),
            )  # fmt: skip

    def listing(self) -> Sequence[CertificateRecord]:
        """The newest certificate of each machine, and those that were revoked; by node."""
        rows = self._database.execute(
            "SELECT serial, place, instance, names, issued_at, ends, revoked_at"
            " FROM certificates ORDER BY place, instance, issued_at DESC, ends DESC"
        )
        found: dict[str, CertificateRecord] = {}
        for serial, place, instance, names, *times in rows:
            known = tuple(msgspec.json.decode(names, type=list[str]))
            one = CertificateRecord(serial, place, instance, known, *times)
            found.setdefault(one.node, one)
        return [*found.values()]

    def revoke(self, node: str) -> tuple[str, ...]:
        """Take no certificate of `node`, a place or PLACE/INSTANCE, any more: whose they were.

        It is the machine that is taken no more, with all it got, and what a backup does not know
        of. Control's own has the authority, and is never among them.
        """
        place, _, instance = node.partition("/")
        with self._state.writing():
            rows = self._database.execute(
                "UPDATE certificates SET revoked_at = ? WHERE revoked_at IS NULL"
                " AND place = ? AND ? IN ('', instance) AND instance != ?"
                " RETURNING place, instance",
                (self._clock(), place, instance, LOCAL_INSTANCE),
            )
            return tuple(sorted({f"{place}/{instance}" for place, instance in rows.fetchall()}))

    def on_change(self, look: Callable[[], None]) -> None:
        """Call `look` on the state's thread when another control has issued or revoked some."""
        self._state.on_change(("certificates",), look)

    def revoked(self) -> tuple[str, ...]:
        """The machines that are taken no more, as long as a certificate of theirs may be good."""
        rows = self._database.execute(
            "SELECT DISTINCT place, instance FROM certificates WHERE revoked_at IS NOT NULL"
            " ORDER BY place, instance"
        )
        return tuple(f"{place}/{instance}" for place, instance in rows)
