"""Hashes by their published vectors: SHA-crypt.txt's own, and OpenSSL's for apr1."""

from __future__ import annotations

import hashlib

import pytest

from edgecache.rules.viewer.password_hashes import matches

HELLO = "Hello world!"
LONG = "a very much longer text to encrypt.  This one even stretches over morethan one line."
VECTORS = [
    (HELLO, "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"),
    (HELLO, "$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA"),
    (LONG, "$5$rounds=1400$anotherlongsalts$Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1"),
    (
        HELLO,
        "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEd"
        "FCoEOfaS35inz1",
    ),
    (
        HELLO,
        "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sbHbbMCVNSnCM/UrjmM0Dp"
        "8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v.",
    ),
    (
        LONG,
        "$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs6"
        "6x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1",
    ),
    ("password", "$apr1$xxxxxxxx$dxHfLAsjHkDRmG83UXe8K0"),
    ("myPassword", "$apr1$r31.....$HqJZimcKQFAMYayBlzkrA/"),
    ("password", "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="),
    ("nobody", "$2y$05$I6zJYgBA/pppFTOyLCFNx.MGtlLN2NgFgoSFX5q4PTOYZFe/ZNo02"),
]


@pytest.mark.parametrize(("password", "hashed"), VECTORS)
def test_a_password_matches_its_hash_and_no_other_does(password: str, hashed: str) -> None:
    assert matches(password.encode(), hashed.encode())
    for other in ("", password + "x", password[:-1], password.upper()):
        assert not matches(other.encode(), hashed.encode())


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 128, 200])
def test_passwords_of_every_length_are_taken(length: int) -> None:
    """The reference implementations differ from naive ones at the ends of digests."""
    text = hashlib.sha512(b"x").hexdigest().encode() * 2
    for _, hashed in VECTORS:
        assert not matches(text[:length], hashed.encode())


def test_of_a_password_for_bcrypt_72_bytes_count() -> None:
    import bcrypt

    hashed = bcrypt.hashpw(b"p" * 72, bcrypt.gensalt(4))
    assert matches(b"p" * 72 + b"more", hashed)
    assert not matches(b"p" * 71, hashed)
