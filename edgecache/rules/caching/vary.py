"""Variants: responses under one key, selected by the request fields Vary names (RFC 9111 §4.1).

Law: under RFC 9111 one key holds several entries, told apart only by this file. CloudFront's rules
know no variants: there the key says everything.
"""

from __future__ import annotations

from edgecache.http.content_coding import accepted, one_spelling
from edgecache.http.message import (
    Fields,
    combined_value,
    field_values,
    first_value,
    list_members,
    names_in,
)

VARY_NAMES_MAX = 64  # more names than any sane origin lists; beyond it nothing is reused
# No lists: blanks and commas in them may mean something.
VERBATIM = frozenset({b"cookie", b"user-agent", b"authorization", b"referer", b"host", b"origin"})
_ALLOWED = b"access-control-allow-origin"
GIVEN_LANGUAGE = b" content-language"  # no field name: what the response was, not was asked by
Selected = tuple[tuple[bytes, bytes | None], ...]


def vary_names(fields: Fields) -> tuple[bytes, ...]:
    """The request fields a response says it was chosen by: lower case, sorted, each once.

    One that lets a single origin read it was chosen by Origin, said or not: Fetch Standard, "CORS
    protocol and HTTP caches".
    """
    names: set[bytes] = set()
    for value in field_values(fields, b"vary"):
        names.update(member.lower() for member in list_members(value))
    if first_value(fields, _ALLOWED) not in (None, b"*"):
        names.add(b"origin")
    return tuple(sorted(names))


def selected_by(request_fields: Fields, response_fields: Fields) -> Selected:
    """The values by which a response was chosen, normalized for comparison."""
    selected = [
        (name, normalized(name, combined_value(request_fields, name)))
        for name in vary_names(response_fields)
    ]
    language = first_value(response_fields, b"content-language")
    if language is not None and any(name == b"accept-language" for name, _ in selected):
        selected.append((GIVEN_LANGUAGE, language.strip().lower()))
    return tuple(selected)


def chosen_by_folded(request_fields: Fields, response_fields: Fields) -> bool:
    """Whether Vary names a field that a gateway took another one for, `_` for `-` (CGI, WSGI).

    By what value the response was chosen is not known then: nobody else may be given it.
    """
    names = names_in(request_fields)
    if b"_" not in b"\n".join(names):
        return False
    folded = {name.replace(b"_", b"-") for name in names if b"_" in name}
    return not folded.isdisjoint(vary_names(response_fields))


def answers(selected: Selected, request_fields: Fields) -> bool:
    """Whether a stored response chosen by `selected` was chosen by what this request says too."""
    if len(selected) > VARY_NAMES_MAX:
        return False
    given = dict(selected).get(GIVEN_LANGUAGE)
    return all(
        name == GIVEN_LANGUAGE
        or (name != b"*" and _agrees(name, combined_value(request_fields, name), value, given))
        for name, value in selected
    )


def overlap(one: Selected, other: Selected) -> bool:
    """Whether some request selects both: of two that answer it the newer one does (§4)."""
    held = dict(other)
    said = dict(one)
    alike = GIVEN_LANGUAGE in said and said[GIVEN_LANGUAGE] == held.get(GIVEN_LANGUAGE)
    return all(
        name not in held or held[name] == value or (alike and name == b"accept-language")
        for name, value in one
    )


def _agrees(name: bytes, asked: bytes | None, selected: bytes | None, given: bytes | None) -> bool:
    if normalized(name, asked) == selected:
        return True
    return name == b"accept-language" and given is not None and preferred(asked) == given


def preferred(accept_language: bytes | None) -> bytes | None:
    """The one language a request prefers to all others; None when there is not one."""
    weights = accepted(accept_language or b"")
    best = max(weights.values(), default=0)
    languages = [language for language, weight in weights.items() if weight == best]
    return languages[0] if best > 0 and len(languages) == 1 and languages[0] != b"*" else None


def normalized(name: bytes, value: bytes | None) -> bytes | None:
    """White space and line breaks between members do not count (RFC 9111 §4.1)."""
    if value is None or name in VERBATIM:
        return value
    if name == b"accept-encoding":
        return one_spelling(value)  # as it is forwarded, too
    members = list_members(value)
    if name == b"accept-language":
        # Case means nothing in it, and neither does the order of members: weights say it.
        members = sorted(member.lower().replace(b" ", b"") for member in members)
    return b",".join(members)
