"""An installation in dev mode, an origin that counts, and a client of CloudFront's API for both."""

from __future__ import annotations

import http.client
import json
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config as ClientConfig
from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.end_to_end.processes import EDGECACHE, Running, start
from tests.end_to_end.viewers import Answer

OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
FREE = ("--listen-control=127.0.0.1:0", "--listen=127.0.0.1:0", "--listen=127.0.0.1:0")


@dataclass(slots=True)
class CountingOrigin:
    """A web server of a thread of its own: what it says the test sets, what it is asked it counts.

    `hosts` has the Host of each request, in order.
    """

    status: int = 200
    fields: dict[str, str] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    hosts: list[str] = field(default_factory=list)
    signed: list[str] = field(default_factory=list)  # Authorization, where there was one
    _server: ThreadingHTTPServer = field(init=False)

    def __post_init__(self) -> None:
        origin = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                origin.asked[self.path] += 1
                origin.hosts.append(self.headers["host"])
                origin.signed += [self.headers.get("authorization", "")]
                body = f"{self.path} {origin.asked[self.path]}".encode()
                self.send_response(origin.status)
                for name, value in origin.fields.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def begin(self, **fields: str) -> None:
        """Answer 200 with these fields, and count from zero."""
        self.status = 200
        self.fields = {name.replace("_", "-"): value for name, value in fields.items()}
        self.asked.clear()
        self.hosts.clear()
        self.signed.clear()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass(slots=True)
class Bench:
    """`edgecache dev` as it runs; `told` is its file of ports."""

    process: Running
    told: dict[str, Any]

    @property
    def control(self) -> str:
        return str(self.told["control"])

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON of control's answer; None where it has no body."""
        answer = _asked(self.control, method, path, {}, body)
        return answer.status, json.loads(answer.body) if answer.body else None

    def named(self, host: str, path: str) -> int:
        """The status that control answers to whom asks it by this Host."""
        return _asked(self.control, "GET", path, {"host": host}, None).status

    def get_control(self, path: str) -> str:
        """The text of control's answer."""
        return _asked(self.control, "GET", path, {}, None).body.decode()

    def get(self, host: str, path: str = "/", place: str = "LHR50", **fields: str) -> Answer:
        """A viewer's GET of a site at a location."""
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        return _asked(self.told["locations"][place], "GET", path, {"host": host, **named}, None)

    def advance(self, seconds: float) -> None:
        status, told = self.ask("POST", "/_edgecache/clock", {"advance_s": seconds})
        assert status == 200, told

    def reset(self) -> None:
        assert self.ask("POST", "/_edgecache/reset") == (204, None)

    def client(self, service: str = "cloudfront") -> Any:
        """boto3's, with credentials that nobody has given out."""
        return boto3.client(
            service,
            endpoint_url=self.control,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=ClientConfig(retries={"total_max_attempts": 1}),
        )


def start_bench(folder: Path, *options: str, places: Sequence[str] = FREE) -> Bench:
    """`edgecache dev` on free ports, once it is ready."""
    ports = folder / "ports.json"
    command = (*EDGECACHE, "dev", *places, f"--ports-file={ports}", *options)
    process = start(command, folder, "dev")
    process.until("dev tells its ports", ports.exists)
    made = Bench(process, json.loads(ports.read_text()))
    process.until("dev is ready", lambda: made.ask("GET", "/_edgecache/ready")[0] == 200)
    return made


def site(origin: int, reference: str = "one", **more: Any) -> dict[str, Any]:
    """A DistributionConfig in front of an origin on loopback."""
    ports = {"HTTPPort": origin, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"}
    one = {"Id": "web", "DomainName": "127.0.0.1", "CustomOriginConfig": ports}
    behavior = {
        "TargetOriginId": "web",
        "ViewerProtocolPolicy": "allow-all",
        "CachePolicyId": OPTIMIZED,
    }
    return {
        "CallerReference": reference,
        "Comment": "",
        "Enabled": True,
        "Origins": {"Quantity": 1, "Items": [one]},
        "DefaultCacheBehavior": behavior | more.pop("behavior", {}),
        **more,
    }


def tagged(config: dict[str, Any], id: str) -> dict[str, Any]:
    """A configuration that asks for an id."""
    tags = {"Items": [{"Key": "_custom_id_", "Value": id}]}
    return {"DistributionConfig": config, "Tags": tags}


def trusted_key(bench: Bench) -> tuple[dict[str, Any], CloudFrontSigner]:
    """A behavior's members that trust a new key, and who signs with it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    client = bench.client()
    public = client.create_public_key(
        PublicKeyConfig={"CallerReference": "k", "Name": "k", "EncodedKey": pem.decode()}
    )["PublicKey"]["Id"]
    group = client.create_key_group(KeyGroupConfig={"Name": "g", "Items": [public]})
    trusted = {"Enabled": True, "Quantity": 1, "Items": [group["KeyGroup"]["Id"]]}
    signer = CloudFrontSigner(
        public, lambda text: key.sign(text, padding.PKCS1v15(), hashes.SHA1())
    )
    return {"TrustedKeyGroups": trusted}, signer


def signed(signer: CloudFrontSigner, name: str, path: str) -> str:
    """The target of a URL that is good for an hour."""
    ends = datetime.now(UTC) + timedelta(hours=1)
    return str(
        signer.generate_presigned_url(f"http://{name}{path}", date_less_than=ends)
    ).partition(name)[2]


def _asked(url: str, method: str, path: str, fields: dict[str, str], body: object) -> Answer:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=60)
    content = None if body is None else json.dumps(body).encode()
    try:
        connection.request(method, path, content, fields)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(0, answer.status, found, answer.read())
    finally:
        connection.close()
