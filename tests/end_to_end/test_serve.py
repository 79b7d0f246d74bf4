"""`edgecache serve`: everything `up` can do, and the file it saves does the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.end_to_end.processes import EDGECACHE, Running, free_ports, run, start
from tests.end_to_end.scripted_origin import Exchange, PlayedOrigin
from tests.end_to_end.viewers import curl

OF_THE_MOMENT = ("date", "age", "via", "x-amz-cf-id")  # and of one request
PATHS = ("/page", "/page?a=1", "/variant", "/absent", "/private")
REQUESTS: tuple[tuple[str, ...], ...] = (
    ("/page",),
    ("/page",),
    ("/page?a=1", "-H", "Cookie: a=b"),
    ("/page", "-H", "Host: other.test"),
    ("/page", "-r", "0-3"),
    ("/page", "--head"),
    ("/variant", "-H", "Accept-Language: de"),
    ("/variant", "-H", "Accept-Language: en"),
    ("/variant", "-H", "Accept-Language: de"),
    ("/page", "-X", "POST", "-d", "x"),
    ("/page",),
    ("/absent",),
    ("/private", "-H", "Authorization: Basic eDp5"),
    ("/private", "-H", "X_Odd: 1"),
)


async def page(exchange: Exchange) -> None:
    """What it was asked stands in the body: two ways to ask differ."""
    told = [field for field in sorted(exchange.fields.items()) if field[0] not in OF_THE_MOMENT]
    if exchange.method == "POST":
        async for _ in exchange.body_parts():
            pass
    body = f"{exchange.method} {exchange.path} {told}".encode()
    more = {"/private": "Cache-Control: private", "/variant": "Vary: Accept-Language"}
    lines = [
        "HTTP/1.1 404 Not Found" if exchange.path == "/absent" else "HTTP/1.1 200 OK",
        more.get(exchange.path, "X-More: none"),
        "" if exchange.path == "/private" else "Cache-Control: max-age=600",
        f"Content-Length: {len(body)}",
    ]
    head = "".join(f"{line}\r\n" for line in lines if line)
    await exchange.send(f"{head}\r\n".encode() + (b"" if exchange.method == "HEAD" else body))


@dataclass(frozen=True, slots=True)
class Site:
    """The folder people work in, the words they type, and where viewers come."""

    folder: Path
    words: tuple[str, ...]
    port: int
    tls: int
    control: int

    def transcript(self) -> list[object]:
        """What viewers are answered, but for what is of the moment."""
        told: list[object] = []
        for path, *options in REQUESTS:
            answer = curl(f"http://127.0.0.1:{self.port}{path}", *options)
            fields = {n: v for n, v in answer.fields.items() if n not in OF_THE_MOMENT}
            status = fields["cache-status"].partition("; ttl=")[0]
            body = b"" if "--head" in options else answer.body
            told.append((path, options, answer.status, {**fields, "cache-status": status}, body))
        return told

    def ran(self, *words: str) -> str:
        """What a command that succeeds says."""
        code, out, err = run(*words, folder=self.folder)
        assert code == 0, (words, out, err)
        return out


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, played: PlayedOrigin) -> Site:
    folder = tmp_path_factory.mktemp("site")
    port, tls, control = free_ports(3)
    for path in PATHS:
        played.plays(path, page)
    words = (f"--listen=127.0.0.1:{port}", f"--listen-tls=127.0.0.1:{tls}", "--underscores")
    origin = f"http://127.0.0.1:{played.port}"
    return Site(
        folder, ("serve", origin, *words, f"--control=127.0.0.1:{control}"), port, tls, control
    )


@pytest.fixture(scope="module")
def served(site: Site) -> Iterator[Running]:
    """It runs, and has told where."""
    process = start((*EDGECACHE, *site.words), site.folder, "serve")
    process.until("all of it answers", lambda: "Ctrl-C" in process.stdout)
    yield process
    assert process.stop() == 0, process.stderr


@pytest.fixture(scope="module")
def transcript(site: Site, served: Running) -> list[object]:
    return site.transcript()


def test_what_serve_says_can_be_done(site: Site, served: Running, transcript: list[object]) -> None:
    """Purge, metrics, reload and TLS, as its lines have them."""
    url, file = f"http://127.0.0.1:{site.port}", "var/serve.toml"
    assert f"is served at {url}\n" in served.stdout
    assert f"edgecache invalidate site '/*' -c {file}" in served.stdout
    assert curl(f"{url}/page").x_cache == "Hit"
    assert "Completed" in site.ran("invalidate", "site", "/*", "-c", file)
    assert curl(f"{url}/page").x_cache == "Miss"
    assert (
        "edgecache_requests_total{"
        in curl(f"http://127.0.0.1:{site.control}/metrics").body.decode()
    )
    ca = str(site.folder / "var" / "tls" / "ca.pem")
    assert curl(f"https://localhost:{site.tls}/page", "--cacert", ca).status == 200
    path = site.folder / file
    path.write_text(path.read_text().replace('aliases = ["*"]', 'aliases = ["only.test"]'))
    assert site.ran("reload", "-c", file).startswith("generation ")
    assert curl(f"{url}/page").status == 403
    assert curl(f"{url}/page", "-H", "Host: only.test").status == 200
    assert site.ran("check", file).splitlines()[-1].startswith(f"{file}: no problems")


@pytest.mark.long
def test_the_saved_file_gives_the_same_transcript(
    site: Site, transcript: list[object], served: Running
) -> None:
    served.stop()
    assert site.ran(*site.words, "--save", "edgecache.toml").startswith("edgecache.toml is written")
    assert site.ran("check") == "edgecache.toml: no problems (distributions: 1, locations: 1)\n"
    process = start((*EDGECACHE, "up", "--json"), site.folder, "up")
    process.until("up is ready", lambda: process.stdout.endswith("\n"))
    assert json.loads(process.stdout)["locations"] == {"edgecache": f"http://127.0.0.1:{site.port}"}
    assert site.transcript() == transcript
    assert process.stop() == 0, process.stderr
