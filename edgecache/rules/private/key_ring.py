"""Key ring: the keys whose signatures open a behavior.

Law: a behavior that names signers opens to their signatures alone, on every request. CloudFront
Developer Guide, "Restrict content with signed URLs and signed cookies". Keys are loaded once for
each generation of the configuration; what they were seen to have signed is forgotten with it, so
that a key that was taken away is worth nothing at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from itsdangerous import Signer
from msgspec.structs import replace

from edgecache.config.model import Behavior, Config
from edgecache.config.public_keys import PublicKeyObject, load_public_key
from edgecache.http.message import Request, cookie_pairs, field_values, names_in, query_pairs
from edgecache.rules.private.native_token import (
    COOKIE,
    PARAMETER,
    native_signer,
    open_native,
    without_token,
)
from edgecache.rules.private.signature_check import (
    SignatureAccepted,
    VerifiedSignatures,
    open_signed,
)
from edgecache.rules.private.signature_fields import (
    COOKIE_PREFIX,
    NAMES,
    SignatureFault,
    SignatureRefused,
    without_signature,
)

MESSAGES = {
    SignatureFault.MISSING_KEY: "Missing Key-Pair-Id query parameter or cookie value",
    SignatureFault.INVALID_KEY: "Unknown Key",
    SignatureFault.MALFORMED_SIGNATURE: "Could not unencode Signature",
    SignatureFault.MALFORMED_POLICY: "Malformed Policy",
    SignatureFault.ACCESS_DENIED: "Access denied",
}
"""What CloudFront's 403 bodies say beside each code."""


@dataclass(frozen=True, slots=True, eq=False)
class TrustedKeys:
    """Whose signatures open a behavior, by key id."""

    keys: Mapping[str, PublicKeyObject]
    native: Mapping[str, Signer]
    proven: VerifiedSignatures

    def opens(self, request: Request, now: float) -> SignatureAccepted | SignatureRefused:
        """Whether `request`, as received, may have what it asks for at `now` (wall clock)."""
        if self.means_native(request):
            return open_native(request, self.native, now)
        return open_signed(request, self.keys, now, request.client[0], self.proven)

    def stripped(
        self, request: Request, opened: SignatureAccepted | SignatureRefused | None = None
    ) -> Request:
        """The request as the key and the origin know it; `opened` is what was said of it."""
        in_url = isinstance(opened, SignatureAccepted) and opened.in_url and not self.native
        if in_url and b"cookie" not in names_in(request.fields):
            assert isinstance(opened, SignatureAccepted)
            return replace(request, query=opened.query)
        request = without_token(request) if self.native else request
        return without_signature(request) if self.keys else request

    def means_native(self, request: Request) -> bool:
        """Which of two kinds a request presents: URL before cookies, CloudFront's before ours."""
        if not self.native or not self.keys:
            return bool(self.native)
        in_url = {name for name, _ in query_pairs(request.query or b"")}
        if not in_url.isdisjoint(NAMES) or PARAMETER in in_url:
            return in_url.isdisjoint(NAMES)
        cookies = {
            name
            for line in field_values(request.fields, b"cookie")
            for name, _ in cookie_pairs(line)
        }
        return COOKIE in cookies and cookies.isdisjoint(COOKIE_PREFIX + name for name in NAMES)


@dataclass(frozen=True, slots=True, eq=False)
class KeyRing:
    """Every key of one generation: public ones by id, and ids by group and account."""

    public: Mapping[str, PublicKeyObject]
    groups: Mapping[str, tuple[str, ...]]
    accounts: Mapping[str, tuple[str, ...]]
    native: Mapping[str, Signer]
    proven: VerifiedSignatures

    def trust(self, behavior: Behavior) -> TrustedKeys | None:
        """Whom `behavior` trusts; None: it is public.

        A key that is named but not there opens nothing; the behavior stays private.
        """
        named = (behavior.trusted_key_groups, behavior.trusted_signers)
        if not any(named) and not behavior.trusted_native_keys:
            return None
        ids = [key for group in named[0] for key in self.groups.get(group, ())]
        ids += [key for account in named[1] for key in self.accounts.get(account, ())]
        keys = {key: self.public[key] for key in ids if key in self.public}
        own = behavior.trusted_native_keys
        native = {name: self.native[name] for name in own if name in self.native}
        return TrustedKeys(keys, native, self.proven)


def key_ring(config: Config, native: Mapping[str, str]) -> KeyRing:
    """The keys of a configuration that has passed `check`; `native` is secrets by id."""
    return KeyRing(
        {key.id: load_public_key(key.pem) for key in config.public_keys},
        {group.id: group.keys for group in config.key_groups},
        config.trusted_signers,
        {name: native_signer(secret) for name, secret in native.items()},
        VerifiedSignatures(),
    )
