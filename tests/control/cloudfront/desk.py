"""Control's API in this process, and botocore's own client in front of it: no socket between."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import botocore.session
import httpx
from botocore.awsrequest import AWSResponse
from botocore.config import Config as ClientConfig
from botocore.exceptions import ClientError
from msgspec.structs import replace
from starlette.applications import Starlette

from edgecache.cluster.tokens import Tokens
from edgecache.config.load import load
from edgecache.control.cloudfront.authentication import AccessKey, CallerAuthentication, access_keys
from edgecache.control.cloudfront.context import ApiServices
from edgecache.control.cloudfront.endpoint import ApiEndpoint
from edgecache.control.cloudfront.functions import function_tester
from edgecache.control.cloudfront.key_value_data import KeyValueEndpoint
from edgecache.control.cloudfront.operations import actions
from edgecache.control.nodes.barrier import Barrier
from edgecache.control.nodes.health_checks import HealthCheckStatuses
from edgecache.control.rest.access_keys import AccessKeyHandlers, KeyAdmission
from edgecache.control.rest.call import RouteHandler
from edgecache.control.rest.handlers import RestApi
from edgecache.control.rest.routes import starlette_routes
from edgecache.control.route53.call import AnswerTester, Route53Services
from edgecache.control.route53.endpoint import Route53Endpoint
from edgecache.control.route53.operations import route53_actions
from edgecache.control.state.access_keys import AccessKeys
from edgecache.control.state.catalog import Catalog
from edgecache.control.state.database import StateDatabase
from edgecache.control.state.invalidations import Invalidations
from edgecache.control.state.log import ControlLog
from edgecache.control.state.migrations import BEFORE
from edgecache.control.state.sqlite import SqliteDatabase
from tests.rules.private.signers import RSA

ENDPOINT = "http://127.0.0.1:8090"
OPERATORS = {"k1": "an operator's secret of thirty-two letters"}
OPTIMIZED = "658327ea-f89d-4fab-a63d-7e88639e58f6"
LOCATION_ALONE = """
state_dir = "state"

[control]
invalidation_quotas = true
allow_private_origins = true
listen = "127.0.0.1:8090"

[[locations]]
name = "LHR50"
listen = "127.0.0.1:8080"
"""
FILE = (
    LOCATION_ALONE
    + """
[[cache_policies]]
name = "short"
ttl_s_default = 5

[[public_keys]]
id = "KFILE"
pem = \"\"\"{pem}\"\"\"

[[key_groups]]
id = "team"
keys = ["KFILE"]

[[distributions]]
id = "EFILE"
aliases = ["file.test"]
origins = [{{ id = "o", domain_name = "127.0.0.1", access = "identity" }}]
default_behavior = {{ origin = "o", cache_policy = "short", trusted_key_groups = ["team"] }}
tags = {{ from = "file" }}
"""
)


@cache
def _session() -> Any:
    return botocore.session.Session()  # what it has read of its data serves every client


class _Body(BytesIO):
    def stream(self, **_: object) -> Any:
        yield self.read()


@dataclass
class Desk:
    """A control plane whose nodes are on a new configuration when `deployed` says so.

    `opens` gives another state than its own; `first` is the number it begins to draw ids with.
    """

    folder: Path
    file: str
    deployed: bool = True
    acknowledged: int = 2**31  # by every name server
    health_checks: HealthCheckStatuses | None = None
    tester: AnswerTester | None = None
    now: float = 1_800_000_000.25
    pauses: list[float] = field(default_factory=list)
    opens: Callable[[], StateDatabase] | None = None
    first: int = 1
    state: StateDatabase = field(init=False)
    catalog: Catalog = field(init=False)
    app: Starlette = field(init=False)

    def __post_init__(self) -> None:
        (self.folder / "edgecache.toml").write_text(self.file)
        self.open()

    def open(self) -> None:
        """Start control, or start it again on the same state."""
        if hasattr(self, "state"):
            self.state.close()
        numbers = itertools.count(self.first)
        self.state = self.opens() if self.opens else SqliteDatabase(self.folder / "state")
        self.log = ControlLog(self.state, lambda: self.now)
        config = load(self.folder / "edgecache.toml")

        def random(count: int) -> bytes:
            return (next(numbers) * 7_919).to_bytes(8, "little").ljust(count, b"\x05")[:count]

        self.catalog = Catalog(self.state, self.log, config, lambda: self.now, random)
        self.catalog.publish(config, starting=True)
        tokens = Tokens([*OPERATORS.values()], lambda: self.now)
        self.tokens = tokens
        callers = CallerAuthentication(OPERATORS, tokens, lambda: self.now, lambda: self.now)
        self.callers = callers
        self.keys = AccessKeys(
            self.state, OPERATORS, lambda: self.now, os.urandom, lambda done: done()
        )
        self.keys.on_change(callers.use_made)
        self.barrier = Barrier(self.state, lambda: self.now)
        self.barrier.remove(BEFORE)  # no other control was here
        self.invalidations = Invalidations(
            self.state, self.log, self.barrier, lambda: self.now, random
        )
        tester = function_tester(self.catalog.key_values, lambda: self.now, time.thread_time)
        self.world = ApiServices(
            self.catalog,
            self.invalidations,
            lambda generation: self.deployed,
            test_function=tester,
            health_checks=self.health_checks,
        )
        endpoint = ApiEndpoint(self.world, callers, actions(), self._pause, random)
        handlers = {**RestApi(self.world, tokens).handlers(), **self.key_handlers()}
        values = KeyValueEndpoint(self.world, callers, random)
        zones = Route53Services(self.world, lambda: self.acknowledged, set, self.tester)
        names = Route53Endpoint(zones, callers, route53_actions(), self._pause, random)
        routes = [
            names.route(),
            endpoint.route(),
            values.route(),
            *starlette_routes(handlers, KeyAdmission(callers)),
        ]
        self.app = Starlette(routes=routes)

    def key_handlers(self) -> dict[str, RouteHandler]:
        """Handlers of the operations on access keys."""
        return AccessKeyHandlers(self.keys, self.callers, self.catalog, self.world.run).handlers()

    def made_key(self, name: str, actions: Sequence[str] = (), of: Sequence[str] = ()) -> AccessKey:
        """An access key with limits, as its maker has it."""
        made = self.keys.create(name, actions, of)
        return AccessKey(name, made.id, made.secret)

    def ignores_unsupported(self) -> None:
        """From now on the file says so at its root."""
        self.catalog.publish(replace(self.catalog.file, unsupported="ignore"))

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def asks(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """One request as it is."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url=ENDPOINT) as client:
                return await client.request(method, path, content=body, headers=headers)

        return asyncio.run(ask())

    def token(self) -> dict[str, str]:
        """The header of an operator with a token."""
        return {"authorization": f"Bearer {self.tokens.issue('me')}"}

    def client(
        self, key: AccessKey | None = None, *, validated: bool = True, service: str = "cloudfront"
    ) -> Any:
        """botocore's client. Its requests are dated by the real clock, which is then ours too."""
        key = key or access_keys(OPERATORS)[-1]
        made = _session().create_client(
            service,
            region_name="us-east-1",
            endpoint_url=ENDPOINT,
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=key.secret_access_key,
            config=ClientConfig(retries={"total_max_attempts": 1}, parameter_validation=validated),
        )
        event = f"before-send.{made.meta.service_model.service_id.hyphenize()}"
        made.meta.events.register(event, self._send)
        return made

    def values_client(self, key: AccessKey | None = None) -> Any:
        """That of what key value stores hold; it signs for all regions (4A)."""
        return self.client(key, service="cloudfront-keyvaluestore")

    def _send(self, request: Any, **_: object) -> AWSResponse:
        headers = {name: _text(value) for name, value in request.headers.items()}
        parts = urlsplit(request.url)
        headers.setdefault("host", parts.netloc)
        path = parts._replace(scheme="", netloc="").geturl()
        body = request.body or b""
        answer = self.asks(request.method, path, getattr(body, "read", lambda: body)(), headers)
        raw = _Body(answer.content)
        return AWSResponse(request.url, answer.status_code, dict(answer.headers), raw)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def code_of(error: ClientError) -> tuple[str, int]:
    """What a client was refused with: the code and the HTTP status."""
    answer: Any = error.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def site(reference: str, **more: Any) -> dict[str, Any]:
    """A DistributionConfig as small as a client may send it."""
    return {
        "CallerReference": reference,
        "Comment": "",
        "Enabled": True,
        "Origins": {
            "Quantity": 1,
            "Items": [
                {
                    "Id": "web",
                    "DomainName": "127.0.0.1",
                    "CustomOriginConfig": {
                        "HTTPPort": 8000,
                        "HTTPSPort": 443,
                        "OriginProtocolPolicy": "http-only",
                    },
                }
            ],
        },
        "DefaultCacheBehavior": {
            "TargetOriginId": "web",
            "ViewerProtocolPolicy": "allow-all",
            "CachePolicyId": OPTIMIZED,
        },
    } | more


@contextmanager
def botocores_clock(now: float) -> Iterator[None]:
    """Have botocore date its signatures by `now`, those that the Common Runtime makes, too."""
    moment = datetime.fromtimestamp(now, UTC)
    with (
        patch("botocore.auth.get_current_datetime", return_value=moment, create=True),
        patch("botocore.crt.auth.get_current_datetime", return_value=moment, create=True),
    ):
        yield


@contextmanager
def open_desk(folder: Path, file: str = FILE) -> Iterator[Desk]:
    """A desk whose clock is botocore's too, so that what is signed is never too old."""
    made = Desk(folder, file.format(pem=RSA.public_pem))
    with botocores_clock(made.now):
        yield made
    made.state.close()
