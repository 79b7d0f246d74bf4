"""Owner of a database: the installation whose secrets' digests it keeps.

Law: a control uses no database of another installation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from edgecache.control.state.database import StateDatabase, StateError

OWNER = "installation"  # in `told`: digests of the secrets of whose it is
WAY_OUT = "; name a database of its own in control.database, or bring this one's secrets.json here"


def owner_digest(secret: str) -> str:
    """What a database keeps of a secret, to know it again."""
    return hashlib.sha256(b"edgecache installation\0" + secret.encode()).hexdigest()[:32]


def require_owner(state: StateDatabase, owners: Sequence[str]) -> None:
    """Have a database say that it is whose digests `owners` are. StateError: it is another's."""
    if not owners:
        return
    row = state.execute("SELECT value FROM told WHERE name = ?", (OWNER,)).fetchone()
    known = msgspec.json.decode(row[0], type=list[str]) if row else []
    if known and not {*known} & {*owners}:
        raise StateError(f"{state.name}: it is another installation's{WAY_OUT}")
    if known != [*owners]:
        with state.writing():
            state.execute(
                "INSERT INTO told VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (OWNER, msgspec.json.encode(owners).decode()),
            )
