"""Connections to control, which know who is there: a user of this machine, or another machine.

Law: nobody but our own user, or root, is an operator because of where a connection came in. What
certificate it has shown stands in the scope of each request; what that opens is asked elsewhere.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import MutableMapping
from typing import Any, cast

from edgecache.cluster.certificates import PeerCertificate, shown_certificate
from edgecache.control.rest.auth import LOCAL_PEER
from edgecache.control.rest.enrollment import CERTIFICATE, CertificateAdmission
from edgecache.node.service_connection import ServiceConnection

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid (unix(7), SO_PEERCRED)
_ROOT = 0


class ControlConnection(ServiceConnection):
    """Uvicorn's connection to control.

    At the socket file its `client` is (LOCAL_PEER, uid), or None for a stranger. `shown`: the
    certificate of ours that it has shown.
    """

    def __init__(self, *arguments: Any, admission: CertificateAdmission, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.shown: PeerCertificate | None = None
        self._admission = admission

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.shown = shown_certificate(transport.get_extra_info("ssl_object"))
        super().connection_made(transport)
        if self.shown is not None:
            self._admission.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._admission.connections.discard(self)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast(MutableMapping[str, Any], self.scope)[CERTIFICATE] = self.shown

    def comes_proven(self, connection: socket.socket | None) -> bool:
        """Whether it came by the socket file, from our own user or root."""
        if connection is None or connection.family != socket.AF_UNIX:
            return False
        uid = peer_uid(connection.fileno())
        self.client = (LOCAL_PEER, uid) if uid in (_ROOT, os.geteuid()) else None
        return self.client is not None


def peer_uid(fd: int) -> int:
    """The user at the other end of a Unix socket, which stays its owner's.

    No copy of `fd` is made: with none left, whoever asks would be counted nowhere.
    """
    same = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=fd)
    try:
        credentials = same.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    finally:
        same.detach()
    return int(_CREDENTIALS.unpack(credentials)[1])
