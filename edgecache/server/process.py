"""Child processes. Law: no child outlives its parent.

Each child inherits the reading end of a pipe nobody ever writes to; end of file there means that
the parent is gone, however it went. That needs no signal, and works on every Unix.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from edgecache.config.listen import Address

PARENT_FD = "EDGECACHE_PARENT_FD"
_STDERR_FD = 2


@dataclass(frozen=True, slots=True)
class Child:
    """A process to run: its node name, what it is, and the command that starts it."""

    name: str
    role: str
    command: tuple[str, ...]
    address: Address | None = None  # where it listens
    location: str = ""


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


async def spawn(child: Child, pipe: ParentPipe) -> asyncio.subprocess.Process:
    """Start `child`; its standard output joins our standard error. OSError when it cannot start.

    A process group of its own keeps a terminal's Ctrl-C for us: we tell the children, in order.
    """
    return await asyncio.create_subprocess_exec(
        *child.command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=_STDERR_FD,
        pass_fds=(pipe.reading,),
        process_group=0,
        env={**os.environ, PARENT_FD: str(pipe.reading)},
    )


def has_parent() -> bool:
    """Whether a supervisor of ours started this process."""
    return PARENT_FD in os.environ


def watch_parent(loop: asyncio.AbstractEventLoop, on_gone: Callable[[], None]) -> bool:
    """Call `on_gone` once, on the loop, when the supervisor that started us is gone.

    False when none did. To be called once in a process: the variable is taken from the environment.
    """
    text = os.environ.pop(PARENT_FD, "")
    if not text.isdecimal():
        return False
    fd = int(text)
    try:
        os.set_inheritable(fd, False)
        loop.add_reader(fd, _gone, loop, fd, on_gone)
    except OSError:
        return False  # a wrapper between the two closed it
    return True


def _gone(loop: asyncio.AbstractEventLoop, fd: int, on_gone: Callable[[], None]) -> None:
    loop.remove_reader(fd)
    os.close(fd)
    on_gone()


def ending(code: int) -> str:
    """How a process ended, from its return code: `exited with 3`, `was killed by SIGKILL`."""
    if code >= 0:
        return f"exited with {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"
