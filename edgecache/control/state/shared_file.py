"""File's part of the configuration, as all controls of an installation go by it.

Law: what the API changes is composed with the file that was published last, whichever control does
it. A control that joins others brings no other file: it is published when an operator says so.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from edgecache.config.model import Config, Control
from edgecache.control.state.database import StateBusyError, StateDatabase

FILE = "file"  # in `told`: the content of the file that was published last, as JSON
UNKNOWN = (
    "another control has published what this release does not take, a later one perhaps does:"
    " upgrade this one"
)


class SharedFile:
    """The file in the state's database."""

    def __init__(self, state: StateDatabase) -> None:
        self._state = state
        self._text = ""  # what this control goes by

    def chosen(self, file: Config, *, joining: int) -> tuple[Config, bool]:
        """What counts of `file` and the one in the database, and whether they differ.

        `joining`: how many other controls run already. Inside `writing`.
        """
        text = self._there()
        if not joining or not text:
            return file, False
        theirs = self._read(text)
        return theirs, shared_part(theirs) != shared_part(file)

    def keep(self, file: Config) -> None:
        """Inside `writing`: this one is published."""
        text = msgspec.json.encode(file).decode()
        if text != self._there():
            self._state.execute(
                "INSERT INTO told VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (FILE, text),
            )
        self._text = text

    def changed(self) -> tuple[str, Config] | None:
        """The one that another control has published since, and its text; None: it is the same."""
        text = self._there()
        return None if text in ("", self._text) else (text, self._read(text))

    def use(self, text: str) -> None:
        """This control goes by what `changed` gave."""
        self._text = text

    def _there(self) -> str:
        row = self._state.execute("SELECT value FROM told WHERE name = ?", (FILE,)).fetchone()
        return "" if row is None else str(row[0])

    def _read(self, text: str) -> Config:
        try:
            return msgspec.json.decode(text, type=Config)
        except msgspec.DecodeError as error:
            raise StateBusyError(f"{self._state.name}: {UNKNOWN} ({error})") from None


def shared_part(file: Config) -> Config:
    """A file without what is each machine's own: where its control is, and keeps what it has."""
    control = file.control or Control()
    shared = Control(
        acme=control.acme,
        canary_s=control.canary_s,
        allow_private_origins=control.allow_private_origins,
        invalidation_quotas=control.invalidation_quotas,
    )
    return replace(file, state_dir="", control=shared)
