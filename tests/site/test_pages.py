"""What is looked for in the built site is found; every page of docs/ has a place in it."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from tests.site.links import on_page_markdown
from tests.site.pages import external_links, foreign_requests, lost_links

ROOT = Path(__file__).resolve().parents[2]


def write(site: Path, name: str, body: str) -> None:
    (site / name).parent.mkdir(parents=True, exist_ok=True)
    (site / name).write_text(f"<html><body>{body}</body></html>")


def test_dead_links_and_anchors_are_found(tmp_path: Path) -> None:
    write(tmp_path, "a.html", '<a href="b/c.html#there">1</a><a href="b/">2</a><a href="#me">3</a>')
    write(tmp_path, "b/c.html", '<h1 id="there">x</h1><a href="../a.html">4</a>')
    assert [*lost_links(tmp_path)] == [
        "a.html: b/ is not there",
        "a.html: #me has no such anchor",
    ]


def test_links_to_other_hosts_are_told_once(tmp_path: Path) -> None:
    write(tmp_path, "a.html", '<a href="https://b.test/x">1</a><a href="c.html">2</a>')
    write(tmp_path, "c.html", '<a href="https://b.test/x">3</a><a href="http://a.test">4</a>')
    assert [*external_links(tmp_path)] == ["http://a.test (c.html)", "https://b.test/x (a.html)"]


def test_what_is_fetched_from_elsewhere_is_found(tmp_path: Path) -> None:
    write(tmp_path, "a.html", '<script src="https://cdn.test/x.js"></script><img src="p.svg">')
    assert [*foreign_requests(tmp_path)] == ["a.html: fetches https://cdn.test/x.js"]


class Page:
    """A page as mkdocs gives it to a hook."""

    def __init__(self, path: str) -> None:
        self.file = self
        self.src_uri = path


def test_links_that_leave_the_folder_are_named() -> None:
    text = "[examples/pytest](../examples/pytest) [the file](../config/demo.toml) [a](../logs.md)"
    assert on_page_markdown(text, page=Page("testing.md")) == (
        "`examples/pytest` the file (`config/demo.toml`) a (`logs.md`)"
    )
    assert on_page_markdown("[a](../logs.md)", page=Page("how-to/cors.md")) == "[a](../logs.md)"


def test_every_page_has_a_place() -> None:
    text = (ROOT / "mkdocs.yml").read_text()
    settings = yaml.safe_load(text)
    listed = set(re.findall(r"[\w./-]+\.md", yaml.safe_dump(settings["nav"])))
    pages = {str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")}
    assert listed - pages == set()
    assert {page for page in pages - listed if not page.startswith("decisions/0")} == set()


def test_the_first_page_names_all_pages() -> None:
    """Those of the navigation, each by a link."""
    docs = ROOT / "docs"
    links = set(re.findall(r"\]\(([^)#]+)", (docs / "index.md").read_text()))
    every = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}
    decisions = {name for name in every if name.startswith("decisions/0")}
    assert every - decisions - {"index.md"} == links
