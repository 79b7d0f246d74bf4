"""Expressions that are generated for both engines: strings, queries, buffers and digests.

Law: the same seed gives the same expressions. What is known to differ is not generated, and stands
in njs_differences.tsv: characters of two UTF-16 units, text that is not in its encoding, UTF-8 that
breaks off within a character.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable

QUERY = ["a", "b", "=", "=", "&", "&", "%", "+", "%20", "%C3%A9", "%ff", "%e2%82%ac", "%2", "é"]
TEXT = ["a", "B", "z", "0", " ", "-", "_", "/", "é", "€", "\u0000", "\u007f", "\n", '"', "\\", "&"]
SEPARATORS = ("&", ";", "&&", "a")
EQUALS = ("=", ":", "==")
ENCODINGS = ("hex", "base64", "base64url")


def expressions(seed: int, count: int) -> list[str]:
    """So many; those of digests come last, since each begins a run again."""
    source = random.Random(seed)
    digests = count // 5
    found = [source.choice(KINDS)(source) for _ in range(count - digests)]
    return [*found, *(_digest(source) for _ in range(digests))]


def _of(source: random.Random, letters: list[str], most: int = 14) -> str:
    return "".join(source.choice(letters) for _ in range(source.randrange(most)))


def _text(source: random.Random, letters: list[str] = TEXT) -> str:
    return json.dumps(_of(source, letters))


def _parse(source: random.Random) -> str:
    text = _text(source, QUERY)
    if source.random() < 0.6:
        return f"qs.parse({text})"
    separator, equal = source.choice(SEPARATORS), source.choice(EQUALS)
    return f"qs.parse({text}, {json.dumps(separator)}, {json.dumps(equal)})"


def _stringify(source: random.Random) -> str:
    names = [f"k{_of(source, ['a', 'b', 'é', ' ', '&'], 3)}" for _ in range(source.randrange(4))]
    given = {name: _of(source, TEXT, 6) for name in names}
    some = {name: [text, _of(source, QUERY, 4)] for name, text in given.items()}
    return f"qs.stringify({json.dumps(source.choice((given, some)))})"


def _escaped(source: random.Random) -> str:
    name = source.choice(("qs.escape", "encodeURIComponent", "encodeURI"))
    return f"{name}({_text(source)})"


def _unescaped(source: random.Random) -> str:
    name = source.choice(("qs.unescape", "decodeURIComponent", "decodeURI"))
    return f"{name}({_text(source, QUERY)})"


def _buffer(source: random.Random) -> str:
    raw, encoding = source.randbytes(source.randrange(12)), source.choice(ENCODINGS)
    text = {
        "hex": raw.hex(),
        "base64": base64.b64encode(raw).decode(),
        "base64url": base64.urlsafe_b64encode(raw).decode().rstrip("="),
    }[encoding]
    other = source.choice((*ENCODINGS, "utf8"))
    return f"Buffer.from({json.dumps(text)}, '{encoding}').toString('{other}')"


def _bytes(source: random.Random) -> str:
    first, second = _text(source), _text(source)
    start, end = source.randrange(-4, 9), source.randrange(-4, 9)
    return source.choice(
        (
            f"Buffer.from({first}).slice({start}, {end}).toString('hex')",
            f"Buffer.concat([Buffer.from({first}), Buffer.from({second})]).toString('base64')",
            f"Buffer.compare(Buffer.from({first}), Buffer.from({second}))",
            f"Buffer.from({first}).indexOf({second})",
            f"Buffer.from({first}).equals(Buffer.from({first}))",
            f"Buffer.byteLength({first})",
        )
    )


def _string(source: random.Random) -> str:
    first, part = _text(source), json.dumps(source.choice(TEXT[:10]))
    start, end = source.randrange(-4, 9), source.randrange(-4, 9)
    return source.choice(
        (
            f"{first}.split({part})",
            f"{first}.slice({start}, {end})",
            f"{first}.substring({start}, {end})",
            f"{first}.indexOf({part}, {start})",
            f"{first}.lastIndexOf({part})",
            f"{first}.replace({part}, '[$&]')",
            f"{first}.padEnd(9, {part})",
            f"{first}.trim().toUpperCase()",
            f"{first}.startsWith({part}, {abs(start)})",
            f"JSON.stringify({first})",
        )
    )


def _digest(source: random.Random) -> str:
    hashed = source.choice(("md5", "sha1", "sha256"))
    made = f"createHash('{hashed}')"
    if source.random() < 0.5:
        made = f"createHmac('{hashed}', {_text(source)})"
    updates = "".join(f".update({_text(source)})" for _ in range(source.randrange(1, 3)))
    return f"crypto.{made}{updates}.digest('{source.choice(ENCODINGS)}')"


KINDS: tuple[Callable[[random.Random], str], ...] = (
    _parse, _parse, _stringify, _escaped, _unescaped, _buffer, _bytes, _string, _string,
)  # fmt: skip
