"""AWS Signature Version 4: made for origins that admit nobody else, checked for who calls us.

"Authenticating Requests: Using the Authorization Header", Amazon S3 API reference; IAM User Guide,
"Create a signed AWS API request". Pure: the time is an argument.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote_to_bytes

from edgecache.http.function_cache import CONFIGURED_BYTES, remembers
from edgecache.http.message import Fields

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED_PAYLOAD = b"UNSIGNED-PAYLOAD"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest().encode()
_UNRESERVED = "-._~"


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
    """What a signature covers: the request line's parts, and the fields by lower-case name."""

    method: bytes
    path: bytes
    query: bytes | None
    fields: Fields  # those to be signed, `host` among them
    payload_sha256: bytes = UNSIGNED_PAYLOAD


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


def _encoded_again(path: bytes) -> bytes:
    """The path as sent, what is encoded in it encoded once more."""
    return quote(path, safe=_UNRESERVED + "/").encode()


def canonical_query(query: bytes | None) -> bytes:
    """The parameters sorted by name and value, each encoded once; `+` stands for a blank."""
    if not query:
        return b""
    pairs = []
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        pairs.append((_encoded(name), _encoded(value)))
    return b"&".join(name + b"=" + value for name, value in sorted(pairs))


def _encoded(value: bytes) -> bytes:
    return quote(unquote_to_bytes(value.replace(b"+", b" ")), safe=_UNRESERVED).encode()


def _scope(credential: Credential, stamp: str) -> str:
    return f"{stamp[:8]}/{credential.region}/{credential.service}/aws4_request"


@remembers(64, CONFIGURED_BYTES)  # a key a day for each origin; the day before serves late clocks
def _signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    key = ("AWS4" + secret).encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
