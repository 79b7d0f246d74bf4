"""gRPC through an edge and past its regional cache, with grpcio on both sides; HTTP/2 to nginx."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import pytest

from edgecache.server.dev_certificate import ca_file, development_certificate
from tests.end_to_end.grpc_origin import SERVICE
from tests.end_to_end.nginx import Nginx, start_nginx
from tests.end_to_end.processes import EDGECACHE, Running, free_ports, kill, start, wait_for
from tests.end_to_end.viewers import curl

LARGE = 3_000_000
SOON_S = 20.0  # what happens at once, on a machine that does other things too
ALL = '["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]'

CONFIG = """
state_dir = "state"
[regional]
[control]
listen = "127.0.0.1:{control}"
[[locations]]
name = "LHR50"
listen = "127.0.0.1:{plain}"
listen_tls = "127.0.0.1:{tls}"
protocols = ["http1.1", "h2", "h2c"]
[[distributions]]
id = "E1"
aliases = ["localhost"]
custom_error_responses = [
  {{ error_code = 502, response_page_path = "/files/sorry", response_code = 200 }},
]
[[distributions.origins]]
id = "plain"
domain_name = "127.0.0.1"
http_port = {origin}
read_timeout_s = 2
[[distributions.origins]]
id = "secure"
domain_name = "127.0.0.1"
https_port = {secure}
protocol_policy = "https-only"
ca_file = "{ca}"
[[distributions.origins]]
id = "nginx"
domain_name = "127.0.0.1"
http_port = {nginx}
protocol = "h2"
[[distributions.origins]]
id = "http1.1"
domain_name = "127.0.0.1"
http_port = {old}
protocol = "h2"
[distributions.default_behavior]
origin = "plain"
grpc = true
allowed_methods = {methods}
[[distributions.behaviors]]
path_pattern = "/secure.*"
origin = "secure"
grpc = true
allowed_methods = {methods}
[[distributions.behaviors]]
path_pattern = "/old.*"
origin = "http1.1"
grpc = true
allowed_methods = {methods}
[[distributions.behaviors]]
path_pattern = "/old/*"
origin = "http1.1"
[[distributions.behaviors]]
path_pattern = "/files/*"
origin = "nginx"
"""


@dataclass
class Installation:
    """An edge, its regional cache, and the origins behind them."""

    process: Running
    folder: Path
    tls: int
    plain: int
    secure_origin: Running
    nginx: Nginx

    def records(self, word: str, process: str = "edge") -> list[list[str]]:
        """The lines of the log of `process` that have `word`."""
        files = (self.folder / "state/logs").glob(f"{process}*.log*")
        lines = [line for file in files for line in file.read_text().splitlines()]
        return [line.split("\t") for line in lines if word in line]


def start_origin(folder: Path, port: int, pem: Path | None = None) -> Running:
    command = [sys.executable, "-m", "tests.end_to_end.grpc_origin", str(port)]
    name = "origin" if pem is None else "secure-origin"
    return start([*command, *([] if pem is None else [str(pem)])], Path.cwd(), str(folder / name))


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("grpc")
    control, plain, tls, origin, secure, http2 = free_ports(6)
    pem = development_certificate(folder / "ca", ["localhost"], datetime.now(UTC))
    (folder / "root/files").mkdir(parents=True)
    (folder / "root/files/large").write_bytes(b"0123456789" * 600_000)
    (folder / "root/files/sorry").write_text("sorry")
    nginx = start_nginx(folder, folder / "root", more=f"listen 127.0.0.1:{http2} http2;")
    ports = {"control": control, "plain": plain, "tls": tls, "origin": origin, "secure": secure}
    text = CONFIG.format(
        **ports, nginx=http2, old=nginx.port, ca=ca_file(folder / "ca"), methods=ALL
    )
    (folder / "edgecache.toml").write_text(text)
    origins = [start_origin(folder, origin), start_origin(folder, secure, pem)]
    process = start((*EDGECACHE, "up", "--config", "edgecache.toml"), folder)
    for one in origins:
        one.until("an origin", lambda one=one: "serving" in one.stdout)  # type: ignore[misc]
    process.until("ready", lambda: "Ctrl-C" in process.stdout)
    yield Installation(process, folder, tls, plain, origins[1], nginx)
    assert process.stop() == 0, process.stderr
    for one in (*origins, nginx.process):
        if one.alive():
            kill(one)


@pytest.fixture
def channel(installation: Installation) -> Iterator[grpc.Channel]:
    """To the edge, over TLS."""
    authority = (installation.folder / "state/tls/ca.pem").read_bytes()
    credentials = grpc.ssl_channel_credentials(authority)
    unbounded = (("grpc.max_receive_message_length", -1),)
    with grpc.secure_channel(f"localhost:{installation.tls}", credentials, unbounded) as made:
        yield made


def path(method: str, service: str = SERVICE) -> str:
    return f"/{service}/{method}"


def failure(calling: Callable[[], Any]) -> Any:
    with pytest.raises(grpc.RpcError) as caught:
        calling()
    return caught.value


def state(channel: grpc.Channel) -> Any:
    return json.loads(channel.unary_unary(path("State"))(b"", timeout=SOON_S))


def test_unary_with_metadata_both_ways(installation: Installation, channel: grpc.Channel) -> None:
    answer, done = channel.unary_unary(path("Unary")).with_call(b"hello", timeout=SOON_S)
    assert answer == b"hello"
    late = dict(done.trailing_metadata())
    assert (late["x-late"], late["x-bytes-bin"]) == ("two", b"\0\xff")
    early = dict(done.initial_metadata())
    assert early["x-early"] == "one"
    assert early["x-cache"] == "Miss from cloudfront"
    heard = state(channel)
    assert 0 < heard["remaining_s"] <= SOON_S  # grpc-timeout has passed
    assert "edgecache" in heard["metadata"]["via"] or "cloudfront" in heard["metadata"]["via"]


def test_an_error_of_the_origin_has_its_status_and_words(channel: grpc.Channel) -> None:
    error = failure(lambda: channel.unary_unary(path("Fails"))(b"", timeout=SOON_S))
    assert (error.code(), error.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "not so")
    unknown = failure(lambda: channel.unary_unary(path("Nothing"))(b"", timeout=SOON_S))
    assert unknown.code() is grpc.StatusCode.UNIMPLEMENTED


def test_streams_either_way(channel: grpc.Channel) -> None:
    counted = channel.unary_stream(path("Count"))(b"2000", timeout=SOON_S)
    assert list(counted) == [b"%d" % number for number in range(2000)]
    pieces = (bytes(10_000) for _ in range(50))
    assert channel.stream_unary(path("Sum"))(pieces, timeout=SOON_S) == b"500000"


def test_both_sides_speak_in_turns(channel: grpc.Channel) -> None:
    """Each word is answered before the next is said: nothing is held back on the way."""
    said = threading.Semaphore(1)

    def words() -> Iterator[bytes]:
        for word in (b"one", b"two", b"three"):
            assert said.acquire(timeout=SOON_S)
            yield word

    answers = []
    for answer in channel.stream_stream(path("Chat"))(words(), timeout=SOON_S):
        answers.append(answer)
        said.release()
    assert answers == [b"ONE", b"TWO", b"THREE"]


@pytest.mark.parametrize("service", [SERVICE, "secure.Echo"])
def test_large_messages_both_ways(channel: grpc.Channel, service: str) -> None:
    large = b"0123456789abcdef" * (LARGE // 16)
    assert channel.unary_unary(path("Unary", service))(large, timeout=SOON_S) == large


def test_a_deadline_ends_the_call_at_the_origin(channel: grpc.Channel) -> None:
    before = state(channel)["left"]
    calling = channel.unary_stream(path("Waits"))
    error = failure(lambda: list(calling(b"", timeout=0.5)))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    wait_for("the origin hears of it", lambda: state(channel)["left"] == before + 1)


def test_a_client_that_leaves_ends_the_call_at_the_origin(channel: grpc.Channel) -> None:
    before = state(channel)["left"]
    call = channel.unary_stream(path("Waits"))(b"")
    assert next(call) == b"waiting"
    call.cancel()
    wait_for("the origin hears of it", lambda: state(channel)["left"] == before + 1)


def test_silence_of_both_sides_ends_a_call(channel: grpc.Channel) -> None:
    """After the origin's read_timeout_s, here 2 s; the client set no deadline."""
    error = failure(lambda: list(channel.unary_stream(path("Waits"))(b"")))
    assert error.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE)


def test_a_call_without_tls(installation: Installation) -> None:
    with grpc.insecure_channel(f"localhost:{installation.plain}") as plain:
        assert plain.unary_unary(path("Unary"))(b"clear", timeout=SOON_S) == b"clear"
    wait_for("its line", lambda: any(one[16] == "grpc" for one in installation.records(SERVICE)))


def test_the_log_says_grpcs_and_the_regional_cache_hears_nothing(
    installation: Installation, channel: grpc.Channel
) -> None:
    channel.unary_unary(path("Unary"))(b"told", timeout=SOON_S)
    lines = wait_for(
        "its line", lambda: [o for o in installation.records("/Unary") if o[16] == "grpcs"]
    )
    assert {line[23] for line in lines} == {"HTTP/2.0"}
    assert {line[13] for line in lines} == {"Miss"}
    assert installation.records(SERVICE, "regional") == []


def test_an_origin_that_speaks_no_http2_is_unavailable_and_has_no_page(
    installation: Installation, channel: grpc.Channel
) -> None:
    error = failure(lambda: channel.unary_unary(path("A", "old.Echo"))(b"", timeout=SOON_S))
    assert error.code() is grpc.StatusCode.UNAVAILABLE  # HTTP 502: no page stands for it
    assert "502" in error.details()


def test_an_origin_asked_by_http2_is_cached_as_any_other(installation: Installation) -> None:
    url = f"http://localhost:{installation.plain}"
    first, second = curl(f"{url}/files/large"), curl(f"{url}/files/large")
    assert first.body == second.body == b"0123456789" * 600_000
    assert second.fields["x-cache"] == "Hit from cloudfront"
    assert installation.nginx.asked().count("GET /files/large") == 1
    assert curl(f"{url}/old/file").body == b"sorry"  # for 502: it speaks no HTTP/2
    assert "GET /old/file" not in installation.nginx.asked()


def test_an_origin_killed_in_the_middle_ends_its_calls(
    installation: Installation, channel: grpc.Channel
) -> None:
    """The last test: the origin stays away."""
    call = channel.unary_stream(path("Waits", "secure.Echo"))(b"")
    assert next(call) == b"waiting"
    kill(installation.secure_origin)
    error = failure(lambda: next(call))
    assert error.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE)
    calling = channel.unary_unary(path("Unary", "secure.Echo"))
    again = failure(lambda: calling(b"", timeout=SOON_S))
    assert again.code() is grpc.StatusCode.UNAVAILABLE
    assert channel.unary_unary(path("Unary"))(b"on", timeout=SOON_S) == b"on"
