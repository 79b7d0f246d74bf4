"""The configuration that a follower of control's log has, and changes of it.

Law: a change applies to the generation that it follows; where this process has another, the whole
is asked for. What comes of changes is what the whole would have said.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from edgecache.cluster.configuration_change import (
    ConfigurationChange,
    ConfigurationText,
    TextChange,
)
from edgecache.cluster.log_entries import LogEntry, LogEntryKind, read_body
from edgecache.config.model import Config


class UnknownSettingsError(Exception):
    """A configuration asks for what this release does not know, which may keep somebody out."""


class MissedChangeError(Exception):
    """A change follows a configuration that this process does not have."""


class ConfigurationEntry(LogEntry, frozen=True):
    """A whole configuration, read already; its `text` is made when it is asked for."""

    config: Config

    @property
    def text(self) -> bytes:
        """Its JSON."""
        assert isinstance(self.body, ConfigurationText)
        return self.body.text


class FollowedConfiguration:
    """The configuration that was applied last, of generation `held`; 0: a whole one is wanted."""

    def __init__(self) -> None:
        self.held = 0
        self._config = Config()
        self._text = ConfigurationText(b"{}")

    def read(self, entry: LogEntry) -> LogEntry:
        """The entry as it is to be applied: of a change the whole that comes of it.

        Until it `was_applied` nothing is held. UnknownSettingsError; MissedChangeError.
        """
        held = self.held
        if entry.kind == LogEntryKind.CONFIG:
            self.held = 0
            self._config = _with_former_parts(read_configuration(entry), self._config)
            self._text = ConfigurationText(_text_of(entry))
        elif entry.kind == LogEntryKind.CONFIG_CHANGE:
            self.held = 0
            self._config = self._changed(entry, held)
        else:
            return entry
        kind = LogEntryKind.CONFIG
        return ConfigurationEntry(entry.seq, entry.at, kind, self._text, self._config)

    def was_applied(self, entry: LogEntry) -> None:
        """What `read` gave is in force."""
        if entry.kind == LogEntryKind.CONFIG:
            self.held = entry.seq

    def _changed(self, entry: LogEntry, held: int) -> Config:
        try:
            change = read_body(entry, ConfigurationChange)
            if not held or change.base != held:
                raise MissedChangeError(f"generation {entry.seq} follows {change.base}")
            self._text.apply(read_body(entry, TextChange))
            return change.applied(self._config)
        except msgspec.DecodeError as error:
            raise UnknownSettingsError(f"generation {entry.seq} cannot be read: {error}") from None
        except ValueError as error:
            raise MissedChangeError(f"generation {entry.seq}: {error}") from None


def _with_former_parts(config: Config, former: Config) -> Config:
    """The same; its distributions that say what former ones do are these, and known again so."""
    known = {one.id: one for one in former.distributions}
    sites = (known[one.id] if known.get(one.id) == one else one for one in config.distributions)
    return replace(config, distributions=tuple(sites)) if known else config


def read_configuration(entry: LogEntry) -> Config:
    """What control published. UnknownSettingsError where that is not known to this release."""
    if isinstance(entry, ConfigurationEntry):
        return entry.config
    try:
        return read_body(entry, Config)
    except msgspec.DecodeError as error:
        raise UnknownSettingsError(f"generation {entry.seq} cannot be read: {error}") from None


def configuration_text(entry: LogEntry) -> bytes | None:
    """The JSON of a configuration as it came over the wire; None: it did not."""
    if isinstance(entry, ConfigurationEntry):
        return entry.text
    return bytes(entry.body) if isinstance(entry.body, msgspec.Raw) else None


def _text_of(entry: LogEntry) -> bytes:
    if isinstance(entry.body, msgspec.Raw):
        return bytes(entry.body)
    return msgspec.json.encode(entry.body)
