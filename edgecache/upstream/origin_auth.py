"""Authentication towards origins: access identity, Signature Version 4, secret headers.

Law: an origin that wants a proof is sent nothing without it.

Our identity (`origin.identity`), Signature Version 4 with the operator's own keys, and headers
whose values are secrets. CloudFront Developer Guide, "Restrict access to an Amazon S3 origin".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edgecache.config.origins import REGION_DEFAULT, Origin, OriginAccessControl, credential_of
from edgecache.config.secrets import KeyPair
from edgecache.http.message import Fields
from edgecache.origin.identity import IdentitySigner
from edgecache.rules.sigv4 import (
    EMPTY_SHA256,
    UNSIGNED_PAYLOAD,
    Credential,
    SigningInput,
    signing_fields,
)
from edgecache.upstream.faults import Fault, UpstreamError

_AMAZON = re.compile(
    r"(?:.+\.)?s3[.-](?:dualstack\.)?([a-z]{2}-[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?"
)
_SIGNED = frozenset({b"host", b"content-type", b"content-md5"})  # and all of x-amz-*: S3 demands it
_PAYLOAD = b"x-amz-content-sha256"
_OF_A_SIGNATURE = frozenset({b"authorization", b"x-amz-date", b"x-amz-security-token", _PAYLOAD})


@dataclass(frozen=True, slots=True)
class RequestToSign:
    """What a proof is made of: a request as it goes on the wire. `fields` has Host."""

    method: bytes
    host: bytes
    target: bytes
    fields: Fields
    has_body: bool = False


FieldList = list[tuple[bytes, bytes]]
Prove = Callable[[Origin, RequestToSign], FieldList]
"""All fields of a request to an origin, its proofs among them. UpstreamError without a secret."""


@dataclass(frozen=True, slots=True)
class OriginCredentials:
    """What this process proves with, of one generation. `clock` gives epoch seconds."""

    clock: Callable[[], float]
    identity: IdentitySigner | None = None
    controls: Mapping[str, OriginAccessControl] = field(default_factory=dict)  # by id
    key_pairs: Mapping[str, KeyPair] = field(default_factory=dict)  # by name
    values: Mapping[str, bytes] = field(default_factory=dict)  # of headers, by reference


def wants_proof(origin: Origin) -> bool:
    """Whether the origin wants a proof, which is new for each request."""
    identity = origin.access == "identity" or bool(origin.access_identity)
    return identity or bool(origin.secret_headers or origin.access_control_id)


class OriginAuth:
    """Adds proofs made with the present credentials, which are replaced whole."""

    def __init__(self, means: OriginCredentials) -> None:
        self._means = means

    def use(self, means: OriginCredentials) -> None:
        """From the next request on."""
        self._means = means

    def prove(self, origin: Origin, asked: RequestToSign) -> FieldList:
        """As `Prove`."""
        return with_proofs(self._means, origin, asked)


def with_proofs(means: OriginCredentials, origin: Origin, asked: RequestToSign) -> FieldList:
    """All fields of the request: what a viewer sent in a proof's place is gone."""
    fields = [*asked.fields]
    if origin.secret_headers:
        fields = override_fields(fields, _secret_fields(means, origin))
    if origin.access == "identity" or origin.access_identity:
        fields = override_fields(fields, _identity_fields(means, origin, asked))
    control = means.controls.get(origin.access_control_id)
    if control is None or control.signing_behavior == "never":
        return fields
    if control.signing_behavior == "no-override" and _first_value(fields, b"authorization"):
        return fields
    return _with_signature(means, origin, control, asked, fields)


def override_fields(fields: FieldList, by: Fields) -> FieldList:
    """`fields` with `by` in place of those of the same names."""
    names = {name for name, _ in by}
    return [*(held for held in fields if held[0] not in names), *by]


def _identity_fields(means: OriginCredentials, origin: Origin, asked: RequestToSign) -> Fields:
    if means.identity is None:
        raise _secret_missing(origin)
    try:
        return means.identity.sign(asked.method, asked.host, asked.target, origin.access_identity)
    except ValueError:
        raise _secret_missing(origin) from None


def _secret_fields(means: OriginCredentials, origin: Origin) -> Fields:
    try:
        return tuple(
            (name.lower().encode(), means.values[reference])
            for name, reference in origin.secret_headers.items()
        )
    except KeyError:
        raise _secret_missing(origin) from None


def _with_signature(
    means: OriginCredentials,
    origin: Origin,
    control: OriginAccessControl,
    asked: RequestToSign,
    fields: FieldList,
) -> FieldList:
    """Signature Version 4 over the request line, Host and what S3 wants to see signed."""
    try:
        pair = means.key_pairs[credential_of(control)]
    except KeyError:
        raise _secret_missing(origin) from None
    credential = Credential(
        pair.access_key_id,
        pair.secret_access_key,
        control.region or region_of(origin.domain_name),
        control.service,
        pair.session_token,
    )
    payload = _first_value(fields, _PAYLOAD)  # a viewer who knows the body's digest may say it
    if payload is None:
        payload = UNSIGNED_PAYLOAD if asked.has_body else EMPTY_SHA256
    kept = [held for held in fields if held[0] not in _OF_A_SIGNATURE]
    path, mark, query = asked.target.partition(b"?")
    to_sign = SigningInput(
        asked.method, path, query if mark else None, _signed_fields(kept), payload
    )
    return [*kept, *signing_fields(to_sign, credential, means.clock())]


def _signed_fields(fields: FieldList) -> Fields:
    """Each name once; several values of one are joined as they would be read (RFC 9110 §5.3)."""
    found: dict[bytes, bytes] = {}
    for name, value in fields:
        if name in _SIGNED or name.startswith(b"x-amz-"):
            found[name] = found[name] + b"," + value if name in found else value
    return tuple(found.items())


def _first_value(fields: FieldList, name: bytes) -> bytes | None:
    return next((value for held, value in fields if held == name), None)


def region_of(domain_name: str) -> str:
    """The region that a name of Amazon's has in it, else what other stores take."""
    found = _AMAZON.fullmatch(domain_name.lower())
    return found[1] if found else REGION_DEFAULT


def _secret_missing(origin: Origin) -> UpstreamError:
    return UpstreamError(Fault.NO_SECRET, origin.domain_name, sent=False)
