"""Uvicorn's server as each role runs it, and the server of control and the bucket."""

from __future__ import annotations

import asyncio
import signal
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, cast

import uvicorn

from edgecache.node.service_connection import ServiceConnections
from edgecache.runtime.inherited import (
    BEAT_S,
    HAND_OVER,
    Beat,
    Heartbeat,
    Orders,
    Unready,
    inherited_heartbeat,
    report_serving,
    watch_parent,
)
from edgecache.runtime.stderr_log import install_stderr_log

BACKLOG = 4_096  # Linux's own default for net.core.somaxconn
TICKS_PER_S = 10  # Uvicorn's
LOOK_TICKS = 3  # between two looks at the files of control's certificate
JUST_COME_S = 0.5  # from a connection to its first request, on a busy machine


def do_nothing() -> None: ...


class RoleServer(uvicorn.Server):
    """Uvicorn's server, which tells its supervisor how it is, and leaves when that is gone."""

    on_exit: Callable[[], None] = staticmethod(do_nothing)
    _heartbeat: Heartbeat
    _drained = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        watch_parent(loop, self._leave)
        loop.add_signal_handler(HAND_OVER, self._hand_over)
        loop.add_signal_handler(signal.SIGUSR1, self.reopen_logs)
        self._heartbeat = inherited_heartbeat()
        self._heartbeat.obey(self.obey)
        await super().startup(sockets)
        await self._open_ports()
        self._heartbeat.send(self.beat())
        report_serving()

    def beat(self) -> Beat:
        """What this process is fit for now; told to the supervisor once a second."""
        return Beat({Unready.DRAINING: "an operator drains it"} if self._drained else {})

    def obey(self, orders: Orders) -> None:
        """Take orders of the supervisor."""
        self._drained = orders.drain

    def reopen_logs(self) -> None:
        """Open log files anew, if there are any."""

    async def on_tick(self, counter: int) -> bool:
        if counter % int(TICKS_PER_S * BEAT_S) == 0:
            self._heartbeat.send(self.beat())
        return await super().on_tick(counter)

    async def _open_ports(self) -> None: ...

    def _leave(self) -> None:
        self.should_exit = True

    def _hand_over(self) -> None:
        """Accept no more, and leave once those who had just come have been answered."""
        for server in self.servers:
            server.close()
        asyncio.get_running_loop().call_later(JUST_COME_S, self._leave)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.on_exit()
        await super().shutdown(sockets)

    def run_until_signal(self, sockets: list[socket.socket]) -> int:
        """Serve; 0 after an orderly end, 1 when it could not start."""
        install_stderr_log()
        for number in (signal.SIGTERM, signal.SIGINT):
            # Uvicorn raises the signal again once it has drained; by then it has been obeyed.
            signal.signal(number, lambda *_: None)
        self.run(sockets)
        return 0 if self.started else 1


class ServiceServer(RoleServer):
    """Server of control or the bucket, which looks at its connections' deadlines.

    `on_look` is called three times a second, for what else is looked at.
    """

    on_look: Callable[[], None] = staticmethod(do_nothing)

    def __init__(self, settings: uvicorn.Config, places: ServiceConnections) -> None:
        super().__init__(settings)
        self._places = places
        self._secured: list[socket.socket] = []  # sockets of its own, for TLS
        self._tls: ssl.SSLContext | None = None
        self._handshake_s_max = 0.0

    def secure(
        self, context: ssl.SSLContext, sockets: Sequence[socket.socket], handshake_s_max: float
    ) -> None:
        """Speak TLS on `sockets`, beside those that Uvicorn is given."""
        self._tls, self._secured = context, [*sockets]
        self._handshake_s_max = handshake_s_max

    async def _open_ports(self) -> None:
        loop = asyncio.get_running_loop()

        def protocol() -> asyncio.Protocol:
            made: Any = self.config.http_protocol_class
            return cast(
                asyncio.Protocol,
                made(
                    config=self.config,
                    server_state=self.server_state,
                    app_state=self.lifespan.state,
                    _loop=loop,
                ),
            )

        for one in self._secured:
            server = await loop.create_server(
                protocol,
                sock=one,
                ssl=self._tls,
                backlog=self.config.backlog,
                ssl_handshake_timeout=self._handshake_s_max,
            )
            self.servers.append(server)

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_PER_S == 0:
            self._places.sweep()
        if counter % LOOK_TICKS == 0:
            self.on_look()
        return await super().on_tick(counter)
