"""The gate: who gets in, what a stranger is told, and what the application sees."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from edgecache.origin.gate import IDENTITY, Gate
from edgecache.origin.identity import HEADER, IdentitySigner, IdentityVerdict, host_keys

NOW = 1_700_000_000.0
KEYS = {"k1": "a secret of the tests"}
HOST = b"bucket.test"
NAMES = ["bucket.test"]
Ask = Callable[..., Any]


async def echo(request: Request) -> JSONResponse:
    return JSONResponse([name for name, _ in request.headers.items()])


def app(keys: dict[str, str] = KEYS) -> Gate:
    routes = [Route("/{key:path}", echo, methods=["GET", "POST"])]
    return Gate(Starlette(routes=routes), keys=keys, clock=lambda: NOW, hosts=NAMES)


def signed(
    method: bytes = b"GET", host: bytes = HOST, target: bytes = b"/a?b=1", at: float = NOW
) -> tuple[bytes, bytes]:
    (field,) = IdentitySigner(KEYS, lambda: at).sign(method, host, target)
    return field


@pytest.mark.parametrize("target", [b"/", b"/a?b=1", b"//a//b", b"/%2e%2e/a%2Fb", b"/a?b?c=%3f&"])
def test_what_we_signed_gets_in(ask: Ask, target: bytes) -> None:
    assert ask(app(), target, signed(target=target)).status == 200


def test_the_application_does_not_see_the_identity(ask: Ask) -> None:
    seen = ask(app(), b"/a?b=1", (b"accept", b"*/*"), signed()).body
    assert seen == b'["host","accept"]'


async def whoever(scope: Any, receive: Any, send: Any) -> None:
    await JSONResponse(scope[IDENTITY])(scope, receive, send)


@pytest.mark.parametrize("identity", ["", "E2QWRUHAPOMQZL"])
def test_the_application_hears_who_asks(ask: Ask, identity: str) -> None:
    (field,) = IdentitySigner(KEYS, lambda: NOW).sign(b"GET", HOST, b"/", identity)
    gate = Gate(whoever, keys=KEYS, clock=lambda: NOW, hosts=NAMES)
    assert ask(gate, b"/", field).body == f'"{identity}"'.encode()


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([], id="missing"),
        pytest.param([(HEADER, b"")], id="empty"),
        pytest.param([signed(method=b"POST")], id="another method"),
        pytest.param([signed(host=b"other.test")], id="another host"),
        pytest.param([signed(target=b"/a?b=2")], id="another query"),
        pytest.param([signed(target=b"/a")], id="no query"),
        pytest.param([signed(at=NOW - 61)], id="expired"),
        pytest.param([signed(at=NOW + 61)], id="from the future"),
        pytest.param([signed(), signed()], id="twice"),
        pytest.param([signed(), (b"host", HOST)], id="two hosts"),
        pytest.param([(b"x-other", signed()[1])], id="another field"),
    ],
)
def test_strangers_are_denied(ask: Ask, fields: list[tuple[bytes, bytes]]) -> None:
    assert ask(app(), b"/a?b=1", *fields).status == 403


def test_a_denial_is_s3s(ask: Ask) -> None:
    denied = ask(app(), b"/a?b=1")
    assert denied.headers[b"content-type"] == b"application/xml"
    pattern = (
        rb'<\?xml version="1\.0" encoding="UTF-8"\?>\n<Error><Code>AccessDenied</Code>'
        rb"<Message>Access Denied</Message><RequestId>([0-9A-F]{16})</RequestId>"
        rb"<HostId>([A-Za-z0-9+/=]{64})</HostId></Error>"
    )
    ids = re.fullmatch(pattern, denied.body)
    assert ids is not None
    assert denied.headers[b"x-amz-request-id"] == ids[1]
    assert denied.headers[b"x-amz-id-2"] == ids[2]


def test_a_server_that_keeps_the_raw_path_to_itself_is_denied() -> None:
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b""}
    scope["headers"] = [(b"host", HOST), signed(target=b"/")]
    assert app().verdict(scope) is IdentityVerdict.MALFORMED
    assert app().verdict({**scope, "raw_path": b"/"}) is IdentityVerdict.OK


def test_the_field_may_have_another_name(ask: Ask) -> None:
    gate = Gate(Starlette(routes=[Route("/", echo)]), KEYS, lambda: NOW, 60, b"X-Who", NAMES)
    assert ask(gate, b"/", (b"x-who", signed(target=b"/")[1])).body == b'["host"]'


def test_it_is_a_starlette_middleware(ask: Ask) -> None:
    starlette = Starlette(routes=[Route("/", echo)])
    starlette.add_middleware(Gate, keys=KEYS, clock=lambda: NOW, hosts=NAMES)
    assert ask(starlette, b"/").status == 403
    assert ask(starlette, b"/", signed(target=b"/")).status == 200


def messages_of(scope: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    """What the client got, and the scopes the application was called with."""
    sent: list[Any] = []
    called: list[Any] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        called.append(scope)

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing to receive")

    asyncio.run(Gate(inner, KEYS, lambda: NOW, hosts=NAMES)(scope, receive, send))
    return sent, called


def test_a_websocket_is_closed() -> None:
    sent, called = messages_of({"type": "websocket", "headers": [signed()]})
    assert sent == [{"type": "websocket.close", "code": 1008}]
    assert called == []


def test_lifespan_passes() -> None:
    scope = {"type": "lifespan"}
    assert messages_of(scope) == ([], [scope])


def test_a_gate_without_keys_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="identity keys"):
        app({})


def test_what_got_in_does_not_get_in_again(ask: Ask) -> None:
    gate, field = app(), signed()
    assert ask(gate, b"/a?b=1", field).status == 200
    assert ask(gate, b"/a?b=1", field).status == 403
    assert ask(gate, b"/a?b=1", signed()).status == 200


def test_the_verdict_of_one_request_is_found_once() -> None:
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "raw_path": b"/"}
    scope["headers"] = [(b"host", HOST), signed(target=b"/")]
    gate = app()
    assert [gate.verdict(scope) for _ in range(2)] == [IdentityVerdict.OK] * 2
    del scope["edgecache.identity.verdict"]
    assert gate.verdict(scope) is IdentityVerdict.REPLAYED


def test_hosts_are_pinned(ask: Ask) -> None:
    gate = Gate(whoever, KEYS, lambda: NOW, hosts=["other.test"])
    assert ask(gate, b"/", signed(target=b"/")).status == 403
    assert gate.verdict(
        {"method": "GET", "query_string": b"", "raw_path": b"/",
         "headers": [(b"host", HOST), signed(target=b"/")]}
    ) is IdentityVerdict.UNKNOWN_HOST  # fmt: skip
    assert (
        ask(
            Gate(whoever, KEYS, lambda: NOW, hosts=["bucket.test"]), b"/", signed(target=b"/")
        ).status
        == 200
    )


def test_a_whole_secret_wants_the_names_it_may_open() -> None:
    own = {"k1": host_keys(KEYS["k1"], NAMES)}
    with pytest.raises(ValueError, match=r"'k1' opens any host: say hosts=\[...\]"):
        Gate(whoever, KEYS)
    with pytest.raises(ValueError, match="'k0' opens any host"):
        Gate(whoever, lambda: {"k0": "another secret", **own})
    Gate(whoever, own)


def test_keys_may_change_while_it_runs(ask: Ask) -> None:
    keys = {"k0": "another secret"}
    gate = Gate(whoever, lambda: keys, lambda: NOW, hosts=NAMES)
    assert ask(gate, b"/", signed(target=b"/")).status == 403
    keys = KEYS
    assert ask(gate, b"/", signed(target=b"/")).status == 200


@pytest.mark.parametrize("useless", [{}, {"k1": "hosts:x"}, {"k1": ""}])
def test_keys_of_no_use_leave_the_former_ones(
    ask: Ask, caplog: pytest.LogCaptureFixture, useless: dict[str, str]
) -> None:
    keys = KEYS
    gate = Gate(whoever, lambda: keys, lambda: NOW, hosts=NAMES)
    keys = useless
    assert [ask(gate, b"/", signed(target=b"/")).status for _ in range(2)] == [200, 200]
    assert ask(gate, b"/").status == 403
    assert [line.partition(":")[0] for line in caplog.messages] == ["the former keys stay"]
    keys = {"k2": "another secret"}
    assert ask(gate, b"/", signed(target=b"/")).status == 403


def test_a_gate_behind_a_gate_judges_for_itself(ask: Ask) -> None:
    inner = Gate(whoever, {"k1": "another secret"}, lambda: NOW, hosts=NAMES)
    assert ask(Gate(inner, KEYS, lambda: NOW, hosts=NAMES), b"/", signed(target=b"/")).status == 403
