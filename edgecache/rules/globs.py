"""Globs as regular expressions: `*` is any run of bytes, `?` one byte. Law: matching is linear."""

from __future__ import annotations

import re


def glob(text: bytes) -> bytes:
    """The source of an expression for a whole match of `text`, with named groups of its own.

    What stands between two stars is taken where it first matches and not looked for again: found
    ahead, where there is no going back, and then met as found. For globs that loses no match, and
    it keeps the work linear in the subject. (Not atomic groups: CPython 3.11.0 to 3.11.4 has bugs.)
    """
    first, *rest = text.split(b"*")
    parts = [_literal(first)]
    if rest:
        # By names: from the hundredth on, a number would be read as an octal escape.
        middles = enumerate(filter(None, rest[:-1]))
        parts += [b"(?=(?P<g%d>.*?%b))(?P=g%d)" % (n, _literal(one), n) for n, one in middles]
        parts.append(b".*" + _literal(rest[-1]))
    return b"".join(parts)


def _literal(text: bytes) -> bytes:
    return b".".join(re.escape(piece) for piece in text.split(b"?"))
