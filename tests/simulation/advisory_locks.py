"""Advisory locks of one server ("Advisory Locks" of PostgreSQL's documentation)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.database_session import Session


class AdvisoryLocks:
    """Those of one server: by key who holds it, alone or with others, and who waits for it."""

    def __init__(self) -> None:
        self._held: dict[int, dict[Session, bool]] = {}  # by key: who, and whether shared
        self._waiting: list[tuple[Session, int, bool]] = []

    def take(self, session: Session, key: int, *, waits: bool, shared: bool) -> bool:
        held = self._held.setdefault(key, {})
        if all(one is session or (shared and theirs) for one, theirs in held.items()):
            held[session] = shared
            return True
        if waits:
            self._waiting.append((session, key, shared))
        return False

    def gives_up(self, session: Session) -> bool:
        """It waits no more; whether it did."""
        before = len(self._waiting)
        self._waiting = [one for one in self._waiting if one[0] is not session]
        return len(self._waiting) < before

    def awaits(self, session: Session) -> bool:
        return any(one is session for one, _, _ in self._waiting)

    def others(self, session: Session, key: int) -> int:
        return sum(one is not session for one in self._held.get(key, {}))

    def release(self, session: Session, key: int) -> list[Session]:
        """Whoever has it now that waited for it."""
        self._held.get(key, {}).pop(session, None)
        waiting, self._waiting = self._waiting, []
        return [
            one for one, wanted, shared in waiting
            if self.take(one, wanted, waits=True, shared=shared) and wanted == key
        ]  # fmt: skip

    def leave(self, session: Session) -> list[Session]:
        """It has ended."""
        self.gives_up(session)
        keys = [key for key, held in self._held.items() if session in held]
        return [one for key in keys for one in self.release(session, key)]
