"""Worker process of a Lambda function, as its node has it: started, spoken to, ended.

Law: nothing of ours is inherited but one socket and a log: no environment, no descriptor, no
secret. Each process leads a group of its own, is killed with all of it, and ends with its node.
What it logs is read no faster than it may: a handler that prints without end waits, and runs into
its own time-out.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib.resources import files
from typing import cast

import msgspec

from edgecache.config.lambda_functions import LambdaFunctionConfig
from edgecache.functions.lambda_pool import LambdaWorker, WorkerLostError
from edgecache.functions.source_check import NODE
from edgecache.runtime.environment import BlockingCalls

MESSAGE_BYTES_MAX = 8 * 1024 * 1024  # as in lambda_host.py
LOG_BYTES_PER_S = 65_536
LOG_LINE_BYTES_MAX = 4_096
REAP_S_MAX = 5.0  # what was killed and hangs in the kernel keeps nobody
TellLine = Callable[[str, str], None]
"""Takes a function's label and a line that it has printed."""


class _Ready(msgspec.Struct):
    """What a worker says first."""

    error: str = ""


class WorkerConnection(asyncio.Protocol):
    """Messages with one worker: each a length of four bytes and JSON; one question at a time."""

    def __init__(self) -> None:
        self.lost = False
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[bytes] | None = None

    def expect(self) -> asyncio.Future[bytes]:
        """The next message of the worker. WorkerLostError."""
        self._answer = asyncio.get_running_loop().create_future()
        if self.lost:
            self._answer.set_exception(WorkerLostError("its process has ended"))
        return self._answer

    def send(self, message: bytes) -> None:
        """Send a message, whole."""
        if self._transport is not None and not self.lost:
            self._transport.write(len(message).to_bytes(4, "big") + message)

    def close(self) -> None:
        """Hear no more."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) < 4:
            return
        length = int.from_bytes(self._received[:4], "big")
        if length > MESSAGE_BYTES_MAX or len(self._received) > 4 + length:
            self._end("it said what is no answer")
        elif self._answer is None or self._answer.done():
            self._end("it spoke without being asked")
        elif len(self._received) == 4 + length:
            message, self._received = bytes(self._received[4:]), bytearray()
            self._answer.set_result(message)

    def connection_lost(self, _error: Exception | None) -> None:
        self._end("its process has ended")

    def _end(self, why: str) -> None:
        self.lost, self._received = True, bytearray()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(WorkerLostError(why))
        self.close()


class WorkerLog(asyncio.Protocol):
    """What a worker prints, line by line; so many bytes a second are read."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._rest = b""
        self._left = LOG_BYTES_PER_S
        self._transport: asyncio.ReadTransport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.ReadTransport, transport)

    def data_received(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest if len(rest) <= LOG_LINE_BYTES_MAX else b""
        if not self._rest and rest:
            lines.append(rest)
        for line in lines:
            self._tell(line[:LOG_LINE_BYTES_MAX].decode("utf-8", "replace"))
        self._left -= len(data)
        if self._left <= 0 and self._transport is not None:
            self._transport.pause_reading()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(1.0, self._refill)

    def connection_lost(self, _error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._rest:
            self._tell(self._rest.decode("utf-8", "replace"))
        self._transport = None

    def _refill(self) -> None:
        self._timer = None
        behind, self._left = self._left <= 0, LOG_BYTES_PER_S
        if behind and self._transport is not None:
            self._transport.resume_reading()


class WorkerProcess:
    """A worker process; `thread` waits for its end."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        connection: WorkerConnection,
        log: asyncio.ReadTransport,
        thread: BlockingCalls,
    ) -> None:
        self.pid = process.pid
        self._process: subprocess.Popen[bytes] | None = process
        self._connection = connection
        self._log = log
        self._thread = thread

    @property
    def alive(self) -> bool:
        """See `LambdaWorker`."""
        return self._process is not None and not self._connection.lost

    async def run(self, message: bytes) -> bytes:
        """See `LambdaWorker`."""
        answer = self._connection.expect()
        self._connection.send(message)
        return await answer

    async def ready(self) -> None:
        """Return when its handler is loaded. WorkerLostError."""
        said = msgspec.json.decode(await self._connection.expect(), type=_Ready)
        if said.error:
            raise WorkerLostError(said.error)

    def kill(self) -> None:
        """See `LambdaWorker`."""
        process, self._process = self._process, None
        if process is None:
            return
        end_group(process)
        self._connection.close()
        self._log.close()
        _reap(process, self._thread)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that was not waited for yet, and all of its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _end_unwanted(thread: BlockingCalls, spawned: asyncio.Future[subprocess.Popen[bytes]]) -> None:
    """Nobody waited for this start to its end."""
    if not spawned.cancelled() and spawned.exception() is None:
        process = spawned.result()
        end_group(process)
        if process.stdout is not None:
            process.stdout.close()
        _reap(process, thread)


def _reap(process: subprocess.Popen[bytes], thread: BlockingCalls) -> None:
    """Wait on the thread for the end of a process that was killed; nobody waits here."""

    def wait() -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(REAP_S_MAX)

    with contextlib.suppress(RuntimeError):  # no loop runs any more
        _ = thread(wait)


async def start_worker(
    function: LambdaFunctionConfig, *, thread: BlockingCalls, tell: TellLine
) -> LambdaWorker:
    """A process for a function, its handler loaded. OSError, WorkerLostError."""
    command = worker_command(function)
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    spawned = asyncio.ensure_future(thread(partial(_spawn, command, function, theirs)))
    try:
        process = await asyncio.shield(spawned)
    except BaseException:
        ours.close()
        spawned.add_done_callback(partial(_end_unwanted, thread))
        raise
    ours.setblocking(False)
    connection = WorkerConnection()
    await loop.create_unix_connection(lambda: connection, sock=ours)
    log, _ = await loop.connect_read_pipe(
        lambda: WorkerLog(partial(tell, function.label)), process.stdout
    )
    worker = WorkerProcess(process, connection, log, thread)
    try:
        await worker.ready()
    except BaseException:
        worker.kill()
        raise
    return worker


def worker_command(function: LambdaFunctionConfig) -> list[str]:
    """The command of a worker, with `{fd}` for its socket. WorkerLostError: there is no `node`."""
    host = str(files("edgecache.functions").joinpath("lambda_host.py"))
    command = [
        sys.executable, "-I", "-S", "-B", host, "{fd}", str(os.getpid()), function.runtime,
        function.folder, function.handler, str(function.memory_mb), str(function.timeout_s),
    ]  # fmt: skip
    if function.runtime == "python":
        return command
    node = shutil.which(NODE)
    if node is None:
        raise WorkerLostError(f"there is no `{NODE}` on the PATH of this node")
    return [*command, node, str(files("edgecache.functions").joinpath("lambda_host.js"))]


def worker_environment(function: LambdaFunctionConfig) -> dict[str, str]:
    """All that a handler finds in its environment: what Lambda reserves, and nothing of ours."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": f"us-east-1.{function.name}",
        "AWS_LAMBDA_FUNCTION_VERSION": str(function.version),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "LAMBDA_TASK_ROOT": function.folder,
        "_HANDLER": function.handler,
    }


def _spawn(
    command: list[str], function: LambdaFunctionConfig, theirs: socket.socket
) -> subprocess.Popen[bytes]:
    """On a thread: to start a process takes milliseconds. The thread must not end before us.

    It is here that `theirs` is closed, so that no other descriptor of its number is handed on.
    """
    with theirs:
        descriptor = theirs.fileno()
        return subprocess.Popen(
            [str(descriptor) if part == "{fd}" else part for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=worker_environment(function),
            cwd=function.folder,
            start_new_session=True,
            pass_fds=(descriptor,),
        )
