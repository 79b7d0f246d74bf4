"""Host of a Lambda function: the program that a worker process runs. Law: it imports nothing of us.

It bounds itself, takes care to end with who started it, becomes `node` where the function is one of
Node.js (`lambda_host.js` does the rest then), else loads the handler and runs events: messages on
one socket, each a length of four bytes and JSON. What a handler prints goes to standard output,
which is a log; the socket is no stream that a handler would write to by accident.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import resource
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

MIB = 1024 * 1024
MESSAGE_BYTES_MAX = 8 * MIB  # Lambda's quota for an answer is six
ERROR_CHARS_MAX = 1_000
OPEN_FILES_MAX = 1_024  # Lambda's quota
FILE_BYTES_MAX = 512 * MIB  # of its temporary storage
OF_RUNTIME = {"python": 64 * MIB, "nodejs": 448 * MIB}  # of data, before a handler is loaded
PR_SET_PDEATHSIG = 1


def main(given: list[str]) -> None:
    """Arguments: descriptor, parent, runtime, folder, handler, MiB, seconds, and for `nodejs` its
    program and host."""
    descriptor, parent, runtime, folder, handler, memory_mb, timeout_s = given[1:8]
    end_with(int(parent))
    bound(runtime, int(memory_mb))
    if runtime == "nodejs":
        node, host = given[8:10]
        options = [f"--max-old-space-size={memory_mb}", host]
        os.execv(node, [node, *options, descriptor, folder, handler, memory_mb, timeout_s])
    sys.stdout.reconfigure(line_buffering=True, errors="replace")  # type: ignore[union-attr]
    with socket.socket(fileno=int(descriptor)) as connection:
        Host(connection, (folder, handler), int(memory_mb), float(timeout_s)).run()


def end_with(parent: int) -> None:
    """Be killed when the process that started this one ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("its node has ended")


def bound(runtime: str, memory_mb: int) -> None:
    """Limits of this process: data, open files, file sizes, no core."""
    data = memory_mb * MIB + OF_RUNTIME[runtime]
    wanted = (
        (resource.RLIMIT_DATA, data),
        (resource.RLIMIT_NOFILE, OPEN_FILES_MAX),
        (resource.RLIMIT_FSIZE, FILE_BYTES_MAX),
        (resource.RLIMIT_CORE, 0),
    )
    for kind, most in wanted:
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


class Context:
    """What a handler is given beside the event, by the names of Lambda's Python runtime."""

    def __init__(self, memory_mb: int, request_id: str, arn: str, deadline: float) -> None:
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "")
        self.invoked_function_arn = arn
        self.memory_limit_in_mb = memory_mb
        self.aws_request_id = request_id
        self.log_group_name = f"/aws/lambda/us-east-1.{self.function_name}"
        self.log_stream_name = str(os.getpid())
        self.identity = None
        self.client_context = None
        self._deadline = deadline

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the run is ended."""
        return max(0, int((self._deadline - time.monotonic()) * 1_000))


class Host:
    """Runs events of one connection, one after the other."""

    def __init__(
        self, connection: socket.socket, code: tuple[str, str], memory_mb: int, timeout_s: float
    ) -> None:
        self._connection = connection
        self._folder, self._handler = code
        self._memory_mb = memory_mb
        self._timeout_s = timeout_s

    def run(self) -> None:
        """Load the handler, say so, and run events until the other side is gone."""
        try:
            handler = self._loaded()
        except Exception as error:
            traceback.print_exc()
            self._send(_encoded({"error": f"it cannot be loaded: {told(error)}"}))
            return
        self._send(b"{}")
        while (message := self._receive()) is not None:
            self._send(self._answer(handler, json.loads(message)))

    def _loaded(self) -> Callable[[Any, Any], Any]:
        sys.path.insert(0, self._folder)
        name, _, attribute = self._handler.rpartition(".")
        handler = getattr(importlib.import_module(name.replace("/", ".")), attribute)
        if not callable(handler):
            raise TypeError(f"{self._handler} is not callable")
        return handler  # type: ignore[no-any-return]

    def _answer(self, handler: Callable[[Any, Any], Any], message: dict[str, Any]) -> bytes:
        deadline = time.monotonic() + self._timeout_s
        context = Context(self._memory_mb, message["request_id"], message["arn"], deadline)
        try:
            answer = _encoded({"result": handler(message["event"], context)})
        except Exception as error:
            traceback.print_exc()
            answer = _encoded({"error": told(error)})
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        return answer

    def _receive(self) -> bytes | None:
        """The next message; None: the other side is gone."""
        head = self._read(4)
        return None if head is None else self._read(int.from_bytes(head, "big"))

    def _read(self, count: int) -> bytes | None:
        data = bytearray(count)
        view, at = memoryview(data), 0
        while at < count:
            received = self._connection.recv_into(view[at:])
            if not received:
                return None
            at += received
        return bytes(data)

    def _send(self, data: bytes) -> None:
        if len(data) > MESSAGE_BYTES_MAX:
            data = b'{"error":"its answer is too large"}'
        self._connection.sendall(len(data).to_bytes(4, "big") + data)


def _encoded(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()


def told(error: BaseException) -> str:
    """An exception in one line."""
    text = f"{type(error).__name__}: {error}".partition("\n")[0]
    return text[:ERROR_CHARS_MAX]


if __name__ == "__main__":
    main(sys.argv)
