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

PAGE_BYTES_MAX = 60_000  # of all a browser loads, by gzip
LICENCES = {"uplot.js": ["uplot"], "uplot.css": ["uplot"], "preact.js": ["htm", "preact"]}
# What makes markup or code of text, and what the policy refuses anyhow.
MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc|DOMParser"
    r"|createContextualFragment"
    r"|\beval\(|new Function|\bon(?!e=)[a-z]+=|style=|javascript:|@import|url\("
)
ELSEWHERE = re.compile(r"https?://(?!www\.w3\.org/2000/svg|www\.example\.com|\$\{object\})")


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


def own_files() -> list[Path]:
    """Those that are not others' work."""
    return [path for path in ASSETS.iterdir() if path.is_file()]


def test_the_page_is_small() -> None:
    files = PageFiles()
    loaded = [path for path in ASSETS.rglob("*") if path.is_file() and path.suffix != ".txt"]
    sizes = {}
    for path in loaded:
        file = files.find(path.relative_to(ASSETS).as_posix())
        assert file is not None
        sizes[path.name] = len(file.zipped or file.content)
    assert sum(sizes.values()) <= PAGE_BYTES_MAX, sizes


def test_comments_for_readers_are_not_sent(tmp_path: Path) -> None:
    text = "/** A. */\nconst a = 1; /** kept */\n\n  /**\n   * B `*`\n   */\n  a();\n// c\n"
    (tmp_path / "a.js").write_text(text)
    sent = PageFiles(tmp_path).find("a.js")
    assert sent is not None
    assert sent.content == b"const a = 1; /** kept */\n\n  a();\n// c\n"


def test_text_never_becomes_markup_and_nothing_is_fetched_elsewhere() -> None:
    found = [
        f"{path.name}:{number}: {line.strip()[:80]}"
        for path in own_files()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if MARKUP.search(line) or ELSEWHERE.search(line)
    ]
    assert not found
    assert MARKUP.search("node.innerHTML = name")
    assert ELSEWHERE.search("fetch('https://a.test/')")


def test_others_work_has_its_licence() -> None:
    folder = ASSETS / "vendor"
    works = {path.name for path in folder.iterdir() if path.suffix != ".txt"}
    assert works == LICENCES.keys()
    for name in {name for names in LICENCES.values() for name in names}:
        text = (folder / f"{name}.LICENSE.txt").read_text()
        assert "Permission is hereby granted" in text or "Apache License" in text, name


def test_the_page_names_files_that_are_there() -> None:
    files = PageFiles()
    page = (ASSETS / "index.html").read_text()
    named = re.findall(r"/dashboard/assets/([\w./-]+)", page)
    imported = [
        name
        for path in own_files()
        if path.suffix == ".js"
        for name in re.findall(r'from "\./([\w./-]+)"', path.read_text())
    ]
    assert {"app.js", "style.css"} <= set(named)
    assert all(files.find(name) is not None for name in (*named, *imported))
