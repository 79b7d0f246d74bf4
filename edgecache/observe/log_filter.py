"""Filter expressions over records of the log: `status>=500 and path~"/api/"`.

Law: a record is matched in time linear in its length, whatever was asked and whatever a viewer
sent. So `~` takes text with `*`, `^` and `$`, and no regular expressions: Python's go back, and one
record could hold up a process's log for as long as it likes.

    expression := conjunction { "or" conjunction }
    conjunction := term { "and" term }
    term       := "not" term | "(" expression ")" | comparison
    comparison := FIELD ( "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~" ) VALUE
                | FIELD [ "not" ] "in" "(" VALUE { "," VALUE } ")"

A FIELD is a field of the log (`sc-status`), or one of ALIASES (`status`). A VALUE stands in quotes,
or is a word without blanks, quotes, commas and parentheses. Text is compared as viewers sent it,
letter by letter; what a record does not have is the empty text, and no number at all.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from edgecache.observe.log_record import COLUMNS, COOKIE, escaped

EXPRESSION_CHARS_MAX = 2_000
TERMS_MAX = 64  # comparisons, and values of a list
DEPTH_MAX = 32  # parentheses and nots in each other
TIER = "tier"  # `edge` or `regional`: of the process
FILTER_COLUMNS = {**COLUMNS, TIER: max(COLUMNS.values()) + 1}
"""The place of each field among the values that a filter is asked about."""
ALIASES = {
    "status": "sc-status", "method": "cs-method", "host": "x-host-header", "path": "cs-uri-stem",
    "query": "cs-uri-query", "agent": "cs(User-Agent)", "referer": "cs(Referer)", "ip": "c-ip",
    "result": "x-edge-result-type", "detail": "x-edge-detailed-result-type",
    "id": "x-edge-request-id", "taken": "time-taken", "first-byte": "time-to-first-byte",
    "bytes": "sc-bytes", "type": "sc-content-type", "country": "c-country",
    "location": "x-edge-location", "protocol": "cs-protocol", "version": "cs-protocol-version",
    "distribution": "distribution-id", "behavior": "cache-behavior-path-pattern",
    "origin": "origin-id", "trace": "trace-id",
}  # fmt: skip
"""Short names of fields."""
NUMBERS = frozenset((
    "sc-status", "sc-bytes", "cs-bytes", "time-taken", "time-to-first-byte", "c-port", "asn",
    "sc-content-len", "sc-range-start", "sc-range-end", "origin-status", "origin-fbl", "origin-lbl",
    "timestamp(ms)", "origin-timestamp(ms)",
))  # fmt: skip
"""Fields that are compared as numbers."""
NONE = b"-"  # what a record has in the place of no value

Values = Sequence[bytes]
"""The values of a record by FILTER_COLUMNS, escaped as in the log."""
Predicate = Callable[[Values], bool]

_ORDER: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"[^"]*"|'[^']*')|(?P<operator>!=|<=|>=|!~|[=<>~])|(?P<mark>[(),])"""
    r"""|(?P<word>[A-Za-z-]+\((?:Referer|User-Agent|Cookie|Host|ms)\)|[^\s"'(),=<>~!]+))"""
)
_WORDS = ("and", "or", "not", "in")


class FilterError(ValueError):
    """An expression that is wrong at a place; `str` marks it."""

    def __init__(self, problem: str, expression: str, place: int) -> None:
        shown = "".join(c if c.isprintable() else "?" for c in expression)
        super().__init__(f"{problem}\n  {shown}\n  {' ' * place}^")
        self.problem = problem
        self.place = place


class LogFilter:
    """A filter: `matches` says of a record's values whether it is wanted.

    `columns` are the places of the values that it looks at. FilterError.
    """

    __slots__ = ("columns", "expression", "matches")

    def __init__(self, expression: str) -> None:
        reader = _ExpressionReader(expression)
        self.expression = expression
        self.matches: Predicate = reader.whole()
        self.columns = frozenset(reader.columns)


def field_name(name: str) -> str:
    """The field that a name or a short name means; empty: there is none, or none for readers."""
    name = ALIASES.get(name, name)
    return name if name in FILTER_COLUMNS and name != COOKIE else ""


class _Token(NamedTuple):
    kind: str  # text, operator, mark, word, end
    value: str
    place: int


class _ExpressionReader:
    """Reads an expression from left to right; each method gives the predicate of what it read."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        if len(expression) > EXPRESSION_CHARS_MAX:
            raise FilterError(
                f"longer than {EXPRESSION_CHARS_MAX} characters", expression[:60] + "...", 60
            )
        self._tokens = list(self._split())
        self._next = 0
        self._depth = 0
        self._terms = 0
        self.columns: set[int] = set()

    def whole(self) -> Predicate:
        """The whole expression; an empty one wants every record."""
        if self._token.kind == "end":
            return _anything
        found = self._either()
        if self._token.kind != "end":
            raise self._wrong('"and", "or" or the end is missing')
        return found

    def _split(self) -> Iterator[_Token]:
        place, text = 0, self._expression
        while match := _TOKEN.match(text, place):
            kind = match.lastgroup or ""
            value, start = match[kind], match.start(kind)
            if kind == "text":
                value = value[1:-1]
            yield _Token(kind, value, start)
            place = match.end()
        rest = text[place:]
        if rest.strip():
            place += len(rest) - len(rest.lstrip())
            odd = text[place]
            problem = "a quote has no end" if odd in "\"'" else f"{odd!r} is not understood"
            raise FilterError(problem, text, place)
        yield _Token("end", "", len(text))

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _is(self, word: str) -> bool:
        token = self._token
        return token.kind in ("word", "mark") and token.value.lower() == word

    def _took(self, word: str) -> bool:
        found = self._is(word)
        self._next += found
        return found

    def _wrong(self, problem: str) -> FilterError:
        return FilterError(problem, self._expression, self._token.place)

    def _either(self) -> Predicate:
        found = [self._both()]
        while self._took("or"):
            found.append(self._both())
        return reduce(_either_of, found)

    def _both(self) -> Predicate:
        found = [self._term()]
        while self._took("and"):
            found.append(self._term())
        return reduce(_both_of, found)

    def _term(self) -> Predicate:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self._wrong(f"more than {DEPTH_MAX} in each other")
        if self._took("not"):
            found = _not(self._term())
        elif self._took("("):
            found = self._either()
            if not self._took(")"):
                raise self._wrong('")" is missing')
        else:
            found = self._comparison()
        self._depth -= 1
        return found

    def _comparison(self) -> Predicate:
        token = self._token
        if token.kind != "word" or token.value.lower() in _WORDS:
            raise self._wrong("a field is missing")
        name = field_name(token.value)
        if not name:
            raise self._wrong(f"there is no field {token.value} here")
        self._next += 1
        column = FILTER_COLUMNS[name]
        self.columns.add(column)
        if self._is("not") or self._is("in"):
            return self._listed(name, column)
        return self._compared(name, column)

    def _listed(self, name: str, column: int) -> Predicate:
        negated = self._took("not")
        if not self._took("in"):
            raise self._wrong('"in" is missing')
        if not self._took("("):
            raise self._wrong('"(" is missing')
        found = [self._value(name, column, "=")]
        while self._took(","):
            found.append(self._value(name, column, "="))
        if not self._took(")"):
            raise self._wrong('"," or ")" is missing')
        one_of = reduce(_either_of, found)
        return _not(one_of) if negated else one_of

    def _compared(self, name: str, column: int) -> Predicate:
        token = self._token
        if token.kind != "operator":
            raise self._wrong("one of = != < <= > >= ~ !~ in is missing")
        if name in NUMBERS and "~" in token.value:
            raise self._wrong(f"{name} is a number: it has no {token.value}")
        if name not in NUMBERS and token.value[0] in "<>":
            raise self._wrong(f"{name} is text: it has no {token.value}")
        self._next += 1
        return self._value(name, column, token.value)

    def _value(self, name: str, column: int, sign: str) -> Predicate:
        token = self._token
        if token.kind not in ("text", "word"):
            raise self._wrong("a value is missing")
        self._terms += 1
        if self._terms > TERMS_MAX:
            raise self._wrong(f"more than {TERMS_MAX} values")
        if name in NUMBERS:
            found = _number_test(column, sign, self._number(name, token.value))
        elif "~" in sign:
            found = _pattern_test(column, token.value)
        else:
            found = _text_test(column, token.value)
        self._next += 1
        return _not(found) if sign in ("!~", "!=") and name not in NUMBERS else found

    def _number(self, name: str, text: str) -> float:
        if not re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,9})?", text):
            raise self._wrong(f"{name} is a number")
        return float(text)


def _anything(_values: Values) -> bool:
    return True


def _either_of(one: Predicate, other: Predicate) -> Predicate:
    return lambda values: one(values) or other(values)


def _both_of(one: Predicate, other: Predicate) -> Predicate:
    return lambda values: one(values) and other(values)


def _not(found: Predicate) -> Predicate:
    return lambda values: not found(values)


def _number_test(column: int, sign: str, number: float) -> Predicate:
    """A record without the number is not equal to any, and neither more nor less."""
    compare, without = _ORDER[sign], sign == "!="

    def test(values: Values) -> bool:
        value = values[column]
        try:
            return without if value == NONE else compare(float(value), number)
        except ValueError:  # cut, or of an odd data base
            return without

    return test


def _text_test(column: int, text: str) -> Predicate:
    wanted = escaped(text)
    return lambda values: values[column] == wanted


def _pattern_test(column: int, pattern: str) -> Predicate:
    """Whether the pieces between the stars are there one after the other: no piece is looked for
    twice, so that each byte of a value is read about once.
    """
    from_start, to_end = pattern.startswith("^"), pattern.endswith("$")
    inner = pattern[from_start : len(pattern) - to_end]
    pieces = [piece.encode("utf-8", "replace") for piece in inner.split("*")]
    first, *others = pieces

    def test(values: Values) -> bool:
        value = values[column]
        text = b"" if value == NONE else unquote_to_bytes(value) if b"%" in value else value
        at = text.find(first)
        if at < 0 or (from_start and at):
            return False
        at += len(first)
        for piece in others:
            start = text.find(piece, at)
            if start < 0:
                return False
            at = start + len(piece)
        return not to_end or _ends(text, pieces, at, from_start=from_start)

    return test


def _ends(text: bytes, pieces: Sequence[bytes], at: int, *, from_start: bool) -> bool:
    """Whether the last of `pieces`, found up to `at` first, also ends the text."""
    last = pieces[-1]
    if not text.endswith(last):
        return False
    if len(pieces) == 1:
        return not from_start or len(text) == len(last)
    return len(text) - len(last) >= at - len(last)
