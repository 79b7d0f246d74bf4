"""Globs as regular expressions: `*` is any run of bytes, `?` one byte. Law: matching is linear."""

from __future__ import annotations

import re


def glob(text: bytes, *, captures: bool = False) -> bytes:
    """The source of an expression for a whole match of `text`, with named groups of its own.

    With `captures` groups `s0`, `s1` and so on are what the stars stand for, in their order.

    What stands between two stars is taken where it first matches and not looked for again: found
    ahead, where there is no going back, and then met as found. For globs that loses no match, and
    it keeps the work linear in the subject. (Not atomic groups: CPython 3.11.0 to 3.11.4 has bugs.)
    """
    first, *rest = text.split(b"*")
    parts = [_literal(first)]
    if rest:
        # By names: from the hundredth on, a number would be read as an octal escape.
        middles = enumerate(rest[:-1] if captures else filter(None, rest[:-1]))
        some, all_left = (b"(?P<s%d>.*?)", b"(?P<s%d>.*)") if captures else (b".*?", b".*")
        for n, one in middles:
            run = some % n if captures else some
            parts.append(b"(?=(?P<g%d>%b%b))(?P=g%d)" % (n, run, _literal(one), n))
        last = all_left % (len(rest) - 1) if captures else all_left
        parts.append(last + _literal(rest[-1]))
    return b"".join(parts)


def _literal(text: bytes) -> bytes:
    return b".".join(re.escape(piece) for piece in text.split(b"?"))
