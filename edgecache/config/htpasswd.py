"""htpasswd files: users and the hashes of their passwords, as Apache's `htpasswd` writes them.

Law: a file is used whole and right, or not at all; no problem shows a hash. Known are bcrypt
(`-B`), apr1 (`-m`), SHA-256- and SHA-512-crypt (`-2`, `-5`) and SHA-1 (`-s`); what crypt(3) makes
of eight characters (`-d`) and plain text (`-p`) are not. What a check may cost is bounded.
httpd.apache.org, "Password Formats"; akkadia.org/drepper/SHA-crypt.txt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from edgecache.config.problems import BrokenLinesError

USERS_MAX = 10_000
BCRYPT_COST_MAX = 14  # a second of one core; htpasswd writes 5 unless told, and at most 17
ROUNDS_MAX = 100_000  # of SHA-crypt: a quarter of a second here; 5,000 unless told
USER_BYTES_MAX = 255  # htpasswd's own

_BCRYPT = re.compile(rb"\$2[aby]\$([0-9]{2})\$[./A-Za-z0-9]{53}")
_SALT_LAST = 28  # its last character has two bits of the salt, and four that are 0
_SALT_ENDS = b".Oeu"  # with others bcrypt says that it is no salt, and checks nothing
_APR1 = re.compile(rb"\$apr1\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{22}")
_CRYPT = re.compile(rb"\$([56])\$(?:rounds=([0-9]{1,9})\$)?[^$:\n]{0,16}\$([./A-Za-z0-9]{43,86})")
_SHA1 = re.compile(rb"\{SHA\}[A-Za-z0-9+/]{27}=")
_DIGEST_CHARS = {b"5": 43, b"6": 86}


class Htpasswd(Struct, frozen=True, eq=False):
    """Users of one file, each with the hash of its password.

    `costliest` is one of these hashes that takes as long to check as any: what is checked for a
    user who is not there. Empty: there are no users.
    """

    users: Mapping[bytes, bytes]
    costliest: bytes = b""


def read_htpasswd(text: str) -> Htpasswd:
    """The users of a file; empty lines and those that begin with `#` are left out.

    BrokenLinesError.
    """
    users: dict[bytes, bytes] = {}
    wrong: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        user, _, hashed = entry.encode("utf-8", "replace").partition(b":")
        trouble = _trouble(user, hashed) or ("a user twice" if user in users else "")
        if not trouble and len(users) == USERS_MAX:
            trouble = f"more than {USERS_MAX} users"
        if trouble:
            wrong.append((number, trouble))
        else:
            users[user] = hashed
    if wrong:
        raise BrokenLinesError(wrong)
    return Htpasswd(users, max(users.values(), key=cost, default=b""))


def cost(hashed: bytes) -> float:
    """How long checking a password against a hash takes, in about milliseconds."""
    if match := _BCRYPT.fullmatch(hashed):
        return float(2 ** int(match[1])) / 16
    if match := _CRYPT.fullmatch(hashed):
        return int(match[2] or 5_000) / 400
    return 1.0 if hashed.startswith(b"$apr1$") else 0.0


def _trouble(user: bytes, hashed: bytes) -> str:
    """What is wrong with an entry; empty when it can be used."""
    if not user or len(user) > USER_BYTES_MAX:
        return f"not USER:HASH with a user of 1 to {USER_BYTES_MAX} bytes"
    if match := _BCRYPT.fullmatch(hashed):
        if hashed[_SALT_LAST] not in _SALT_ENDS:
            return "a bcrypt hash whose salt nothing makes: htpasswd -B writes another"
        good = 4 <= int(match[1]) <= BCRYPT_COST_MAX
        return "" if good else f"a bcrypt cost outside 4 to {BCRYPT_COST_MAX}"
    if match := _CRYPT.fullmatch(hashed):
        if len(match[3]) != _DIGEST_CHARS[match[1]]:
            return "a hash of another length than its kind's"
        good = 1_000 <= int(match[2] or 5_000) <= ROUNDS_MAX
        return "" if good else f"rounds outside 1000 to {ROUNDS_MAX}"
    if _APR1.fullmatch(hashed) or _SHA1.fullmatch(hashed):
        return ""
    return "neither bcrypt (htpasswd -B), SHA-256- or SHA-512-crypt (-2, -5), apr1 (-m) nor {SHA}"
