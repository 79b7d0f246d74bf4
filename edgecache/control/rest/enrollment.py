"""Enrollment of machines over the REST API: join tokens, certificates, and their revocation.

Law: who may ask for a certificate is known by a token's secret, once, or by the certificate it has;
whose it is, control says. What a certificate is for is asked of `CertificateAdmission` alone.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Protocol

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edgecache.cluster.certificates import PeerCertificate
from edgecache.cluster.credentials import NAME_SERVER, edge_place, place_of
from edgecache.cluster.enrollment import JoinToken, token_digest
from edgecache.cluster.tokens import Tokens
from edgecache.config.model import Cluster, Config
from edgecache.control.nodes.authority import (
    Authority,
    CertificateRequestError,
    IssuedCertificate,
)
from edgecache.control.rest.auth import LOCAL_PEER, require_operator, require_reader
from edgecache.control.rest.call import RouteHandler, bounded_body, json_response
from edgecache.control.state.catalog import Catalog
from edgecache.control.state.certificates import IssuedCertificates, TokenRefusedError
from edgecache.control.state.database import Authorship
from edgecache.control.state.database_thread import StateRun

CERTIFICATE = "edgecache.certificate"  # of a scope: what the connection has shown (PeerCertificate)
TOKEN_S_MIN, TOKEN_S_MAX = 60.0, 7 * 86_400.0  # kubeadm's tokens live a day
TOKEN_S_DEFAULT = 3_600.0
INSTANCE_BYTES = 4
NO_AUTHORITY = "cluster.mutual_tls is not true at control: there are no certificates to be had"


class JoinTokenBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A wish for a token: for which place, for how long, and where machines reach control."""

    place: str
    control: str
    lifetime_s: Annotated[float, msgspec.Meta(ge=TOKEN_S_MIN, le=TOKEN_S_MAX)] = TOKEN_S_DEFAULT


class EnrollmentBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A machine's request to be certified: PEM (PKCS #10), and the secret of its token."""

    request: Annotated[str, msgspec.Meta(max_length=16_384)]
    secret: Annotated[str, msgspec.Meta(max_length=256)] = ""


class CertifiedConnection(Protocol):
    """A connection whose client has shown a certificate of ours."""

    shown: PeerCertificate | None

    def close(self) -> None: ...


@dataclass(slots=True)
class CertificateAdmission:
    """Which nodes control takes, beside what their credentials say.

    `secured`: control speaks TLS to other machines. `revoked`: PLACE/INSTANCE.
    """

    cluster: Cluster
    secured: bool
    clock: Callable[[], float]
    revoked: frozenset[str] = frozenset()
    connections: set[CertifiedConnection] = field(default_factory=set)

    def trouble(self, scope: MutableMapping[str, Any], name: str = "") -> str:
        """Why the node `name`, which has signed the request of `scope`, is refused; or empty."""
        client, server = scope.get("client"), scope.get("server")
        if client is None or client[0] == LOCAL_PEER:
            return ""
        if not self.secured:
            others = server is not None and client[0] != server[0]
            if self.cluster.mutual_tls is None and others:
                return (
                    "plain HTTP from another machine: set cluster.mutual_tls = true and enroll it "
                    "(`edgecache nodes token`), or false where the network is your own"
                )
            return ""
        shown: PeerCertificate | None = scope.get(CERTIFICATE)
        if shown is None:
            return "no certificate: enroll this machine (`edgecache nodes token`)"
        if not self.is_good(shown):
            return "its certificate was revoked or has ended: enroll this machine anew"
        if name and place_of(name) != shown.identity.place:
            return f"its certificate is for {shown.identity.place}, not for {place_of(name)}"
        return ""

    def is_good(self, shown: PeerCertificate) -> bool:
        """Whether a certificate is still taken."""
        return shown.identity.node not in self.revoked and self.clock() < shown.ends

    def close_refused(self) -> None:
        """Close the connections of who was let in and would not be now."""
        for connection in [*self.connections]:
            if connection.shown is not None and not self.is_good(connection.shown):
                connection.close()


@dataclass(frozen=True, slots=True)
class Enrollment:
    """The handlers, and what they need. `part` gives a place's `secrets.json`."""

    authority: Authority | None
    certificates: IssuedCertificates
    catalog: Catalog
    admission: CertificateAdmission
    tokens: Tokens
    part: Callable[[str, Config], str]
    run: StateRun
    clock: Callable[[], float]

    def handlers(self) -> dict[str, RouteHandler]:
        """A handler for each operation, by name."""
        return {
            "get_authority": self.get_authority,
            "create_join_token": self.create_join_token,
            "enroll_node": self.enroll_node,
            "renew_certificate": self.renew_certificate,
            "list_certificates": self.list_certificates,
            "revoke_certificates": self.revoke_certificates,
        }

    async def get_authority(self, request: Request) -> Response:
        """The authority's certificate, which is no secret: whoever gets it compares it."""
        return json_response({"certificate": self._authority().pem})

    async def create_join_token(self, request: Request) -> Response:
        require_operator(request, self.tokens)
        authority, wish = self._authority(), await _body(request, JoinTokenBody)
        known = _places(self.catalog.file)
        if wish.place not in known:
            listed = ", ".join(known) or "none"
            raise HTTPException(
                400, f"place: no {wish.place!r} in control's file (known: {listed})"
            )
        secret = secrets.token_urlsafe(32)
        try:
            await self.run(
                partial(
                    self.certificates.add_token, token_digest(secret), wish.place, wish.lifetime_s
                )
            )
        except TokenRefusedError as error:
            raise HTTPException(409, str(error)) from error
        token = JoinToken(wish.control, authority.fingerprint, wish.place, secret)
        told = {"token": token.spelled(), "place": wish.place, "lifetime_s": wish.lifetime_s}
        return json_response(told, 201)

    async def enroll_node(self, request: Request) -> Response:
        """A machine with a token gets its certificate, and the secrets of its place."""
        self._authority()
        if request.scope["scheme"] != "https":
            raise HTTPException(403, "secrets are not sent in plain HTTP")
        wish = await _body(request, EnrollmentBody)
        instance = secrets.token_hex(INSTANCE_BYTES)

        def certify(place: str) -> IssuedCertificate:
            return self._certify(wish.request, place, instance)

        digest = token_digest(wish.secret)
        try:
            issued = await self.run(partial(self.certificates.redeem, digest, certify))
        except TokenRefusedError as error:
            raise HTTPException(403, str(error)) from error
        except CertificateRequestError as error:
            raise HTTPException(400, str(error)) from error
        part = await self.run(partial(self.part, issued.identity.place, self.catalog.file))
        return json_response({"certificate": issued.pem, "secrets": part}, 201)

    async def renew_certificate(self, request: Request) -> Response:
        """A machine with a good certificate gets the next one, for the same place and instance."""
        self._authority()
        trouble = self.admission.trouble(request.scope)
        shown: PeerCertificate | None = request.scope.get(CERTIFICATE)
        if trouble or shown is None:
            raise HTTPException(403, trouble or "no certificate")
        wish, identity = await _body(request, EnrollmentBody), shown.identity
        try:
            issued = self._certify(wish.request, identity.place, identity.instance)
        except CertificateRequestError as error:
            raise HTTPException(400, str(error)) from error
        if not await self.run(partial(self._add, shown, issued)):
            raise HTTPException(403, "its certificate was revoked meanwhile")
        return json_response({"certificate": issued.pem}, 201)

    def _add(self, shown: PeerCertificate, issued: IssuedCertificate) -> bool:
        """Keep what renews a certificate, unless that was revoked while it was made."""
        if shown.identity.node in self.certificates.revoked():
            return False
        self.certificates.add(issued)
        return True

    async def list_certificates(self, request: Request) -> Response:
        require_reader(request, self.tokens)
        listed = await self.run(self.certificates.listing)
        now = self.clock()
        return json_response(
            {
                "certificates": [
                    {
                        "node": one.node,
                        "serial": one.serial,
                        "names": one.names,
                        "ends_in_s": round(one.ends - now),
                        "state": _state(one.revoked_at, one.ends, now),
                    }
                    for one in listed
                ]
            }
        )

    async def revoke_certificates(self, request: Request) -> Response:
        """Nodes hear of it with the next configuration, which this publishes."""
        author = require_operator(request, self.tokens)
        self._authority()
        node = request.path_params["node"]
        by = Authorship(author, f"revoke_certificates {node}")
        gone = await self.run(partial(self._revoke, node, by))
        if not gone:
            raise HTTPException(404, "no certificate of such a node; see `edgecache nodes list`")
        self.admission.close_refused()
        return json_response({"revoked": gone})

    def _revoke(self, node: str, by: Authorship) -> tuple[str, ...]:
        with self.catalog.changing(by):
            gone = self.certificates.revoke(node)
        self.admission.revoked = frozenset(self.catalog.published.revoked_nodes)
        return gone

    def _certify(self, request: str, place: str, instance: str) -> IssuedCertificate:
        lifetime_s = self.catalog.file.cluster.certificate_lifetime_s
        return self._authority().certify(
            request.encode(), place, instance, self.clock(), lifetime_s
        )

    def _authority(self) -> Authority:
        if self.authority is None:
            raise HTTPException(409, NO_AUTHORITY)
        return self.authority


def _places(config: Config) -> list[str]:
    """Places of control's file that a machine may be enrolled as."""
    found = [one.place for one in config.regional_tier]
    found += [] if config.dns is None else [NAME_SERVER]
    return [*found, *(edge_place(one.name) for one in config.locations)]


def _state(revoked_at: float | None, ends: float, now: float) -> str:
    if revoked_at is not None:
        return "revoked"
    return "good" if now < ends else "ended"


async def _body(request: Request, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(await bounded_body(request), type=kind)
    except msgspec.DecodeError as error:
        raise HTTPException(400, str(error)) from error
