"""Priorities of responses: urgency and increments, and whose DATA goes next (RFC 9218).

Law: a response of less urgency waits while one of more can send; among equals those that are not
incremental go one after the other, in the order they were asked for, the incremental ones take
turns. What says nothing takes turns at 3, which is left to servers (§10); what says something is
not incremental unless it says so (§4). Of a `priority` that cannot be read nothing counts (§4): it
is a hint.
"""

from __future__ import annotations

import re
from typing import NamedTuple

URGENCY = 3
URGENCY_MAX = 7
_VALUE_BYTES_MAX = 256
_PART = re.compile(rb"[ \t]*([a-z*][a-z0-9_\-.*]*)(?:=(\?[01]|-?[0-9]{1,15}))?(?:;[^,]*)?[ \t]*")


class Priority(NamedTuple):
    """0 is the most urgent."""

    urgency: int = URGENCY
    incremental: bool = False


UNSAID = Priority(URGENCY, True)
UNREADABLE = Priority()


def read_priority(value: bytes) -> Priority:
    """Of the field `priority`, or of a PRIORITY_UPDATE (§4, §7.1): a Dictionary of RFC 8941."""
    if len(value) > _VALUE_BYTES_MAX:
        return UNREADABLE
    urgency, incremental = URGENCY, False
    for part in value.split(b","):
        match = _PART.fullmatch(part)
        if match is None:
            return UNREADABLE
        name, said = match.groups()
        if name == b"u" and said and said[:1] != b"?" and 0 <= int(said) <= URGENCY_MAX:
            urgency = int(said)
        elif name == b"i" and said in (None, b"?1", b"?0"):
            incremental = said != b"?0"
    return Priority(urgency, incremental)
