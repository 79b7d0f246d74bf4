"""Machines of an installation, as control knows them: its authority, and its own certificates.

Law: control's own machine needs no token. What runs there beside control has its certificates from
the start, since who reads this `state_dir` has the authority in any case.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

from cryptography.exceptions import InvalidSignature

from edgecache.cluster.certificates import (
    NAMES_MAX,
    CertificateFile,
    certificate_path,
    certificate_request,
    server_name,
    write_private,
)
from edgecache.cluster.client import exchange
from edgecache.cluster.credentials import CONTROL, edge_place
from edgecache.cluster.enrollment import requested_names
from edgecache.cluster.tokens import Tokens
from edgecache.config.listen import Address, control_names, speaks_tls, tcp_address
from edgecache.config.model import Config
from edgecache.config.secrets import SecretsError
from edgecache.control.nodes.authority import Authority, open_authority
from edgecache.control.rest.enrollment import CertificateAdmission, Enrollment
from edgecache.control.state.catalog import Catalog
from edgecache.control.state.certificates import LOCAL_INSTANCE, IssuedCertificates
from edgecache.control.state.database_thread import StateRun

LOCAL = ("localhost", "127.0.0.1", "::1")
LOOK_S = 1.0  # a third of a lease: what ended or was revoked is let go within it


class Machines:
    """Control's authority, who it admits, and what it shows. Without mutual TLS: nothing of it."""

    def __init__(self, config: Config, clock: Callable[[], float]) -> None:
        """SecretsError when the authority is there and cannot be used."""
        assert config.control is not None
        self._config = config
        self._clock = clock
        secured = speaks_tls(config.control, config)
        self.admission = CertificateAdmission(config.cluster, secured, clock)
        self.authority: Authority | None = None
        if config.cluster.mutual_tls:
            self.authority = open_authority(config.state_dir, clock())
        self.own: CertificateFile | None = None
        self._certificates: IssuedCertificates
        self._due_at = 0.0  # when the next certificate of this machine is to be made

    def begin(self, certificates: IssuedCertificates) -> None:
        """Certify what of this machine has no certificate that lasts. SecretsError."""
        self._certificates = certificates
        self._refuse_revoked()
        certificates.on_change(self._refuse_revoked)
        if self.authority is None:
            return
        self._certify_due()
        state_dir = self._config.state_dir
        self.own = CertificateFile(state_dir, CONTROL, open_to_others=True)

    def _refuse_revoked(self) -> None:
        self.admission.revoked = frozenset(self._certificates.revoked())

    def enrollment(
        self,
        catalog: Catalog,
        tokens: Tokens,
        part: Callable[[str, Config], str],
        run: StateRun,
    ) -> Enrollment:
        """What other machines ask, and operators about them."""
        return Enrollment(
            self.authority, self._certificates, catalog, self.admission, tokens, part, run,
            self._clock,
        )  # fmt: skip

    async def watch(self, run: StateRun) -> None:
        """Renew control's own certificate in time; let go of who would not be let in now.

        Those of other places here renew themselves; one that has ended, since nobody ran, is made
        anew.
        """
        while True:
            await asyncio.sleep(LOOK_S)
            self.admission.close_refused()
            if self.own is not None and self._clock() >= self._due_at:
                await run(self._certify_due)
                self.own.renewed()

    @property
    def server(self) -> ssl.SSLContext | None:
        """The context of control's listener, where it speaks TLS."""
        if self.own is None or not self.admission.secured:
            return None
        return self.own.server

    async def ask_regional(self, place: str, address: Address, head: bytes) -> bytes:
        """As an Exchange, with the regional cache of a place; one that is not here has no TLS."""
        part = next((one for one in self._config.regional_tier if one.place == place), None)
        secured = speaks_tls(part, self._config)
        tls = (self.own.client, server_name(place)) if secured and self.own else None
        return await exchange(address, head, tls)

    def _certify_due(self) -> None:
        """Control's certificate at two thirds of its life, others at their end."""
        assert self.authority is not None
        due = [self._certify(place, self.authority) for place in self._places()]
        self._due_at = min(due)

    def _certify(self, place: str, authority: Authority) -> float:
        """Make the certificate of a place if it is due; when the next one is."""
        path, now = certificate_path(self._config.state_dir, place), self._clock()
        names = _names(self._config, place)
        due_at = _due_at(self._config.state_dir, place, authority, names)
        if now < due_at:
            return due_at
        key, request = certificate_request(names)
        lifetime_s = self._config.cluster.certificate_lifetime_s
        issued = authority.certify(request, place, LOCAL_INSTANCE, now, lifetime_s)
        self._certificates.add(issued)
        write_private(path, key + issued.pem.encode())
        return _due_at(self._config.state_dir, place, authority, names)

    def _places(self) -> list[str]:
        config = self._config
        regional = [one.place for one in config.regional_tier]
        return [CONTROL, *regional, *(edge_place(one.name) for one in config.locations)]


def _names(config: Config, place: str) -> tuple[str, ...]:
    """The names of a place here, beside its own: what it advertises; of control all it is asked by.

    Operators who ask control from elsewhere verify it by these.
    """
    parts = {edge_place(one.name): one.advertise for one in config.locations}
    parts |= {one.place: one.advertise for one in config.regional_tier}
    if place != CONTROL:
        return (tcp_address(parts[place]).host,) if parts[place] else ()
    found = (*control_names(config, socket.gethostname()), *LOCAL)
    bare = dict.fromkeys(name.strip("[]").lower() for name in found)
    return tuple(bare)[:NAMES_MAX]


def _due_at(state_dir: str, place: str, authority: Authority, names: tuple[str, ...]) -> float:
    """When the certificate in a place's file is to be made anew; 0 where it is good for nothing."""
    try:
        held = CertificateFile(state_dir, place)
        held.certificate.verify_directly_issued_by(authority.certificate)
    except (SecretsError, ValueError, TypeError, InvalidSignature):
        return 0.0
    if not {*names} <= {*requested_names(held.certificate)}:
        return 0.0
    return held.renew_at if place == CONTROL else held.certificate.not_valid_after_utc.timestamp()
