"""Cache-Control directives of requests and responses, parsed.

Law: what is malformed is never less strict than what its sender may have meant.

- A member is named by its leading token, in any case. What follows is its argument after `=`, a
  token or a quoted-string; anything else (`max-age =60`, `private; x`, `max-age= 60`) makes the
  argument malformed: the directive is there, a number of seconds is 0, a list of names is "all".
- Of several values of one directive the first counts (RFC 9111 §4.2.1); but lists of field names
  add up, and one without names (or malformed) outweighs those with.
- A directive in a quoted-string is part of an argument, never a directive.
- Which directive outweighs another is for the rules to say: nothing is dropped here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from edgecache.http.function_cache import DIRECTIVES_BYTES, cached
from edgecache.http.message import TOKEN, is_quoted_string, is_token, list_members, unquoted

SECONDS_MAX = 2**31  # RFC 9111 §1.2.2: what a greater delta-seconds is taken for
_REMEMBERED_BYTES_MAX = 256  # more than sites need; a directive takes 100 beside its own
_DELTA_SECONDS = re.compile(rb"[0-9]+")


class MalformedDirectives(Enum):
    """Stands for an argument that is there and cannot be read."""

    ARGUMENT = "malformed"


Argument = bytes | None | MalformedDirectives


@dataclass(frozen=True, slots=True)
class Directives:
    """The directives of a message: each name, lower case, with every argument it was given.

    An argument is the bytes it says (unquoted), None when there is none, or Broken.ARGUMENT.
    """

    arguments: Mapping[bytes, tuple[Argument, ...]]

    def has(self, name: bytes) -> bool:
        """Whether the directive is there, whatever its argument."""
        return name in self.arguments

    def __contains__(self, name: bytes) -> bool:
        return name in self.arguments

    def argument(self, name: bytes) -> bytes | None:
        """The first argument; None without one, empty when it is malformed."""
        first = self.arguments.get(name, (None,))[0]
        return b"" if isinstance(first, MalformedDirectives) else first

    def seconds(self, name: bytes) -> int | None:
        """The first argument as delta-seconds (RFC 9111 §1.2.2), at most SECONDS_MAX.

        None when the directive is absent; 0 when it has no argument or a malformed one
        (RFC 9111 §4.2.1: invalid freshness information makes a response stale).
        """
        occurrences = self.arguments.get(name)
        return None if occurrences is None else _delta_seconds(occurrences[0])

    def field_names(self, name: bytes) -> frozenset[bytes] | None:
        """The field names a directive is limited to, lower case (RFC 9111 §5.2.2.4, §5.2.2.7).

        None when the directive is absent; empty when it is not limited: it is about the message.
        """
        occurrences = self.arguments.get(name)
        if occurrences is None:
            return None
        lists = [_names(argument) for argument in occurrences]
        return frozenset[bytes]().union(*lists) if all(lists) else frozenset()


NO_DIRECTIVES = Directives({})


def parse_directives(values: Sequence[bytes]) -> Directives:
    """The directives of every Cache-Control line of a message (RFC 9111 §5.2)."""
    if not values:
        return NO_DIRECTIVES
    if sum(map(len, values)) > _REMEMBERED_BYTES_MAX:
        return _parse(tuple(values))
    return _cached_parse(tuple(values))


def _parse(values: tuple[bytes, ...]) -> Directives:
    found: dict[bytes, list[Argument]] = {}
    for value in values:
        for member in list_members(value):
            token = TOKEN.match(member)
            if token is not None:
                argument = _argument(member[token.end() :])
                found.setdefault(token[0].lower(), []).append(argument)
    return Directives({name: tuple(arguments) for name, arguments in found.items()})


_cached_parse = cached(256, DIRECTIVES_BYTES)(_parse)


def _argument(rest: bytes) -> Argument:
    if not rest:
        return None
    text = rest[1:]
    if rest.startswith(b"=") and (is_token(text) or is_quoted_string(text)):
        return unquoted(text)
    return MalformedDirectives.ARGUMENT


def _delta_seconds(argument: Argument) -> int:
    if not isinstance(argument, bytes) or not _DELTA_SECONDS.fullmatch(argument):
        return 0
    digits = argument.lstrip(b"0")
    if len(digits) > 10:  # the digits of SECONDS_MAX
        return SECONDS_MAX
    return min(int(digits or b"0"), SECONDS_MAX)


def _names(argument: Argument) -> frozenset[bytes]:
    """The names an argument lists; empty when it limits nothing or cannot be read."""
    if not isinstance(argument, bytes):
        return frozenset()
    names = frozenset(name.lower() for name in list_members(argument))
    return names if all(map(is_token, names)) else frozenset()
