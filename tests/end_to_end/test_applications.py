"""docs/applications.md as it is written: Django, Starlette and PHP behind its file, by https."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import socket
import ssl
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.end_to_end.installation import ROOT
from tests.end_to_end.processes import EDGECACHE, Running, free_ports, listens, start

PAGE = (ROOT / "docs" / "applications.md").read_text()
APPLICATIONS = ROOT / "tests" / "end_to_end" / "applications"
SITES = ("django", "starlette", "php")
UPLOAD = b"0123456789abcdef" * 40_000
VIEWER = "127.0.0.9"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def blocks(heading: str, language: str) -> list[str]:
    """The code of a section in a language."""
    section = re.split(rf"^## {heading}$", PAGE, flags=re.MULTILINE)[1].split("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Site:
    """One application by its name there; `http` and `tls` are the ports of the edge."""

    host: str
    http: int
    tls: int
    trust: ssl.SSLContext
    stack: ExitStack

    @property
    def root(self) -> str:
        return f"https://{self.host}:{self.tls}"

    def viewer(self, address: str = VIEWER) -> httpx.Client:
        """A browser with cookies of its own, from an address of loopback; follows nothing."""
        transport = httpx.HTTPTransport(verify=self.trust, local_address=address, trust_env=False)
        client = httpx.Client(transport=transport, base_url=self.root, timeout=60)
        client.headers["Accept-Encoding"] = "gzip"
        return self.stack.enter_context(client)


Sites = dict[str, Site]


def configuration(ports: dict[str, int], listen: int, tls: int) -> str:
    """The documented file once for each application, with a regional cache behind the edge."""
    (text,) = blocks("The file", "toml")
    places, sites = text.split("[[distributions]]", 1)
    places = places.replace(":80", f":{listen}").replace(":443", f":{tls}")
    whole = f'state_dir = "state"\n[tracing]\ncontext = "extract"\n[regional]\n{places}'
    for name, port in ports.items():
        site = "[[distributions]]" + sites.replace("8000", str(port))
        whole += site.replace('"shop"', f'"{name}"').replace("shop.example.org", f"{name}.test")
    return whole


def commands(folder: Path, ports: dict[str, int]) -> dict[str, Sequence[str]]:
    """How each application is started, with the blocks of the page in their files."""
    settings = folder / "documented.py"
    documented = "".join(blocks("Django", "python"))
    settings.write_text(documented.replace("shop.example.org", "django.test"))
    (php,) = blocks("PHP, WordPress", "php")
    (folder / "included.php").write_text(f"<?php\n{php}")
    shutil.copy(APPLICATIONS / "index.php", folder)
    uvicorn, _ = blocks("Starlette, FastAPI", "sh")
    by_uvicorn = uvicorn.replace("app:app", "starlette_site:app")
    by_uvicorn = by_uvicorn.replace("8000", str(ports["starlette"]))
    django = str(APPLICATIONS / "django_site.py")
    return {
        "django": (sys.executable, django, f"127.0.0.1:{ports['django']}", str(settings)),
        "starlette": (sys.executable, "-m", *by_uvicorn.split(), "--app-dir", str(APPLICATIONS)),
        "php": (
            *("php", "-d", f"session.save_path={folder}"),
            *("-S", f"127.0.0.1:{ports['php']}", "index.php"),
        ),
    }  # fmt: skip


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    if shutil.which("php") is None:
        pytest.skip("php is not installed")
    folder = tmp_path_factory.mktemp("applications")
    listen, tls, *others = free_ports(2 + len(SITES))
    ports = dict(zip(SITES, others, strict=True))
    (folder / "edgecache.toml").write_text(configuration(ports, listen, tls))
    started = [start(command, folder, name) for name, command in commands(folder, ports).items()]
    edge = start((*EDGECACHE, "up", "--json"), folder, "up")
    edge.until("up is ready", lambda: edge.stdout.endswith("\n"))
    for name, running in zip(SITES, started, strict=True):
        running.until(f"{name} answers", partial(listens, ports[name]))
    trust = ssl.create_default_context(cafile=json.loads(edge.stdout)["ca_file"])
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", _found_here(socket.getaddrinfo))
        yield {name: Site(f"{name}.test", listen, tls, trust, stack) for name in SITES}
    _stop(edge, started)


def _found_here(real: Callable[..., Any]) -> Callable[..., Any]:
    """Names that end in `.test` are here."""

    def found(host: Any, *args: Any, **named: Any) -> Any:
        return real("127.0.0.1" if str(host).endswith(".test") else host, *args, **named)

    return found


def _stop(edge: Running, started: list[Running]) -> None:
    assert edge.stop() == 0, edge.stderr
    assert "Traceback" not in edge.stderr
    for running in started:
        running.stop()


def told(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


@pytest.mark.parametrize("name", SITES)
def test_scheme_host_port_and_address_are_the_viewers(sites: Sites, name: str) -> None:
    site, viewer = sites[name], sites[name].viewer()
    forged = {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.test", "X-Forwarded-Port": "1"}
    for fields in ({}, forged, {"X-Forwarded-For": "203.0.113.7", "Forwarded": "proto=http"}):
        said = told(viewer.get("/facts", headers=fields))
        assert said["url"] == f"{site.root}/elsewhere"
        assert said["secure"] is True
        assert said["address"] == VIEWER


@pytest.mark.parametrize("name", SITES)
def test_http_leads_to_https_and_redirects_stay_at_the_name_and_port(
    sites: Sites, name: str
) -> None:
    site, viewer = sites[name], sites[name].viewer()
    plain = viewer.get(f"http://{site.host}:{site.http}/elsewhere")
    assert plain.status_code in (301, 307, 308)
    assert plain.headers["location"] == f"{site.root}/elsewhere"
    led = viewer.get("/elsewhere")
    assert led.status_code in (302, 307)
    assert led.headers["location"].startswith(f"{site.root}/facts")


@pytest.mark.parametrize("name", SITES)
def test_a_page_is_for_who_asked_and_nobody_else(sites: Sites, name: str) -> None:
    cookies = []
    for viewer in (sites[name].viewer(), sites[name].viewer()):
        for _ in range(2):
            answer = viewer.get("/facts")
            assert answer.headers["x-cache"].startswith("Miss")
            cookies.append(answer.cookies["mine"])
    assert len(set(cookies)) == len(cookies)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("django", "/static/admin/css/base.css"),
        ("starlette", "/static/style.css"),
        ("php", "/static/style.css"),
    ],
)
def test_a_file_is_kept_without_cookies_and_compressed(sites: Sites, name: str, path: str) -> None:
    site = sites[name]
    first, second = site.viewer().get(path), site.viewer().get(path, headers={"Cookie": "a=b"})
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.headers["x-cache"].startswith("Hit")
    assert second.headers["content-encoding"] == "gzip"
    assert "set-cookie" not in second.headers


def test_django_admits_who_logs_in_and_checks_where_forms_come_from(sites: Sites) -> None:
    site = sites["django"]
    viewer, stranger = site.viewer(), site.viewer()
    page = viewer.get("/admin/login/?next=/admin/")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert token is not None
    assert "Secure" in page.headers["set-cookie"]
    form = {"username": "ann", "password": "a long password", "csrfmiddlewaretoken": token[1]}
    form["next"] = "/admin/"
    login = "/admin/login/?next=/admin/"
    for fields in (
        {"Origin": "https://evil.test"},
        {"Origin": f"https://{site.host}"},  # another port
        {"Origin": f"http://{site.host}:{site.tls}"},
        {"Referer": "https://evil.test/"},
        {},  # by https one of both is required
    ):
        assert viewer.post(login, data=form, headers=fields).status_code == 403
    admitted = viewer.post(login, data=form, headers={"Origin": site.root})
    assert admitted.status_code == 302, admitted.text
    assert admitted.headers["location"] == "/admin/"
    assert "ann" in viewer.get("/admin/").text
    assert stranger.get("/admin/").status_code == 302
    assert viewer.get("/admin/").headers["x-cache"].startswith("Miss")
    token = viewer.get("/facts").json()["csrf"]
    sent = viewer.post(
        "/upload",
        files={"file": ("a name.bin", UPLOAD)},
        data={"csrfmiddlewaretoken": token},
        headers={"Referer": f"{site.root}/facts"},
    )
    digest = hashlib.sha256(UPLOAD).hexdigest()
    assert told(sent) == {"digest": digest, "name": "a name.bin", "user": "ann"}


def test_django_is_told_the_viewers_trace(sites: Sites) -> None:
    asked = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    heard = told(sites["django"].viewer().get("/facts", headers=asked))["traceparent"]
    assert heard.startswith(f"00-{TRACE}-")
    assert heard != asked["traceparent"]


def test_starlette_keeps_sessions_and_takes_uploads(sites: Sites) -> None:
    viewer, stranger = sites["starlette"].viewer(), sites["starlette"].viewer()
    assert viewer.post("/login", content="ann").status_code == 303
    assert told(viewer.get("/facts"))["user"] == "ann"
    assert told(stranger.get("/facts"))["user"] is None
    parts = iter([UPLOAD[:100], UPLOAD[100:]])  # in chunks, of a length that nobody knows
    digest = hashlib.sha256(UPLOAD).hexdigest()
    assert told(viewer.put("/upload", content=parts))["digest"] == digest


def test_php_keeps_sessions_and_takes_uploads(sites: Sites) -> None:
    site = sites["php"]
    viewer, stranger = site.viewer(), site.viewer()
    led = viewer.post("/login", data={"user": "ann"})
    assert (led.status_code, led.headers["location"]) == (303, f"{site.root}/facts")
    assert told(viewer.get("/facts"))["user"] == "ann"
    assert told(stranger.get("/facts"))["user"] is None
    sent = told(viewer.post("/upload", files={"file": ("a name.bin", UPLOAD)}))
    assert sent == {"digest": hashlib.sha256(UPLOAD).hexdigest(), "name": "a name.bin"}
