"""Installation of real processes: `edgecache dev` on free ports, reset for each test.

Law: what a test asks goes over sockets, to edges, to control and to origins; nothing is shared with
the processes but what they promise (docs/dev.md).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any, Literal
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from edgecache.control.rest.explain import ExplainReport
from edgecache.control.state.resources import ResourceKind
from edgecache.rules.invalidation.items import Item, ItemKind
from edgecache.testing.distribution_document import (
    Document,
    OriginAddress,
    RefusedDocumentError,
)
from edgecache.testing.origin_server import OriginServer
from edgecache.testing.scripted_origin import ScriptedOrigin
from edgecache.testing.viewer_exchange import ResponseReader, ViewerRequest, ViewerResponse

COMMAND = (sys.executable, "-m", "edgecache", "dev")
START_S_MAX = 120.0  # of a machine with much else to do
STOP_S_MAX = 15.0
ANSWER_S_MAX = 60.0  # of control, and of an edge between two pieces of an answer
DEPLOY_S_MAX = 30.0
LOOK_S = 0.01
READ_BYTES = 262_144
VIEWERS_MAX = 64  # threads that ask at the same time
STDERR_LINES = 5  # told of processes that did not start
ANY_KEY = "test"  # dev mode takes any credentials
_CREATORS = {
    ResourceKind.CACHE_POLICY: ("create_cache_policy", "CachePolicy"),
    ResourceKind.ORIGIN_REQUEST_POLICY: ("create_origin_request_policy", "OriginRequestPolicy"),
    ResourceKind.RESPONSE_HEADERS_POLICY: (
        "create_response_headers_policy",
        "ResponseHeadersPolicy",
    ),
    ResourceKind.PUBLIC_KEY: ("create_public_key", "PublicKey"),
    ResourceKind.KEY_GROUP: ("create_key_group", "KeyGroup"),
    ResourceKind.ACCESS_CONTROL: ("create_origin_access_control", "OriginAccessControl"),
    ResourceKind.ACCESS_IDENTITY: (
        "create_cloud_front_origin_access_identity",
        "CloudFrontOriginAccessIdentity",
    ),
}


class ProcessesError(RuntimeError):
    """The installation did not start, or does not answer; one line."""


class DevProcesses:
    """One installation, for as many tests as come one after the other. ProcessesError."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="edgecache-testing-")
        folder = Path(self._folder.name)
        self._ports_file, self._stderr = folder / "ports.json", folder / "stderr.txt"
        command = [*COMMAND, "--ports-file", str(self._ports_file)]
        command += ["--listen-control", "127.0.0.1:0", *["--listen", "127.0.0.1:0"] * 2]
        command += ["--folder", str(folder / "state"), "--seed", "1"]
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("EDGECACHE_")
        }
        with self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
                env=environment, start_new_session=True,
            )  # fmt: skip
        try:
            self._await_ports()
        except BaseException:
            self.stop()
            raise

    def _await_ports(self) -> None:
        until = time.monotonic() + START_S_MAX
        self.control = ""
        while not (self.control and self._is_ready()):
            if self._process.poll() is not None:
                raise ProcessesError(f"edgecache dev did not start: {self._last_words()}")
            if time.monotonic() > until:
                raise ProcessesError(f"edgecache dev is not ready after {START_S_MAX:g} s")
            if not self.control and self._ports_file.exists():
                ports = json.loads(self._ports_file.read_bytes())
                self.control, self.locations = ports["control"], dict(ports["locations"])
            Event().wait(LOOK_S)

    def _is_ready(self) -> bool:
        try:
            return self.call("GET", "/_edgecache/ready", good=(200, 503))[0] == 200
        except ProcessesError:
            return False

    def _last_words(self) -> str:
        lines = self._stderr.read_text(errors="replace").strip().splitlines()
        return " / ".join(lines[-STDERR_LINES:]) or f"exit code {self._process.returncode}"

    def call(
        self, method: str, path: str, body: object = None, good: Sequence[int] = (200, 201, 204)
    ) -> tuple[int, bytes]:
        """Status and body of control's answer. ProcessesError when it is not one of `good`."""
        connection = HTTPConnection(urlsplit(self.control).netloc, timeout=ANSWER_S_MAX)
        data = None if body is None else json.dumps(body).encode()
        headers = {} if data is None else {"Content-Type": "application/json"}
        try:
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            content = answer.read()
        except OSError as error:
            raise ProcessesError(f"control does not answer {method} {path}: {error}") from None
        finally:
            connection.close()
        if answer.status not in good:
            told = content.decode(errors="replace").strip()
            raise ProcessesError(f"{method} {path}: {answer.status} {told}")
        return answer.status, content

    def stop(self) -> None:
        """End the processes, and forget what they wrote."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)  # the session that it began
                self._process.wait()
        self._folder.cleanup()


class ProcessInstallation:
    """See `installation.InstallationUnderTest`: what one test has of the processes."""

    mode: Literal["processes"] = "processes"

    def __init__(self, processes: DevProcesses) -> None:
        self._processes = processes
        self.locations = tuple(processes.locations)
        self._servers: dict[ScriptedOrigin, OriginServer] = {}
        self._clients: dict[str, Any] = {}
        self._leads: dict[str, str] = {}  # where connections are made, by host name
        processes.call("POST", "/_edgecache/reset")

    def now(self) -> float:
        _, body = self._processes.call("GET", "/_edgecache/clock")
        return float(json.loads(body)["now"])

    def advance(self, seconds: float) -> None:
        self._processes.call("POST", "/_edgecache/clock", {"advance_s": seconds})

    def serve(self, origin: ScriptedOrigin) -> None:
        self._servers[origin] = OriginServer(origin)

    def create(self, kind: ResourceKind, config: Document) -> str:
        operation, noun = _CREATORS[kind]
        made = self._call_api(kind, operation, **{f"{noun}Config": config})
        return str(made[noun]["Id"])

    def create_function(self, name: str, code: str, runtime: str) -> None:
        config = {"Comment": "", "Runtime": runtime}
        made = self._call_api(
            ResourceKind.FUNCTION, "create_function", Name=name, FunctionConfig=config,
            FunctionCode=code.encode(),
        )  # fmt: skip
        self._call_api(ResourceKind.FUNCTION, "publish_function", Name=name, IfMatch=made["ETag"])

    def distribute(
        self, config: Document, addresses: Mapping[str, OriginAddress]
    ) -> tuple[str, str]:
        kind = ResourceKind.DISTRIBUTION
        self._map(addresses)
        made = self._call_api(kind, "create_distribution", DistributionConfig=config)
        made = made["Distribution"]
        until = time.monotonic() + DEPLOY_S_MAX
        while made["Status"] != "Deployed":
            if time.monotonic() > until:
                raise ProcessesError(f"{made['Id']} is not deployed after {DEPLOY_S_MAX:g} s")
            Event().wait(LOOK_S)
            made = self._call_api(kind, "get_distribution", Id=made["Id"])["Distribution"]
        return made["Id"], made["DomainName"]

    def _map(self, addresses: Mapping[str, OriginAddress]) -> None:
        """Have connections to these host names made where their origins are."""
        leads = {
            host: self._servers[one].url if isinstance(one, ScriptedOrigin) else one
            for host, one in addresses.items()
        }
        taken = [
            f"origins: {host} leads to another origin already"
            for host, url in leads.items()
            if self._leads.get(host, url) != url
        ]
        if taken:
            raise RefusedDocumentError("distribution", taken)
        self._leads |= leads
        self._processes.call("PUT", "/_edgecache/origin-map", {"origin_map": self._leads})

    def ask(self, requests: Sequence[ViewerRequest]) -> list[ViewerResponse]:
        if len(requests) == 1:
            return [self._asked(requests[0])]
        with ThreadPoolExecutor(min(len(requests), VIEWERS_MAX), "edgecache-viewer") as threads:
            return list(threads.map(self._asked, requests))

    def _asked(self, request: ViewerRequest) -> ViewerResponse:
        parts = urlsplit(self._processes.locations[request.location])
        reader = ResponseReader(request.method)
        address = (parts.hostname or "", parts.port or 80)
        with socket.create_connection(address, timeout=ANSWER_S_MAX) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(request.data())
            while not reader.done:
                data = connection.recv(READ_BYTES)
                if data:
                    reader.feed(data)
                else:
                    reader.eof()
        return reader.response()

    def invalidate(self, distribution: str, items: tuple[Item, ...], *, soft: bool) -> None:
        body = {
            "distribution": distribution,
            "paths": [value for kind, value in items if kind is ItemKind.PATH],
            "tags": [value for kind, value in items if kind is ItemKind.TAG],
            "soft": soft,
        }
        _, made = self._processes.call("POST", "/invalidations", body)
        id = json.loads(made)["id"]
        path = f"/invalidations/{quote(distribution)}/{quote(id)}?wait_s=30"
        _, told = self._processes.call("GET", path)
        if json.loads(told)["status"] != "Completed":
            raise ProcessesError(f"invalidation {id} is not Completed after 30 s")

    def explain(self, asked: ViewerRequest) -> ExplainReport:
        lines = [("header", f"{name}: {value}") for name, value in asked.headers]
        query = urlencode([("url", asked.url), ("method", asked.method), *lines])
        _, body = self._processes.call("GET", f"/explain?{query}")
        return msgspec.json.decode(body, type=ExplainReport)

    def boto3_client(self, service: str = "cloudfront") -> Any:
        if service not in self._clients:
            self._clients[service] = _client(service, self._processes.control)
        return self._clients[service]

    def _call_api(self, kind: ResourceKind, operation: str, **given: Any) -> Any:
        """An operation of CloudFront's API. RefusedDocumentError where it is refused."""
        from botocore.exceptions import ClientError, ParamValidationError

        try:
            return getattr(self.boto3_client(), operation)(**given)
        except (ClientError, ParamValidationError) as error:
            raise RefusedDocumentError(str(kind), [str(error)]) from None

    def close(self) -> None:
        for server in self._servers.values():
            server.close()
        self._servers.clear()


def _client(service: str, endpoint: str) -> Any:
    """boto3's client where it is installed, else botocore's, which is the same."""
    import botocore.config
    import botocore.session

    settings = {
        "region_name": "us-east-1",
        "endpoint_url": endpoint,
        "aws_access_key_id": ANY_KEY,
        "aws_secret_access_key": ANY_KEY,
        "config": botocore.config.Config(retries={"total_max_attempts": 1}),
    }
    try:
        import boto3
    except ModuleNotFoundError:
        return botocore.session.Session().create_client(service, **settings)
    return boto3.session.Session().client(service, **settings)
