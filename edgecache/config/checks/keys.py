"""Checks of public keys, key groups and trusted signers, and of the behaviors that name them.

API reference, PublicKeyConfig, KeyGroupConfig, TrustedKeyGroups; Developer Guide, "Quotas".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from edgecache.config.model import Behavior, Config, PublicKey
from edgecache.config.problems import Problems, joined, listed, quoted

NATIVE_KEYS_MAX = 16  # as many as secrets.json holds of one kind
PUBLIC_KEYS_MAX = 2_500  # five for each of 500 distributions; one PEM each goes to every node

_KEY_ID = re.compile(r"[A-Za-z0-9]{1,64}")  # as it stands in a URL: Key-Pair-Id
_GROUP_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NATIVE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_keys(config: Config, problems: Problems) -> None:
    """Every key can be used, every group has known keys, every behavior names known groups."""
    _check_public_keys(config.public_keys, problems)
    keys = {key.id for key in config.public_keys}
    seen: set[str] = set()
    for index, group in enumerate(config.key_groups):
        where = f"key_groups[{index}]"
        if not _GROUP_ID.fullmatch(group.id):
            problems.add(f"{where}.id", f"{quoted(group.id)} is not an id (letters, digits, - _)")
        elif group.id in seen:
            problems.add(f"{where}.id", f"{quoted(group.id)} is another group's too")
        seen.add(group.id)
        _check_members(group.keys, keys, f"{where}.keys", problems)
    for account, members in config.trusted_signers.items():
        _check_members(members, keys, joined("trusted_signers", account), problems)
    for where, behavior in behaviors_of(config):
        _check_trust(behavior, config, where, problems)


def _check_public_keys(public_keys: tuple[PublicKey, ...], problems: Problems) -> None:
    if not public_keys:
        return  # the command line starts faster without OpenSSL
    from edgecache.config.public_keys import load_public_key

    if len(public_keys) > PUBLIC_KEYS_MAX:
        problems.add("public_keys", f"{len(public_keys)} are more than {PUBLIC_KEYS_MAX}")
    seen: set[str] = set()
    for index, key in enumerate(public_keys):
        where = f"public_keys[{index}]"
        if not _KEY_ID.fullmatch(key.id):
            problems.add(f"{where}.id", f"{quoted(key.id)} is not an id (letters, digits)")
        elif key.id in seen:
            problems.add(f"{where}.id", f"{quoted(key.id)} is another key's too")
        seen.add(key.id)
        if not key.pem:
            problems.add(f"{where}.pem", "missing (or a pem_file)")
            continue
        try:
            load_public_key(key.pem)
        except ValueError as error:
            problems.add(f"{where}.pem", str(error))


def _check_members(
    members: tuple[str, ...], known: Collection[str], where: str, problems: Problems
) -> None:
    if not members:
        problems.add(where, "empty: nobody could sign")
    _check_known(members, known, where, "a public key", problems)


def _check_known(
    names: tuple[str, ...], known: Collection[str], where: str, called: str, problems: Problems
) -> None:
    for index, name in enumerate(names):
        if name not in known:
            hint = f" (known: {listed(sorted(known))})" if known else " (there is none)"
            problems.add(f"{where}[{index}]", f"{quoted(name)} is not {called}{hint}")
        elif name in names[:index]:
            problems.add(f"{where}[{index}]", f"{quoted(name)} is named twice")


def behaviors_of(config: Config) -> Iterator[tuple[str, Behavior]]:
    """Every behavior with its place in the file."""
    for index, distribution in enumerate(config.distributions):
        where = f"distributions[{index}]"
        for number, behavior in enumerate(distribution.behaviors):
            yield f"{where}.behaviors[{number}]", behavior
        yield f"{where}.default_behavior", distribution.default_behavior


def _check_trust(behavior: Behavior, config: Config, where: str, problems: Problems) -> None:
    groups = {group.id for group in config.key_groups}
    group_names = behavior.trusted_key_groups
    _check_known(group_names, groups, f"{where}.trusted_key_groups", "a key group", problems)
    accounts = config.trusted_signers.keys()
    place = f"{where}.trusted_signers"
    _check_known(
        behavior.trusted_signers, accounts, place, "an account of trusted_signers", problems
    )
    native = behavior.trusted_native_keys
    place = f"{where}.trusted_native_keys"
    if len(native) > NATIVE_KEYS_MAX:
        problems.add(place, f"{len(native)} keys are more than {NATIVE_KEYS_MAX}")
    for index, name in enumerate(native):
        if not _NATIVE_ID.fullmatch(name):
            problems.add(f"{place}[{index}]", f"{quoted(name)} is not an id (letters, digits, - _)")
        elif name in native[:index]:
            problems.add(f"{place}[{index}]", f"{quoted(name)} is named twice")
