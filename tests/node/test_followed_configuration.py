"""A node applies changes to the configuration it holds, and asks for the whole otherwise."""

from __future__ import annotations

import msgspec
import pytest

from edgecache.cluster.configuration_change import ConfigurationChange
from edgecache.cluster.log_entries import LogEntry, LogEntryKind
from edgecache.config.model import Config
from edgecache.node.followed_configuration import (
    FollowedConfiguration,
    MissedChangeError,
    UnknownSettingsError,
    configuration_text,
    read_configuration,
)
from tests.cluster.test_configuration_change import site, text_of

WHOLE = Config(distributions=(site("E1"), site("E2")))


def whole(seq: int, config: Config = WHOLE) -> LogEntry:
    return LogEntry(seq, 1.0, LogEntryKind.CONFIG, msgspec.Raw(text_of(config)))


def change(seq: int, base: int, gone: tuple[str, ...] = (), text: bytes = b"") -> LogEntry:
    body = text or msgspec.json.encode(ConfigurationChange(base, gone, ((0, site("E0")),)))
    return LogEntry(seq, 1.0, LogEntryKind.CONFIG_CHANGE, msgspec.Raw(body))


def applied(followed: FollowedConfiguration, entry: LogEntry) -> LogEntry:
    told = followed.read(entry)
    followed.was_applied(told)
    return told


def test_a_change_is_applied_as_the_whole_that_comes_of_it() -> None:
    followed = FollowedConfiguration()
    first = read_configuration(applied(followed, whole(3)))
    told = applied(followed, change(5, 3, ("E2",)))
    config = read_configuration(told)
    assert (told.kind, told.seq, followed.held) == (LogEntryKind.CONFIG, 5, 5)
    assert config == Config(distributions=(site("E0"), site("E1")))
    assert configuration_text(told) == text_of(config)
    assert config.distributions[1] is first.distributions[0]


@pytest.mark.parametrize(
    "entry", [change(5, 4), change(5, 3, ("E9",)), change(5, 0)], ids=["base", "gone", "none"]
)
def test_a_change_of_another_configuration_is_not_applied(entry: LogEntry) -> None:
    followed = FollowedConfiguration()
    applied(followed, whole(3))
    with pytest.raises(MissedChangeError):
        followed.read(entry)
    assert followed.held == 0  # the whole is wanted
    assert read_configuration(applied(followed, whole(5))) == WHOLE


def test_a_change_before_any_configuration_is_missed() -> None:
    with pytest.raises(MissedChangeError):
        FollowedConfiguration().read(change(5, 3))


def test_settings_of_a_later_release_are_refused_in_a_change_too() -> None:
    followed = FollowedConfiguration()
    applied(followed, whole(3))
    with pytest.raises(UnknownSettingsError, match="generation 5"):
        followed.read(change(5, 3, text=b'{"base":3,"put":[[0,{"id":"E0","shut":true}]]}'))
    assert followed.held == 0


def test_what_was_not_applied_is_not_held() -> None:
    """Its consumer waits for something else, and is told all of it again."""
    followed = FollowedConfiguration()
    applied(followed, whole(3))
    followed.read(change(5, 3))
    assert followed.held == 0


def test_distributions_that_are_as_before_are_the_same_in_another_whole() -> None:
    followed = FollowedConfiguration()
    before = read_configuration(applied(followed, whole(3)))
    other = Config(distributions=(site("E1"), site("E2", "another")))
    after = read_configuration(applied(followed, whole(4, other)))
    assert after == other
    assert after.distributions[0] is before.distributions[0]


def test_other_entries_pass_as_they_are() -> None:
    followed = FollowedConfiguration()
    applied(followed, whole(3))
    one = LogEntry(4, 1.0, LogEntryKind.INVALIDATION, {})
    assert applied(followed, one) is one
    assert followed.held == 3
