"""Basic authentication: credentials of a request, and the question that asks for them.

Law: who is not in the file costs as much as who is, and learns as little. RFC 7617; RFC 9110
§11.6.1, §11.6.2.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct

from edgecache.config.htpasswd import Htpasswd
from edgecache.config.viewer_rules import BasicAuth
from edgecache.http.message import Fields, field_values

CREDENTIALS_BYTES_MAX = 768  # in base64: a user of 255 bytes and a password of as many
AUTHORIZATION = b"authorization"
# What an empty file's users are checked against: nobody's, of htpasswd's default cost.
NOBODYS = b"$2y$05$I6zJYgBA/pppFTOyLCFNx.MGtlLN2NgFgoSFX5q4PTOYZFe/ZNo02"
_BASIC = re.compile(rb"basic +([A-Za-z0-9+/]+=*) *", re.IGNORECASE)
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")  # RFC 7617 §2


class BasicCredentials(NamedTuple):
    """A user and a password as received, UTF-8 for who follows `charset`."""

    user: bytes
    password: bytes


class BasicAuthRule(Struct, frozen=True, eq=False):
    """What a behavior asks for. `users` None: its file could not be read yet, nobody is let in."""

    challenge: bytes
    users: Htpasswd | None
    forwards: bool  # whether the origin is sent what opened it, and the cache sees it


def compile_basic_auth(
    auth: BasicAuth | None, files: Mapping[str, Htpasswd]
) -> BasicAuthRule | None:
    """The rule of a behavior; `files`: what was read, by path."""
    if auth is None:
        return None
    challenge = f'Basic realm="{auth.realm}", charset="UTF-8"'.encode()
    return BasicAuthRule(challenge, files.get(auth.file), auth.forward_authorization)


def credentials(fields: Fields) -> BasicCredentials | None:
    """The credentials of a request; None where it has none, or such as nobody can have."""
    values = field_values(fields, AUTHORIZATION)
    if len(values) != 1 or len(values[0]) > CREDENTIALS_BYTES_MAX:
        return None
    match = _BASIC.fullmatch(values[0])
    if match is None or len(match[1]) % 4:
        return None
    try:
        text = b64decode(match[1], validate=True)
    except binascii.Error:
        return None
    user, colon, password = text.partition(b":")
    if not colon or _CONTROL.search(text):
        return None
    return BasicCredentials(user, password)


def hash_to_check(users: Htpasswd, given: BasicCredentials) -> tuple[bytes, bool]:
    """The hash that the password is checked against, and whether it is that user's own."""
    own = users.users.get(given.user)
    return (own, True) if own is not None else (users.costliest or NOBODYS, False)
