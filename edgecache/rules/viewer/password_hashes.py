"""Passwords against the hashes of an htpasswd file: bcrypt, apr1, SHA-crypt, SHA-1.

Law: digests are compared in constant time. Each blocks for as long as its hash is to cost: it is
called in a thread. apr1 and SHA-crypt are ours, as no library that is kept well has them (Python's
own `crypt` is gone with 3.13, passlib is unmaintained): md5crypt with Apache's name (apr_md5.c),
and akkadia.org/drepper/SHA-crypt.txt, whose steps have numbers.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator
from typing import Any

BCRYPT_BYTES_MAX = 72  # of a password; what follows counts for nothing, as with htpasswd
_ALPHABET = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CRYPT = re.compile(rb"\$([56])\$(?:rounds=([0-9]+)\$)?([^$]*)\$(.*)", re.DOTALL)
_APR1_ROUNDS = 1_000
_CRYPT_ROUNDS = 5_000

Hash = Callable[[bytes], Any]


def matches(password: bytes, hashed: bytes) -> bool:
    """Whether `hashed`, which `config.htpasswd` has read, is of `password`."""
    if hashed.startswith(b"$2"):
        import bcrypt  # where no file has such a hash, nobody needs it

        return bcrypt.checkpw(password[:BCRYPT_BYTES_MAX], hashed)
    return hmac.compare_digest(_like(password, hashed), hashed)


def _like(password: bytes, hashed: bytes) -> bytes:
    """The hash of `password` by the kind, salt and rounds of `hashed`."""
    if hashed.startswith(b"{SHA}"):
        return b"{SHA}" + base64.b64encode(hashlib.sha1(password).digest())
    if hashed.startswith(b"$apr1$"):
        salt = hashed.split(b"$")[2]
        return b"$apr1$%b$%b" % (salt, apr1(password, salt))
    match = _CRYPT.fullmatch(hashed)
    assert match is not None, "a file is read before it is used"
    kind, rounds, salt = match[1], match[2], match[3]
    start = b"" if rounds is None else b"rounds=%b$" % rounds
    digest = sha_crypt(password, salt, int(rounds or _CRYPT_ROUNDS), wide=kind == b"6")
    return b"$%b$%b%b$%b" % (kind, start, salt, digest)


def apr1(password: bytes, salt: bytes) -> bytes:
    """The 22 characters of Apache's md5crypt."""
    inner = hashlib.md5(password + salt + password).digest()
    start = password + b"$apr1$" + salt + _repeated(inner, len(password))
    length = len(password)
    while length:
        start += b"\0" if length & 1 else password[:1]
        length >>= 1
    digest = hashlib.md5(start).digest()
    for number in range(_APR1_ROUNDS):
        digest = hashlib.md5(_round(number, digest, password, salt)).digest()
    groups = [(n, n + 6, n + 12 if n < 4 else 5) for n in range(5)]
    text = b"".join(_base64(bytes(digest[at] for at in group)) for group in groups)
    return text + _base64(digest[11:12])


def sha_crypt(password: bytes, salt: bytes, rounds: int, *, wide: bool) -> bytes:
    """The digest's characters of SHA-512-crypt (`wide`) or SHA-256-crypt."""
    new: Hash = hashlib.sha512 if wide else hashlib.sha256
    b = new(password + salt + password).digest()  # steps 4 to 8
    a = password + salt + _repeated(b, len(password))  # 1 to 3, 9 and 10
    length = len(password)
    while length:  # 11
        a += b if length & 1 else password
        length >>= 1
    digest = new(a).digest()  # 12
    p = _repeated(new(password * len(password)).digest(), len(password))  # 13 to 16
    s = _repeated(new(salt * (16 + digest[0])).digest(), len(salt))  # 17 to 20
    for number in range(rounds):  # 21
        digest = new(_round(number, digest, p, s)).digest()
    return b"".join(_base64(bytes(digest[at] for at in group)) for group in _order(wide=wide))


def _round(number: int, digest: bytes, password: bytes, salt: bytes) -> bytes:
    """The input of one round; the two kinds of hash have the same."""
    odd = number & 1
    return b"".join((
        password if odd else digest,
        salt if number % 3 else b"",
        password if number % 7 else b"",
        digest if odd else password,
    ))  # fmt: skip


def _order(*, wide: bool) -> Iterator[tuple[int, ...]]:
    """Which bytes of a digest stand in which group of characters: step 22."""
    size = 21 if wide else 10
    group = (0, size, 2 * size)
    for _ in range(size):
        yield group
        first, second, third = group
        group = (second + 1, third + 1, first + 1) if wide else (third + 1, first + 1, second + 1)
    yield (63,) if wide else (31, 30)


def _repeated(digest: bytes, size: int) -> bytes:
    """So many bytes of a digest that is repeated."""
    return (digest * (size // len(digest) + 1))[:size]


def _base64(group: bytes) -> bytes:
    """Up to three bytes, the first the highest, as characters of crypt(3), the lowest first."""
    value = int.from_bytes(group)
    count = (len(group) * 8 + 5) // 6
    return bytes(_ALPHABET[value >> 6 * n & 63] for n in range(count))
