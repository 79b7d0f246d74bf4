"""Pages for people: what they name is there. `file.py:Class.method` is a function of that file."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from edgecache.config.load import load

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    path
    for path in (
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / ".github").rglob("*.md"),
    )
    if path.name not in ("CHANGELOG.md",)  # it speaks of the past
)
MENTION = re.compile(r"`([a-z0-9_]+(?:/[\w.-]+)*/[\w-]+\.(?:py|toml|md|mjs))(?::([\w.]+))?`")
CODE = re.compile(r"`[^`\n]*`")  # which may look like a link
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")


def page_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def place(mention: str) -> Path | None:
    """The file a page means: from the root, or from the package as pages of the code write it."""
    found = (ROOT / mention, ROOT / "edgecache" / mention)
    return next((path for path in found if path.exists()), None)


def defined_names(tree: ast.Module) -> set[str]:
    """`function`, `Class` and `Class.method` of a module, and its constants."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            inner = [n for n in node.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
            names |= {f"{node.name}.{one.name}" for one in inner}
        targets = node.targets if isinstance(node, ast.Assign) else ()
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_files_and_functions_that_a_page_names_exist(page: Path) -> None:
    for mention, name in MENTION.findall(page.read_text()):
        file = place(mention)
        assert file is not None, f"{mention} is not there"
        if name:
            assert name in defined_names(ast.parse(file.read_text())), f"{mention} has no {name}"


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(CODE.sub("", page.read_text())):
        assert (page.parent / target).exists(), f"{target} is not there"


RULES = (ROOT / "docs/viewer-rules.md").read_text()
SITE = """
[[ip_sets]]
name = "office"
addresses = ["198.51.100.0/24"]

[[distributions]]
id = "E1"
aliases = ["example.com", "www.example.com"]
origins = [{ id = "web", domain_name = "origin.example" }]
"""


@pytest.mark.parametrize("block", re.findall(r"```toml\n(.*?)```", RULES, re.DOTALL))
def test_rules_as_their_page_has_them_can_be_used(block: str, tmp_path: Path) -> None:
    head = "[distributions.default_behavior]\n"
    if not block.startswith(head):
        block = f'{head}origin = "web"\n{block}'
    (tmp_path / "edgecache.toml").write_text(SITE + block)
    (site,) = load(tmp_path / "edgecache.toml").distributions
    behavior = site.default_behavior
    assert (
        behavior.redirects
        or behavior.request_headers.set
        or behavior.basic_auth
        or behavior.maintenance.enabled
        or behavior.purge
    )


LISTS = (ROOT / "docs/access-lists.md").read_text()


def test_tables_of_the_page_on_access_lists_are_one_configuration(tmp_path: Path) -> None:
    site = SITE.partition("\n\n")[2]  # the page has sets of its own
    tables = re.findall(r"```toml\n(.*?)```", LISTS, re.DOTALL)
    (tmp_path / "edgecache.toml").write_text("\n".join((site, *tables)))
    config = load(tmp_path / "edgecache.toml")
    assert [one.name for one in config.ip_sets] == ["office", "blocked"]
    listed, told = config.locations
    assert listed.access_list is not None
    assert told.flow_log is not None
    (behavior,) = config.distributions[0].behaviors
    assert behavior.access_list is not None
