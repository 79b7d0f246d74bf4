"""Renewal of a machine's certificate: renewed at two thirds of its life, taken over by all workers.

Law: the certificate that is held is good until its end, whatever happens to the next one. Workers
of a location share the file: one of them renews it, the others notice.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from edgecache.cluster.certificates import CertificateFile, shown_certificate
from edgecache.cluster.enrollment import NotEnrolledError, renew
from edgecache.config.secrets import SecretsError

logger = logging.getLogger("edgecache.server")

LOOK_S = 1.0
TRIES = 20  # in the last third of a certificate's life
TRY_S_MAX = 600.0


class CertificateRenewal:
    """Renews `held` by `client`, and calls `renewed` when another certificate counts.

    `clock`: epoch seconds.
    """

    def __init__(
        self,
        held: CertificateFile,
        client: Callable[[], httpx.AsyncClient],
        clock: Callable[[], float],
    ) -> None:
        self.held = held
        self.renewed: list[Callable[[], None]] = []
        self.revoked: frozenset[str] = frozenset()  # as control has told
        self._client = client
        self._clock = clock
        self._next_try = 0.0
        self._trouble = ""  # as was told last

    def refuses(self, tls: Any) -> bool:
        """Whether who is at the other end of a connection of ours (`ssl`) was revoked."""
        shown = shown_certificate(tls)
        return shown is not None and shown.identity.node in self.revoked

    async def run(self) -> None:
        """Look once a second, for good."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.take_over()
            now = self._clock()
            if now >= max(self.held.renew_at, self._next_try):
                ends = self.held.certificate.not_valid_after_utc.timestamp()
                pause_s = max(0.0, ends - self.held.renew_at) / TRIES
                self._next_try = now + min(TRY_S_MAX, pause_s)
                await self._renew()

    def take_over(self) -> None:
        """Use what another process has put into the file."""
        try:
            if self.held.renewed():
                self._trouble = ""
                for renewed in self.renewed:
                    renewed()
        except (SecretsError, OSError) as error:
            self._tell(f"certificate was not read anew: {error}")

    async def _renew(self) -> None:
        with _locked(self.held) as mine:
            if not mine:
                return
            self.take_over()
            if self._clock() < self.held.renew_at:
                return
            try:
                async with self._client() as client:
                    await renew(client, self.held)
            except (NotEnrolledError, OSError) as error:
                self._tell(f"certificate {self.held.path} was not renewed: {error}")
            self.take_over()

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:  # once: it is tried again and again
            logger.error("%s", trouble)
        self._trouble = trouble


@contextmanager
def _locked(held: CertificateFile) -> Iterator[bool]:
    """Whether no other worker renews it at this moment."""
    path = held.path.with_suffix(".lock")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:  # a folder that cannot be written: the attempt says so
        yield True
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        yield False
        return
    try:
        yield True
    finally:
        os.close(descriptor)
