"""The page's files: what is served of a folder, and with which headers."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from edgecache.control.dashboard.page import ASSETS, PAGE_HEADERS, TYPES, PageFiles
from edgecache.control.rest.routes import starlette_routes
from tests.control.dashboard.browser import Browsed, Browser


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "index.html").write_text("<script src=/dashboard/assets/app.js?v={{hash:app.js}}>")
    (tmp_path / "app.js").write_text("let x = 1;\n" * 50)
    (tmp_path / "vendor" / "a.txt").write_text("a licence")
    (tmp_path / ".secret.txt").write_text("not of the page")
    (tmp_path / "notes.md").write_text("nor this")
    (tmp_path.parent / "outside.txt").write_text("nor that")
    return tmp_path


def ask(folder: Path, path: str, **headers: str) -> httpx.Response:
    app = Starlette(routes=starlette_routes(PageFiles(folder).handlers()))

    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            fields = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.get(path, headers={"accept-encoding": "identity"} | fields)

    return asyncio.run(once())


def test_the_page_and_its_files(folder: Path) -> None:
    page = ask(folder, "/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    digest = re.search(r"v=([0-9a-f]{16})>", page.text)
    assert digest is not None
    lasting = ask(folder, f"/dashboard/assets/app.js?v={digest[1]}")
    assert lasting.headers["cache-control"].endswith("immutable")
    assert lasting.headers["content-type"].startswith("text/javascript")
    assert ask(folder, "/dashboard/assets/app.js").headers["cache-control"] == "no-cache"
    assert ask(folder, "/dashboard/assets/app.js?v=0").headers["cache-control"] == "no-cache"
    assert ask(folder, "/dashboard/assets/vendor/a.txt").text == "a licence"
    for answer in (page, lasting, ask(folder, "/", if_none_match=page.headers["etag"])):
        assert PAGE_HEADERS.items() <= dict(answer.headers).items()


def test_what_is_known_is_not_sent_again(folder: Path) -> None:
    tag = ask(folder, "/").headers["etag"]
    for shown in (tag, f'"other", {tag}', f"W/{tag}"):
        again = ask(folder, "/", if_none_match=shown)
        assert (again.status_code, again.content) == (304, b"")
    assert ask(folder, "/", if_none_match='"other"').status_code == 200


def test_a_browser_that_reads_gzip_gets_it(folder: Path) -> None:
    answer = ask(folder, "/dashboard/assets/app.js", accept_encoding="gzip, br")
    assert answer.headers["content-encoding"] == "gzip"
    assert int(answer.headers["content-length"]) < 100
    assert answer.text == (folder / "app.js").read_text()
    assert "content-encoding" not in ask(folder, "/dashboard/assets/vendor/a.txt").headers


@pytest.mark.parametrize(
    "name",
    ["", "nothing.js", ".secret.txt", "notes.md", "../outside.txt", "..%2Foutside.txt", "vendor",
     "vendor%2F..%2Fapp.js", "%2Fetc%2Fpasswd", "vendor%00/a.txt", "a/b/c.js"],
)  # fmt: skip
def test_nothing_else_is_served(folder: Path, name: str) -> None:
    assert ask(folder, f"/dashboard/assets/{name}").status_code in (400, 404)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Browsed]:
    made = Browsed(tmp_path)
    yield made
    made.state.close()


def test_anybody_who_reaches_control_gets_the_page_by_a_known_name(place: Browsed) -> None:
    place.peer = "192.0.2.7"
    browser = Browser(place)
    assert browser.asks("GET", "/", site="none").status_code == 200
    assert browser.asks("GET", "/", headers={"host": "rebound.test"}).status_code == 403


def test_all_that_is_shipped_is_served() -> None:
    files = PageFiles()
    shipped = {path.relative_to(ASSETS).as_posix() for path in ASSETS.rglob("*") if path.is_file()}
    for name in shipped:
        assert Path(name).suffix in TYPES
        assert files.find(name) is not None, name
    page = files.find("index.html")
    assert page is not None
    assert b"{{" not in page.content
    assert not page.zipped or gzip.decompress(page.zipped) == page.content
