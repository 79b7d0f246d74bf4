"""Connections to control: Uvicorn's, with who is at the other end of the socket file.

Law: nobody but our own user, or root, is an operator because of where a connection came in.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from edgecache.control.rest.auth import LOCAL_PEER

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid (unix(7), SO_PEERCRED)
_ROOT = 0


class ControlConnection(HttpToolsProtocol):
    """One connection. At the socket file its `client` is (LOCAL_PEER, uid); None: a stranger's."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        connection: Any = transport.get_extra_info("socket")
        if connection is not None and connection.family == socket.AF_UNIX:
            uid = peer_uid(connection.fileno())
            self.client = (LOCAL_PEER, uid) if uid in (_ROOT, os.geteuid()) else None


def peer_uid(fd: int) -> int:
    """The user at the other end of a Unix socket."""
    with socket.socket(fileno=os.dup(fd)) as same:
        found = same.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(found)[1])
