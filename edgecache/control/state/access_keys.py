"""Access keys in control's state: made, listed, deleted. Law: what is deleted admits nobody.

Signature Version 4 needs the secret itself. It is kept sealed (AES-256-GCM) by a key that is
derived from an operator's secret, so that neither the database nor a copy of it opens anything;
when operators' secrets change, all are sealed by the newest anew.

The key that an operator's secret gives by itself is not kept here; that it was deleted is.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from edgecache.control.state.database import AUTHORS_RESERVED, StateDatabase

KEYS_MAX = 100  # a person has a few; each is held in memory
ID_PREFIX = "EDGE"  # AWS's own begin with AKIA, which scanners for leaked keys look for
NAME_FORM = "1-64 of A-Z a-z 0-9 _ . -"
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_NONCE_BYTES = 12  # of GCM (NIST SP 800-38D §8.2)
_PURPOSE = b"edgecache access keys at rest"
_COLUMNS = "id, name, sealed, created_at, used_at, actions, distributions"

Random = Callable[[int], bytes]
Operators = Mapping[str, str]


class KeyNotMadeError(Exception):
    """An access key cannot be made: the message says why."""


class NoSuchKeyError(Exception):
    """There is no access key of that name or id."""


@dataclass(frozen=True, slots=True)
class AccessKeyRecord:
    """An access key. Times are epoch seconds; empty limits are none. Its repr holds no secret.

    An empty `secret`: it was sealed by an operator's secret that is gone, and admits nobody.
    """

    id: str
    name: str
    created_at: float
    used_at: float | None
    actions: tuple[str, ...]
    distributions: tuple[str, ...]
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class AccessKeyList:
    """All keys that were made, and the ids of operators' own that were deleted."""

    made: tuple[AccessKeyRecord, ...] = ()
    deleted: frozenset[str] = frozenset()


class AccessKeys:
    """The access keys of an installation. Used from the state's thread.

    `tell` is given all of them, on the loop, whenever they change; `hand` gets it there.
    """

    def __init__(
        self,
        state: StateDatabase,
        operators: Operators,
        clock: Callable[[], float],
        random: Random,
        hand: Callable[[Callable[[], None]], None],
    ) -> None:
        self._state = state
        self._database = state
        self._operators = operators
        self._clock = clock
        self._random = random
        self._hand = hand
        self._tell: Callable[[AccessKeyList], None] = lambda _: None
        self._known = self._read()
        state.on_change(("access_keys", "deleted_access_keys"), self._follow)
        self._sealed_by = ""  # the operator's secret that has sealed all of them, once it is known

    def on_change(self, tell: Callable[[AccessKeyList], None]) -> None:
        """Tell of all keys now, and whenever they change."""
        self._tell = tell
        tell(self._known)

    def all(self) -> AccessKeyList:
        """All of them, with when each was last used."""
        used = dict(self._database.execute("SELECT id, used_at FROM access_keys"))
        made = (replace(one, used_at=used.get(one.id)) for one in self._known.made)
        return replace(self._known, made=tuple(made))

    def create(
        self, name: str, actions: Collection[str], distributions: Collection[str]
    ) -> AccessKeyRecord:
        """A new key, on disk when this returns. KeyNotMadeError."""
        id = ID_PREFIX + base64.b32encode(self._random(10)).decode()
        secret = base64.urlsafe_b64encode(self._random(32)).decode().rstrip("=")
        limits = tuple(sorted({*actions})), tuple(sorted({*distributions}))
        record = AccessKeyRecord(id, name, self._clock(), None, *limits, secret)
        with self._state.writing():
            self._require_new(name)
            self._put(record)
            self._changed(replace(self._known, made=(*self._known.made, record)))
        return record

    def delete(self, id: str) -> None:
        """Delete the key of an id; one that was made here, or an operator's own."""
        with self._state.writing():
            made = tuple(one for one in self._known.made if one.id != id)
            if len(made) == len(self._known.made):
                self._database.execute(
                    "INSERT INTO deleted_access_keys VALUES (?) ON CONFLICT DO NOTHING", (id,)
                )
                self._changed(replace(self._known, deleted=self._known.deleted | {id}))
            else:
                self._database.execute("DELETE FROM access_keys WHERE id = ?", (id,))
                self._changed(replace(self._known, made=made))

    def note_use(self, id: str, at: float) -> None:
        """Keep when a key was used last."""
        with self._state.writing():
            self._database.execute("UPDATE access_keys SET used_at = ? WHERE id = ?", (at, id))
        self.seal_anew(self._operators)

    def seal_anew(self, operators: Operators) -> None:
        """Seal all by the newest of operators' secrets, unless that was done."""
        self._operators, newest = operators, [*operators.values()][-1]
        if newest == self._sealed_by:
            return
        update = "UPDATE access_keys SET sealed = ? WHERE id = ?"
        with self._state.writing():
            if not all(one.secret for one in self._known.made):  # another control has sealed them
                self._follow()
            for one in self._known.made:
                if one.secret:
                    self._database.execute(update, (self._sealed(one.id, one.secret), one.id))
        self._sealed_by = newest

    def _require_new(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise KeyNotMadeError(f"name: {name[:64]!r} is not {NAME_FORM}")
        if name in AUTHORS_RESERVED:
            raise KeyNotMadeError(f"name: {name} is how control itself calls authors of changes")
        if any(one.name == name for one in self._known.made) or name in self._operators:
            raise KeyNotMadeError(f"name: there is an access key {name} already")
        if len(self._known.made) >= KEYS_MAX:
            raise KeyNotMadeError(f"there are {KEYS_MAX} access keys: delete one that is not used")

    def _changed(self, known: AccessKeyList) -> None:
        """Inside `writing`: these are the keys from its end on."""

        def told() -> None:
            self._known = known
            self._hand(lambda: self._tell(known))

        self._state.on_commit(told)

    def _follow(self) -> None:
        """Know what another control has made, deleted or sealed."""
        self._known = known = self._read()
        self._hand(lambda: self._tell(known))

    def _put(self, one: AccessKeyRecord) -> None:
        limits = [msgspec.json.encode(of).decode() for of in (one.actions, one.distributions)]
        row = (one.id, one.name, self._sealed(one.id, one.secret), one.created_at, None, *limits)
        self._database.execute(
            f"INSERT INTO access_keys ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", row
        )

    def _read(self) -> AccessKeyList:
        rows = self._database.execute(f"SELECT {_COLUMNS} FROM access_keys ORDER BY created_at, id")
        made = []
        for id, name, sealed, created_at, used_at, actions, distributions in rows:
            may, sites = (
                msgspec.json.decode(text, type=tuple[str, ...]) for text in (actions, distributions)
            )
            secret = self._opened(id, sealed)
            made.append(AccessKeyRecord(id, name, created_at, used_at, may, sites, secret))
        deleted = self._database.execute("SELECT id FROM deleted_access_keys")
        return AccessKeyList(tuple(made), frozenset(id for (id,) in deleted))

    def _sealed(self, id: str, secret: str) -> bytes:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        newest = [*self._operators.values()][-1]
        nonce = self._random(_NONCE_BYTES)
        return nonce + AESGCM(_sealing_key(newest)).encrypt(nonce, secret.encode(), id.encode())

    def _opened(self, id: str, sealed: bytes) -> str:
        """The secret of a key; empty where no operator's secret of now has sealed it."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, content = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        for operator in self._operators.values():
            try:
                return AESGCM(_sealing_key(operator)).decrypt(nonce, content, id.encode()).decode()
            except InvalidTag:
                continue
        return ""


def _sealing_key(operator: str) -> bytes:
    return hmac.new(operator.encode(), _PURPOSE, hashlib.sha256).digest()
