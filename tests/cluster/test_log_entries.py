"""Pages of the log as nodes read them: the same entries, their bodies read once."""

from __future__ import annotations

import msgspec
import pytest

from edgecache.cluster.log_entries import (
    LogEntry,
    LogEntryKind,
    LogPage,
    read_body,
    read_entry,
    read_page,
)
from edgecache.config.model import Config

CONFIG = msgspec.to_builtins(Config(brand="other"))
NAMED = {"id": "I1", "distribution": "E1", "items": [["path", "/a"]], "soft": True}
PAGE = LogPage(
    [
        LogEntry(1, 2.5, LogEntryKind.CONFIG, CONFIG),
        LogEntry(2, 3.5, LogEntryKind.INVALIDATION, NAMED),
    ],
    *(2, 2, "epoch", 0),
)


def test_bodies_are_read_from_the_text_or_from_what_it_says() -> None:
    read = read_page(msgspec.json.encode(PAGE))
    assert (read.last_seq, read.upto, read.epoch) == (2, 2, "epoch")
    for page in (PAGE, read):
        config, invalidation = page.entries
        assert (config.seq, config.at, config.kind) == (1, 2.5, "config")
        assert read_body(config, Config).brand == "other"
        assert read_entry(invalidation) == read_entry(PAGE.entries[1])


@pytest.mark.parametrize("content", [b"", b"[]", b'{"entries": [{"seq": 1}]}', b"{"])
def test_what_is_no_page_is_refused(content: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_page(content)
