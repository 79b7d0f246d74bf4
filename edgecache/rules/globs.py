"""Globs: `*` is any run of bytes, `?` one byte, the rest literal. Law: matching is linear."""

from __future__ import annotations

import re


def glob(text: bytes) -> bytes:
    """The source of an expression for a whole match of `text`.

    What stands between two stars is taken where it first matches and not looked for again (an
    atomic group); for globs that loses no match, and it keeps the work linear in the subject.
    """
    first, *rest = text.split(b"*")
    parts = [_literal(first)]
    if rest:
        parts += [b"(?>.*?" + _literal(middle) + b")" for middle in rest[:-1] if middle]
        parts.append(b".*" + _literal(rest[-1]))
    return b"".join(parts)


def _literal(text: bytes) -> bytes:
    return b".".join(re.escape(piece) for piece in text.split(b"?"))
