"""AWS Signature Version 4: made for origins that admit nobody else, checked for who calls us.

Law: what is not signed (a Host, a date, a body) proves nothing. IAM User Guide, "Elements of an AWS
API request signature" and "Create a signed AWS API request"; Amazon S3 API reference,
"Authenticating Requests: Using the Authorization Header". Pure: the time is an argument.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from urllib.parse import quote, unquote_to_bytes

from edgecache.http.function_cache import CONFIGURED_BYTES, cached
from edgecache.http.message import Fields

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = b"UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest().encode()
_UNRESERVED = "-._~"

WINDOW_S = 300.0  # how far the date may be from our clock; AWS allows 900 for most services
SIGNED_FIELDS_MAX = 64  # SDKs sign about eight
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256\s+Credential=(?P<key>[A-Za-z0-9_]{1,128})/(?P<day>\d{8})"
    r"/(?P<region>[a-z0-9-]{1,64})/(?P<service>[a-z0-9-]{1,64})/aws4_request"
    r"\s*,\s*SignedHeaders=(?P<names>[a-z0-9!#$%&'*+.^_`|~;-]+)"
    r"\s*,\s*Signature=(?P<signature>[0-9a-f]{64})"
)
_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """An access key, and where it is used. Its repr holds no secret."""

    access_key_id: str
    secret_access_key: str
    region: str
    service: str = "s3"
    session_token: str = ""

    def __repr__(self) -> str:
        return f"Credential({self.access_key_id}, {self.region}, {self.service})"


@dataclass(frozen=True, slots=True)
class SigningInput:
    """The signed part of a request: parts of its request line, fields by lower-case name."""

    method: bytes
    path: bytes
    query: bytes | None
    fields: Fields  # those to be signed, `host` among them
    payload_sha256: bytes = UNSIGNED_PAYLOAD


class RejectionReason(StrEnum):
    """Reason to reject a signature."""

    ABSENT = "absent"  # nothing is signed
    MALFORMED = "malformed"  # it cannot be read, or leaves out what must be signed
    UNKNOWN_KEY = "unknown key"
    WRONG = "wrong"  # it is another request's, or of another secret
    EXPIRED = "expired"  # the date is too far from our clock


@dataclass(frozen=True, slots=True)
class SignatureRejected:
    """The request proves nothing; `detail` says no more than its sender knows."""

    why: RejectionReason
    detail: str


@dataclass(frozen=True, slots=True)
class SignatureVerified:
    """The request was signed with this access key."""

    access_key_id: str


@dataclass(frozen=True, slots=True)
class IncomingRequest:
    """A request as it came; fields by lower-case name, in order."""

    method: bytes
    path: bytes
    query: bytes
    fields: Fields
    body: bytes


def signing_fields(
    request: SigningInput, credential: Credential, now: float
) -> tuple[tuple[bytes, bytes], ...]:
    """The fields that prove `credential` at `now` (wall clock, epoch seconds)."""
    stamp = datetime.fromtimestamp(int(now), UTC).strftime("%Y%m%dT%H%M%SZ")
    added: Fields = (
        (b"x-amz-content-sha256", request.payload_sha256),
        (b"x-amz-date", stamp.encode()),
    )
    if credential.session_token:
        added += ((b"x-amz-security-token", credential.session_token.encode()),)
    signed = sorted((*request.fields, *added))
    names = ";".join(name.decode() for name, _ in signed)
    signature = signature_of(request, tuple(signed), credential, stamp)
    scope = _scope(credential, stamp)
    value = (
        f"{ALGORITHM} Credential={credential.access_key_id}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    return (*added, (b"authorization", value.encode()))


def signature_of(request: SigningInput, signed: Fields, credential: Credential, stamp: str) -> str:
    """The signature, in hex, of a request whose `signed` fields are sorted by name."""
    canonical = canonical_request(request, signed, credential.service)
    digest = hashlib.sha256(canonical).hexdigest()
    text = f"{ALGORITHM}\n{stamp}\n{_scope(credential, stamp)}\n{digest}"
    key = _signing_key(
        credential.secret_access_key, stamp[:8], credential.region, credential.service
    )
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def canonical_request(request: SigningInput, signed: Fields, service: str = "s3") -> bytes:
    """The bytes both sides hash. S3 has the path encoded once, every other service twice."""
    lines = [
        request.method,
        canonical_path(request.path) if service == "s3" else _encoded_again(request.path),
        canonical_query(request.query),
        b"".join(b"%b:%b\n" % (name, b" ".join(value.split())) for name, value in signed),
        b";".join(name for name, _ in signed),
        request.payload_sha256,
    ]
    return b"\n".join(lines)


def canonical_path(path: bytes) -> bytes:
    """The path with every byte but the unreserved ones and `/` encoded, once."""
    return quote(unquote_to_bytes(path), safe=_UNRESERVED + "/").encode()


def canonical_query(query: bytes | None) -> bytes:
    """The parameters sorted by name and value, each encoded once; `+` stands for a blank."""
    if not query:
        return b""
    pairs = []
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        pairs.append((_encoded(name), _encoded(value)))
    return b"&".join(name + b"=" + value for name, value in sorted(pairs))


def verify(
    request: IncomingRequest, secret_of: Callable[[str], str | None], service: str, now: float
) -> SignatureVerified | SignatureRejected:
    """The verified signer of `request`, for `service`; `now` is wall clock, epoch seconds.

    Any region will do: an SDK with an endpoint of its own signs for the region it was set up for.
    """
    given = one_field(request.fields, b"authorization")
    if given is None or not given.startswith(ALGORITHM):
        return SignatureRejected(RejectionReason.ABSENT, "the request is not signed")
    match = _AUTHORIZATION.fullmatch(given)
    if match is None or match["service"] != service:
        return SignatureRejected(
            RejectionReason.MALFORMED, f"not a signature for {service} of the form {ALGORITHM}"
        )
    names = match["names"].split(";")
    stamp = one_field(request.fields, b"x-amz-date")
    problem = unsigned_part(request, names) or misdated(stamp, match["day"])
    if problem:
        return SignatureRejected(RejectionReason.MALFORMED, problem)
    assert stamp is not None
    secret = secret_of(match["key"])
    # One unknown is checked as well, against nothing, so that the time tells nothing of ids.
    credential = Credential(match["key"], secret or "-", match["region"], service)
    made = _signature(request, names, credential, stamp)
    if not hmac.compare_digest(made, match["signature"]) or secret is None:
        why = RejectionReason.UNKNOWN_KEY if secret is None else RejectionReason.WRONG
        return SignatureRejected(why, "the signature is not the one this request would have")
    return signed_in_time(match["key"], stamp, now)


def signed_in_time(
    access_key_id: str, stamp: str, now: float
) -> SignatureVerified | SignatureRejected:
    """The signer of what was signed at `stamp`, unless that is too far from `now`."""
    apart_s = now - datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC).timestamp()
    if abs(apart_s) > WINDOW_S:
        early = "later" if apart_s < 0 else "earlier"
        return SignatureRejected(
            RejectionReason.EXPIRED,
            f"signed at {stamp}, {abs(apart_s):.0f} s {early} than the clock here",
        )
    return SignatureVerified(access_key_id)


def _encoded_again(path: bytes) -> bytes:
    """The path as sent, what is encoded in it encoded once more."""
    return quote(path, safe=_UNRESERVED + "/").encode()


def _encoded(value: bytes) -> bytes:
    return quote(unquote_to_bytes(value.replace(b"+", b" ")), safe=_UNRESERVED).encode()


def _scope(credential: Credential, stamp: str) -> str:
    return f"{stamp[:8]}/{credential.region}/{credential.service}/aws4_request"


@cached(64, CONFIGURED_BYTES)  # a key a day for each origin; the day before serves late clocks
def _signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    key = ("AWS4" + secret).encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def unsigned_part(request: IncomingRequest, names: list[str]) -> str:
    """Why the signed field names do not do; empty when they do."""
    if len(names) > SIGNED_FIELDS_MAX or names != sorted(set(names)):
        return "SignedHeaders are not sorted names, each once"
    missing = [name for name in ("host", "x-amz-date") if name not in names]
    missing += [
        name.decode("latin-1")
        for name, _ in request.fields
        if name.startswith(b"x-amz-") and name.decode("latin-1") not in names
    ]
    if missing:
        return f"{missing[0]} is not signed"
    digest = one_field(request.fields, b"x-amz-content-sha256")
    if digest is not None and digest != hashlib.sha256(request.body).hexdigest():
        return "x-amz-content-sha256 is not the body's"
    return ""


def misdated(stamp: str | None, day: str) -> str:
    """Why the date does not do; empty when it does."""
    if stamp is None or not re.fullmatch(r"\d{8}T\d{6}Z", stamp, re.ASCII):
        return "x-amz-date is missing or no date"
    try:
        datetime.strptime(stamp, _STAMP)
    except ValueError:
        return "x-amz-date is no date"
    return "" if stamp[:8] == day else "x-amz-date is of another day than the credential"


def _signature(
    request: IncomingRequest, names: list[str], credential: Credential, stamp: str
) -> str:
    to_sign = signed_input(request, names)
    return signature_of(to_sign, to_sign.fields, credential, stamp)


def signed_input(request: IncomingRequest, names: list[str]) -> SigningInput:
    """What its signer signed of a request: the fields of these names, and its body."""
    fields: list[tuple[bytes, bytes]] = []
    for name in names:
        wanted = name.encode()
        values = [b" ".join(value.split()) for key, value in request.fields if key == wanted]
        fields.append((wanted, b",".join(values)))
    digest = hashlib.sha256(request.body).hexdigest().encode()
    return SigningInput(request.method, request.path, request.query, tuple(fields), digest)


def one_field(fields: Fields, name: bytes) -> str | None:
    """The value of a field that is there once."""
    values = [value for key, value in fields if key == name]
    return values[0].decode("latin-1") if len(values) == 1 else None
