"""Checks of origin access: access controls, identities, secret headers, client certificates.

API reference, OriginAccessControlConfig; Developer Guide, "Quotas".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgecache.config.checks.policies import TOKEN
from edgecache.config.model import (
    Config,
    Distribution,
    Origin,
    OriginAccessControl,
    OriginAccessIdentity,
)
from edgecache.config.origins import canonical_user_id
from edgecache.config.problems import Problems, quoted

NAME_CHARS_MAX = 64
DESCRIPTION_CHARS_MAX = 256

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CREDENTIAL = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SCOPE = re.compile(r"[a-z0-9-]{1,64}")  # between the slashes of a credential scope
_CANONICAL = re.compile(r"[0-9a-f]{64,96}")
REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:[^\x00-\x1f\x7f]+")


def check_access(config: Config, problems: Problems) -> None:
    """Every control and every identity; ids and canonical ids are nobody else's."""
    controls, identities = config.origin_access_controls, config.origin_access_identities
    _check_ids(controls, "origin_access_controls", problems)
    _check_ids(identities, "origin_access_identities", problems)
    names: set[str] = set()
    for index, control in enumerate(controls):
        where = f"origin_access_controls[{index}]"
        if control.name in names:  # OriginAccessControlAlreadyExists
            problems.add(f"{where}.name", f"{quoted(control.name)} is another control's too")
        names |= {control.name} - {""}
        _check_control(control, where, problems)
    _check_canonical_ids(identities, problems)


def _check_ids(
    members: Sequence[OriginAccessControl | OriginAccessIdentity],
    where: str,
    problems: Problems,
) -> None:
    seen: set[str] = set()
    for index, member in enumerate(members):
        place = f"{where}[{index}].id"
        if not _ID.fullmatch(member.id):
            problems.add(place, f"{quoted(member.id)} is not an id (letters, digits, - _)")
        elif member.id in seen:
            problems.add(place, f"{quoted(member.id)} names another one too")
        seen.add(member.id)


def _check_control(control: OriginAccessControl, where: str, problems: Problems) -> None:
    for name, most in (("name", NAME_CHARS_MAX), ("description", DESCRIPTION_CHARS_MAX)):
        count = len(getattr(control, name))
        if count > most:
            problems.add(f"{where}.{name}", f"{count} characters are more than {most}")
    if control.credential and not _CREDENTIAL.fullmatch(control.credential):
        trouble = f"{quoted(control.credential)} is not the name of a key pair"
        problems.add(f"{where}.credential", f"{trouble} (letters, digits, - _ .)")
    if control.region and not _SCOPE.fullmatch(control.region):
        problems.add(f"{where}.region", f"{quoted(control.region)} is not a region")
    if not _SCOPE.fullmatch(control.service):
        problems.add(f"{where}.service", f"{quoted(control.service)} is not a service")


def _check_canonical_ids(identities: tuple[OriginAccessIdentity, ...], problems: Problems) -> None:
    seen: set[str] = set()
    for index, identity in enumerate(identities):
        where = f"origin_access_identities[{index}].s3_canonical_user_id"
        canonical_id = identity.s3_canonical_user_id or canonical_user_id(identity.id)
        if not _CANONICAL.fullmatch(canonical_id):
            problems.add(where, f"{quoted(canonical_id)} is not 64 to 96 hexadecimal digits")
        elif canonical_id in seen:
            problems.add(where, f"{quoted(canonical_id)} is another identity's too")
        seen.add(canonical_id)


def check_access_named(one: Distribution, config: Config, where: str, problems: Problems) -> None:
    """A distribution's origins name access controls and identities that are there."""
    controls = {control.id for control in config.origin_access_controls}
    identities = {identity.id for identity in config.origin_access_identities}
    for index, origin in enumerate(one.origins):
        place = f"{where}.origins[{index}]"
        if origin.access_control_id and origin.access_control_id not in controls:
            message = f"{quoted(origin.access_control_id)} is not an origin access control"
            problems.add(f"{place}.access_control_id", message)
        if origin.access_identity and origin.access_identity not in identities:
            message = f"{quoted(origin.access_identity)} is not an origin access identity"
            problems.add(f"{place}.access_identity", message)


def check_proofs(origin: Origin, where: str, problems: Problems) -> None:
    """Secret headers and the client certificate of one origin."""
    for name, reference in origin.secret_headers.items():
        place = f"{where}.secret_headers.{name}"
        if not TOKEN.fullmatch(name):
            problems.add(f"{where}.secret_headers", f"{quoted(name)} is not a header's name")
        elif name.lower() in map(str.lower, origin.custom_headers):
            problems.add(place, "is a custom header too")
        elif not REFERENCE.fullmatch(reference):  # it may be the secret itself: not shown
            problems.add(place, 'expected "env:NAME" or "file:PATH", where the value stands')
    pair = ("client_certificate_file", "client_key_file")
    for name, other in (pair, pair[::-1]):
        if getattr(origin, name) and not getattr(origin, other):
            problems.add(f"{where}.{other}", f"missing: a {name} needs one")
    if origin.client_certificate_file and origin.protocol_policy == "http-only":
        problems.add(f"{where}.client_certificate_file", 'not used with protocol "http-only"')
