"""An origin of gRPC by grpcio, whose methods take and give bytes.

`python -m tests.end_to_end.grpc_origin PORT [PEM]`: it speaks TLS with the PEM file of a key and
its certificate.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import grpc

SERVICE = "edgecache.test.Echo"
WAIT_S = 20.0  # that `Waits` waits for its client to leave


class Echo:
    """The methods; `State` tells of the calls before it."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {"waiting": 0, "left": 0, "metadata": {}}
        self._methods = {
            "State": grpc.unary_unary_rpc_method_handler(self._state),
            "Unary": grpc.unary_unary_rpc_method_handler(self._unary),
            "Fails": grpc.unary_unary_rpc_method_handler(self._fails),
            "Sum": grpc.stream_unary_rpc_method_handler(self._sum),
            "Count": grpc.unary_stream_rpc_method_handler(self._count),
            "Chat": grpc.stream_stream_rpc_method_handler(self._chat),
            "Waits": grpc.unary_stream_rpc_method_handler(self._waits),
        }

    def service(self, handler_call_details: Any) -> Any:
        return self._methods.get(handler_call_details.method.rpartition("/")[2])

    def _state(self, request: bytes, context: Any) -> bytes:
        return json.dumps(self.state).encode()

    def _unary(self, request: bytes, context: Any) -> bytes:
        self.state["metadata"] = {k: str(v) for k, v in context.invocation_metadata()}
        self.state["remaining_s"] = context.time_remaining()
        context.send_initial_metadata((("x-early", "one"),))
        context.set_trailing_metadata((("x-late", "two"), ("x-bytes-bin", b"\0\xff")))
        return request

    def _fails(self, request: bytes, context: Any) -> NoReturn:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not so")
        raise AssertionError

    def _sum(self, requests: Iterator[bytes], context: Any) -> bytes:
        return b"%d" % sum(len(one) for one in requests)

    def _count(self, request: bytes, context: Any) -> Iterator[bytes]:
        for number in range(int(request)):
            yield b"%d" % number

    def _chat(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        for one in requests:
            yield one.upper()

    def _waits(self, request: bytes, context: Any) -> Iterator[bytes]:
        """Say one word, then nothing, until the client leaves."""
        left = threading.Event()
        context.add_callback(left.set)
        self.state["waiting"] += 1
        yield b"waiting"
        left.wait(WAIT_S)
        self.state["left"] += 1


def main(port: int, pem: str) -> None:
    server = grpc.server(
        ThreadPoolExecutor(16),
        handlers=[Echo()],
        options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)],
    )
    where = f"127.0.0.1:{port}"
    if pem:
        text = Path(pem).read_bytes()
        server.add_secure_port(where, grpc.ssl_server_credentials([(text, text)]))
    else:
        server.add_insecure_port(where)
    server.start()
    print("serving", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "")
