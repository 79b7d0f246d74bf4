"""Issuance of certificates: which are due, when to try again, what was issued.

Law: nothing here is tried more often than an authority bears. A failure is followed by a longer and
longer pause, which a restart does not shorten, and by no shorter one than the authority asks for.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import msgspec
from cryptography import x509
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from edgecache.cluster.certificates import (
    AcmeState,
    SealedCertificate,
    keep_site_certificate,
    seal,
    site_certificate_path,
    write_private,
)
from edgecache.cluster.credentials import is_edge, place_of
from edgecache.config.checks.site import issued_names
from edgecache.config.model import Acme, Config
from edgecache.control.acme.orders import FOLDER, CertificateAuthority, Challenges, IssuanceError
from edgecache.control.nodes.refusals import NodeAdmission
from edgecache.control.nodes.registry import NodeRegistry
from edgecache.control.rest.auth import require_node
from edgecache.control.rest.call import RouteHandler, json_response
from edgecache.control.state.catalog import Catalog
from edgecache.control.state.database import StateError
from edgecache.runtime.environment import wall_clock
from edgecache.runtime.stderr_log import say, warn

ORDERS = "certificates"  # the task of asking an authority: one control does it
LOOK_S = 1.0  # a site that was added waits so long
LIFE_SHARE = 2 / 3  # of a certificate's life, after which a new one is asked for
STRAGGLER_S = 60.0  # a location that is not there by then is waited for no longer
BACK_OFF_S_FIRST = 120.0  # doubled: five failures within an hour are what Let's Encrypt admits
BACK_OFF_S_MAX = 86_400.0
DOUBLINGS_MAX = 16  # past the longest; keeps the power small

Issue = Callable[[Acme, Sequence[str]], bytes]
"""PEM of a key and a certificate for names, with its chain. Blocks. IssuanceError."""


class _Attempts(msgspec.Struct):
    """What failed: by site and names, how often in a row, and from when on it is tried again."""

    failures: dict[str, int] = {}
    not_before: dict[str, float] = {}  # epoch seconds; under "" for all


@dataclass(frozen=True, slots=True)
class _Kept:
    """A certificate in its file, which `stamp` tells from another."""

    stamp: tuple[int, int]
    pem: bytes
    names: frozenset[str]
    renew_at: float  # epoch seconds


async def _always() -> bool:
    return True


@dataclass(slots=True)
class Issuance:
    """Certificates of the sites of one installation.

    `config` gives what is published now, `ready` whether edges answer; `say` and `warn` take a
    line.
    """

    config: Callable[[], Config]
    state_dir: str
    issue: Issue
    ready: Callable[[], bool]
    clock: Callable[[], float]
    say: Callable[[str], None]
    warn: Callable[[str], None]
    is_mine: Callable[[], Awaitable[bool]] = _always  # whether it is for this control to ask
    _kept: dict[str, _Kept] = field(default_factory=dict)
    _attempts: _Attempts = field(init=False)

    def __post_init__(self) -> None:
        self._attempts = _Attempts()
        with contextlib.suppress(OSError, msgspec.DecodeError):  # begun anew where it is spoilt
            text = self._attempts_path.read_bytes()
            self._attempts = msgspec.json.decode(text, type=_Attempts)

    def certificates(self) -> dict[str, bytes]:
        """The PEM of each certificate, with its key, by distribution. Blocks on the disk."""
        return {id: kept.pem for id, _, kept in self._wanted() if kept is not None}

    def due(self) -> list[tuple[str, tuple[str, ...]]]:
        """Distributions whose certificates are to be asked for now, and for which names."""
        now, not_before = self.clock(), self._attempts.not_before
        if now < not_before.get("", 0.0):
            return []
        return [
            (id, names)
            for id, names, kept in self._wanted()
            if now >= not_before.get(_key(id, names), 0.0)
            and (kept is None or kept.names != {*names} or now >= kept.renew_at)
        ]

    async def run(self) -> None:
        """Ask for what is due, one after the other, for good."""
        while True:
            if self.config().certificates == "acme" and self.ready() and await self._asks():
                for id, names in self.due():
                    await in_thread(partial(self.ask_for, id, names, self._settings()))
            await asyncio.sleep(LOOK_S)

    async def _asks(self) -> bool:
        with contextlib.suppress(StateError):
            return await self.is_mine()
        return False

    def ask_for(self, id: str, names: tuple[str, ...], settings: Acme) -> None:
        """Ask for one certificate and keep it, or note when to try again. Blocks."""
        if self._attempts.not_before.get("", 0.0) > self.clock():
            return  # since this was found to be due
        title = f"certificate of {id} ({', '.join(names)})"
        try:
            pem = self.issue(settings, names)
            keep_site_certificate(self.state_dir, id, pem)
        except (IssuanceError, OSError) as error:
            pause_s = self._note_failure(id, names, error)
            self.warn(f"{title}: not issued: {error}; tried again in {pause_s / 60:.0f} min")
        else:
            self._forget(id, names)
            ends = x509.load_pem_x509_certificate(pem).not_valid_after_utc
            self.say(f"{title}: issued, ends {ends:%Y-%m-%d %H:%M} UTC")

    def _wanted(self) -> Iterator[tuple[str, tuple[str, ...], _Kept | None]]:
        config = self.config()
        for site in config.distributions:
            names = issued_names(config, site)
            if names:
                yield site.id, names, self._read(site.id)

    def _read(self, id: str) -> _Kept | None:
        path = site_certificate_path(self.state_dir, id)
        try:
            facts = path.stat()
            stamp = facts.st_mtime_ns, facts.st_ino
            known = self._kept.get(id)
            if known is None or known.stamp != stamp:
                known = self._kept[id] = _kept_of(path.read_bytes(), stamp)
        except (OSError, ValueError):
            return None
        return known

    def _note_failure(self, id: str, names: tuple[str, ...], error: Exception) -> float:
        """Put off the next attempt; by how many seconds."""
        attempts, key = self._attempts, _key(id, names)
        count = attempts.failures[key] = attempts.failures.get(key, 0) + 1
        pause_s = back_off_s(count)
        if isinstance(error, IssuanceError):
            pause_s = max(pause_s, error.after_s)
            if error.limited:
                attempts.not_before[""] = self.clock() + pause_s
        attempts.not_before[key] = self.clock() + pause_s
        self._keep_attempts()
        return pause_s

    def _forget(self, id: str, names: tuple[str, ...]) -> None:
        key = _key(id, names)
        if self._attempts.failures.pop(key, None) is not None:
            self._attempts.not_before.pop(key, None)
            self._keep_attempts()

    def _keep_attempts(self) -> None:
        with contextlib.suppress(OSError):  # a full disk is told by others
            write_private(self._attempts_path, msgspec.json.encode(self._attempts))

    @property
    def _attempts_path(self) -> Path:
        return Path(self.state_dir) / FOLDER / "attempts.json"

    def _settings(self) -> Acme:
        control = self.config().control
        return Acme() if control is None else control.acme


def back_off_s(failures: int) -> float:
    """Seconds until the next attempt after so many failures in a row."""
    return min(BACK_OFF_S_FIRST * (1 << min(failures - 1, DOUBLINGS_MAX)), BACK_OFF_S_MAX)


async def in_thread(work: Callable[[], None]) -> None:
    """Have `work` done in a thread that the end of the process does not wait for."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def end(error: BaseException | None) -> None:
        if not done.done():
            done.set_exception(error) if error is not None else done.set_result(None)

    def run() -> None:
        failure: BaseException | None = None
        try:
            work()
        except BaseException as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(end, failure)

    threading.Thread(target=run, name="acme", daemon=True).start()
    await done


def _kept_of(pem: bytes, stamp: tuple[int, int]) -> _Kept:
    found = x509.load_pem_x509_certificate(pem)
    listed = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    names = frozenset(name.lower() for name in listed.get_values_for_type(x509.DNSName))
    begins = found.not_valid_before_utc.timestamp()
    life_s = found.not_valid_after_utc.timestamp() - begins
    return _Kept(stamp, pem, names, begins + life_s * LIFE_SHARE)


def _key(id: str, names: tuple[str, ...]) -> str:
    return f"{id} {','.join(names)}"


@dataclass(frozen=True, slots=True)
class CertificateServices:
    """What there is to tell edges. `secrets` gives those of peers, by id, the newest last."""

    config: Callable[[], Config]
    challenges: Challenges
    certificates: Callable[[], Mapping[str, bytes]]
    admission: NodeAdmission
    secrets: Callable[[], Mapping[str, str]]

    def handlers(self) -> dict[str, RouteHandler]:
        """By name of the operation."""
        return {"follow_acme": self.follow_acme}

    async def follow_acme(self, request: Request) -> Response:
        """All of it, unless the edge has that already (If-None-Match)."""
        name = require_node(request, self.admission)
        if not is_edge(name):
            raise HTTPException(403, "certificates are for edges")
        loop = asyncio.get_running_loop()
        challenges, certificates = await loop.run_in_executor(None, self._read)
        secrets, place = self.secrets(), place_of(name)
        tag = _tag(challenges, certificates, [*secrets][-1])
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"etag": tag})
        sealed = tuple(
            SealedCertificate(id, seal(pem, id, place, secrets)) for id, pem in certificates.items()
        )
        answer = json_response(AcmeState(challenges, sealed))
        answer.headers["etag"] = tag
        answer.headers["cache-control"] = "no-store"
        return answer

    def _read(self) -> tuple[dict[str, str], Mapping[str, bytes]]:
        config = self.config()
        folder = "" if config.control is None else config.control.acme_challenges
        held = self.certificates() if config.certificates == "acme" else {}
        return self.challenges.answers(folder), held


def _tag(challenges: Mapping[str, str], certificates: Mapping[str, bytes], key_id: str) -> str:
    digests = {id: hashlib.sha256(pem).hexdigest() for id, pem in sorted(certificates.items())}
    text = msgspec.json.encode([sorted(challenges.items()), digests, key_id])
    return f'"{hashlib.sha256(text).hexdigest()}"'


class PeerSecrets(Protocol):
    """Control's secrets, as far as it tells edges of certificates by them."""

    admission: NodeAdmission
    peer: Mapping[str, str]  # of processes of ours, by id, the newest last


def certificate_services(
    catalog: Catalog, nodes: NodeRegistry, secrets: PeerSecrets
) -> tuple[Issuance, dict[str, RouteHandler]]:
    """Issuance for the sites that are published, once an edge is there to answer; its handlers."""
    challenges, state_dir = Challenges(), catalog.file.state_dir

    def issue(settings: Acme, names: Sequence[str]) -> bytes:
        return CertificateAuthority(settings, state_dir, challenges).issue(names)

    def published() -> Config:
        return catalog.published

    def ready() -> bool:
        alive = nodes.edge_locations()
        whole = alive >= {location.name for location in catalog.file.locations}
        return bool(alive) and (whole or time.monotonic() - began >= STRAGGLER_S)

    began = time.monotonic()
    issuance = Issuance(published, state_dir, issue, ready, wall_clock, say, warn)
    held, admission = issuance.certificates, secrets.admission
    services = CertificateServices(published, challenges, held, admission, lambda: secrets.peer)
    return issuance, services.handlers()
