"""Structured field dictionaries, as targeted Cache-Control fields use them (RFC 9651, RFC 9213).

Law: a field is read to its last byte by RFC 9651, or ignored whole. Only dictionaries: the one kind
of structured field we act upon is a targeted Cache-Control.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from edgecache.http.cache_control import Argument, Directives, MalformedDirectives
from edgecache.http.function_cache import DIRECTIVES_BYTES, cached

_REMEMBERED_BYTES_MAX = 256  # as for Cache-Control
_KEY = re.compile(r"[a-z*][a-z0-9_\-.*]*")
_NUMBER = re.compile(r"-?(?:(?P<decimal>[0-9]{1,12}\.[0-9]{1,3})|[0-9]{1,15})(?![0-9.])")
_STRING = re.compile(r'"([ !#-\[\]-~]*(?:\\["\\][ !#-\[\]-~]*)*)"')
_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*")
_BYTES = re.compile(r":([A-Za-z0-9+/]*)={0,2}:")
_BOOLEAN = re.compile(r"\?([01])")
_DATE = re.compile(r"@(-?[0-9]{1,15})(?![0-9.])")
_DISPLAY = re.compile(r'%"([ !#$&-~]*(?:%[0-9a-f]{2}[ !#$&-~]*)*)"')
_OWS = re.compile(r"[ \t]*")
_SPACES = re.compile(r" *")


@dataclass(frozen=True, slots=True)
class StructuredToken:
    """A word without quotes (RFC 9651 §3.3.4)."""

    text: str


@dataclass(frozen=True, slots=True)
class StructuredDate:
    """Epoch seconds (RFC 9651 §3.3.7)."""

    seconds: int


@dataclass(frozen=True, slots=True)
class DisplayString:
    """Unicode text (RFC 9651 §3.3.8)."""

    text: str


BareItem = int | Decimal | str | StructuredToken | bytes | bool | StructuredDate | DisplayString


@dataclass(frozen=True, slots=True)
class StructuredItem:
    """A value and its parameters (RFC 9651 §3.3)."""

    value: BareItem
    parameters: Mapping[str, BareItem]


@dataclass(frozen=True, slots=True)
class InnerList:
    """Items in parentheses, and the parameters of them all (RFC 9651 §3.1.1)."""

    items: tuple[StructuredItem, ...]
    parameters: Mapping[str, BareItem]


Member = StructuredItem | InnerList


class _Invalid(Exception):
    """The text is not what RFC 9651 allows at this place."""


class _Reader:
    """Reads a text from left to right (RFC 9651 §4.2); never backward, so in linear time."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def at_end(self) -> bool:
        return self._at == len(self._text)

    def skip(self, pattern: re.Pattern[str]) -> None:
        self._take(pattern)

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
        return found

    def _must(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = self._take(pattern)
        if found is None:
            raise _Invalid
        return found

    def next_is(self, character: str) -> bool:
        """Step over `character` if it comes next."""
        found = self._text.startswith(character, self._at)
        self._at += len(character) if found else 0
        return found

    def dictionary(self) -> dict[str, Member]:
        """RFC 9651 §4.2.2; of one key's values the last counts."""
        members: dict[str, Member] = {}
        while not self.at_end():
            key = self._must(_KEY)[0]
            if self.next_is("="):
                members[key] = self._inner_list() if self.next_is("(") else self._item()
            else:
                members[key] = StructuredItem(True, self._parameters())
            self.skip(_OWS)
            if self.at_end():
                break
            if not self.next_is(","):
                raise _Invalid
            self.skip(_OWS)
            if self.at_end():
                raise _Invalid  # a comma at the end
        return members

    def _inner_list(self) -> InnerList:
        items: list[StructuredItem] = []
        self.skip(_SPACES)
        while not self.next_is(")"):
            if items and self._text[self._at - 1] != " ":
                raise _Invalid
            items.append(self._item())
            self.skip(_SPACES)
        return InnerList(tuple(items), self._parameters())

    def _item(self) -> StructuredItem:
        return StructuredItem(self._bare_item(), self._parameters())

    def _parameters(self) -> dict[str, BareItem]:
        parameters: dict[str, BareItem] = {}
        while self.next_is(";"):
            self.skip(_SPACES)
            key = self._must(_KEY)[0]
            parameters[key] = self._bare_item() if self.next_is("=") else True
        return parameters

    def _bare_item(self) -> BareItem:
        """RFC 9651 §4.2.3.1: the first character tells the type."""
        if number := self._take(_NUMBER):
            return Decimal(number[0]) if number["decimal"] else int(number[0])
        if token := self._take(_TOKEN):
            return StructuredToken(token[0])
        if boolean := self._take(_BOOLEAN):
            return boolean[1] == "1"
        if string := self._take(_STRING):
            return re.sub(r"\\(.)", r"\1", string[1])
        if moment := self._take(_DATE):
            return StructuredDate(int(moment[1]))
        if display := self._take(_DISPLAY):
            return DisplayString(_percent_decoded(display[1]))
        return _base64_decoded(self._must(_BYTES)[1])


def _base64_decoded(text: str) -> bytes:
    """RFC 9651 §4.2.7: padding may be missing."""
    if len(text) % 4 == 1:
        raise _Invalid
    return binascii.a2b_base64(text + "=" * (-len(text) % 4))


def _percent_decoded(text: str) -> str:
    octets = re.sub(r"%([0-9a-f]{2})", lambda found: chr(int(found[1], 16)), text)
    try:
        return octets.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        raise _Invalid from None


def parse_dictionary(values: Sequence[bytes]) -> dict[str, Member] | None:
    """The members of a dictionary field given in these lines; None when it is invalid.

    Integer: int; Decimal: Decimal; String: str; Byte Sequence: bytes; Boolean: bool; the others as
    the classes here (RFC 9651 §3.2 and §4.2).
    """
    try:
        reader = _Reader(b", ".join(values).strip(b" ").decode("ascii"))
        return reader.dictionary()
    except (UnicodeDecodeError, _Invalid):
        return None


_SECONDS = frozenset(("max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"))
_FIELD_NAMES = frozenset(("no-cache", "private"))
_RESTRICTIONS = frozenset(("no-store", "no-transform", "must-revalidate", "proxy-revalidate"))
_PERMISSIONS = frozenset(("public", "immutable", "must-understand"))


def parse_targeted(values: Sequence[bytes]) -> Directives | None:
    """The directives of a targeted field such as CDN-Cache-Control (RFC 9213 §2.1).

    None when the field is to be ignored: absent, empty, not a dictionary, or without one member
    of the type its directive has (an Integer for seconds, a String or true for field names, else
    true). Beside a usable member, one of another type is not consumed, as §2.1 asks, but still
    restricts (as RFC 9111 §4.2.1 asks of invalid freshness information): its argument is malformed.
    A false one is absent. Parameters are ignored.
    """
    if sum(map(len, values)) > _REMEMBERED_BYTES_MAX:
        return _targeted(tuple(values))
    return _cached_targeted(tuple(values))


def _targeted(values: tuple[bytes, ...]) -> Directives | None:
    arguments: dict[bytes, tuple[Argument, ...]] = {}
    usable = False
    for key, member in (parse_dictionary(values) or {}).items():
        value = member.value if isinstance(member, StructuredItem) else None
        if value is False:
            continue
        argument = _argument(key, value)
        well_typed = not isinstance(argument, MalformedDirectives)
        usable = usable or well_typed
        if well_typed or key not in _PERMISSIONS:
            arguments[key.encode("ascii")] = (argument,)
    return Directives(arguments) if usable else None


_cached_targeted = cached(256, DIRECTIVES_BYTES)(_targeted)


def _argument(key: str, value: BareItem | None) -> Argument:
    if key in _SECONDS:
        return b"%d" % value if type(value) is int and value >= 0 else MalformedDirectives.ARGUMENT
    if key in _FIELD_NAMES and isinstance(value, str):
        return value.encode("ascii")
    if key in _FIELD_NAMES | _RESTRICTIONS | _PERMISSIONS and not isinstance(value, bool):
        return MalformedDirectives.ARGUMENT
    return None
