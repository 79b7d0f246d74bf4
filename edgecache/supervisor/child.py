"""Child processes: how one is spawned, and the pipes to it. Law: no child outlives its parent.

Each child inherits the reading end of a pipe nobody ever writes to; end of file there means that
the parent is gone, however it went. That needs no signal, and works on every Unix. One that takes
over from another also inherits the writing end of a pipe on which it says that it serves.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType

from edgecache.config.listen import Address, TcpAddress
from edgecache.runtime.inherited import PARENT_FD_ENV

_STDERR_FD = 2


@dataclass(frozen=True, slots=True)
class Child:
    """A process to run: node name, role, command, and the addresses it listens on."""

    name: str
    role: str
    command: tuple[str, ...]
    address: Address | None = None  # where it listens
    location: str = ""
    secure: Address | None = None  # where it speaks TLS
    local: Address | None = None  # where its own user reaches it
    health: TcpAddress | None = None  # where its supervisor says how its node is
    secured: bool = False  # `address` speaks TLS, to machines of the installation

    @property
    def node(self) -> str:
        """The node it is of: a location has several workers."""
        return self.location or self.role

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Everywhere it listens."""
        addresses = (self.address, self.secure, self.local)
        return tuple(address for address in addresses if address is not None)


class ParentPipe:
    """The pipe whose end of file tells every child that this process is gone."""

    def __enter__(self) -> ParentPipe:
        self.reading, self._writing = os.pipe()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self.reading)
        os.close(self._writing)


async def spawn(
    child: Child,
    pipe: ParentPipe,
    fds: Iterable[int] = (),
    environment: Mapping[str, str] | None = None,
) -> asyncio.subprocess.Process:
    """Start `child`; its standard output joins our standard error. OSError when it cannot start.

    It inherits `fds`; its environment is ours and `environment`. A process group of its own keeps
    a terminal's Ctrl-C for us: we tell the children, in order.
    """
    return await asyncio.create_subprocess_exec(
        *child.command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=_STDERR_FD,
        pass_fds=(pipe.reading, *fds),
        process_group=0,
        env={**os.environ, PARENT_FD_ENV: str(pipe.reading), **(environment or {})},
    )


class ServingPipe:
    """The pipe on which a successor reports that it serves. Used with `async with`."""

    async def __aenter__(self) -> ServingPipe:
        reading, self.writing = os.pipe()
        self._reader = asyncio.StreamReader()
        self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self._reader), os.fdopen(reading, "rb")
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close_writing()
        self._transport.close()

    def close_writing(self) -> None:
        """Close our copy of the writing end: it would hide the end of file the process leaves."""
        if self.writing >= 0:
            os.close(self.writing)
        self.writing = -1

    async def wait_serving(self) -> bool:
        """Wait for the report; False when the process ended without it."""
        return bool(await self._reader.read(1))


def exit_reason(code: int) -> str:
    """How a process ended, from its return code: `exited with 3`, `was killed by SIGKILL`."""
    if code >= 0:
        return f"exited with {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
