"""Commands of README and docs/, run as they stand, in one installation of the demo or in their own.

CI runs README and a choice of the pages by a fixed seed; `EDGECACHE_TESTS=long` runs all.
"""

from __future__ import annotations

import os
import shutil
import sys
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.documents.blocks import ROOT, Block, shell_pages
from tests.documents.shells import PORTS, Shell, missing_programs
from tests.end_to_end.processes import EDGECACHE, free_ports, listens, start, wait_for

LONG = os.environ.get("EDGECACHE_TESTS") == "long"
CHOSEN = 2
SEED = 25
PAGES = shell_pages()


def is_own(blocks: list[Block]) -> bool:
    return any("own" in block.said for block in blocks)


def chosen() -> list[Path]:
    """README, and some of the others."""
    others = (page for page in PAGES if page.name != "README.md")
    by_lot = sorted(others, key=lambda page: zlib.crc32(f"{SEED} {page.name}".encode()))
    return [ROOT / "README.md", *sorted(by_lot if LONG else by_lot[:CHOSEN])]


def new_shell(folder: Path, more: Mapping[str, str]) -> Shell:
    """A folder with the programs of this environment first, and a Python of its own name."""
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
    known = {"PATH": programs, "COLUMNS": "200", "CHECKOUT": str(ROOT)}
    return Shell(folder, ports, {**known, **more})


def serve_folder(shell: Shell) -> Iterator[None]:
    """The origin of whoever reads: a web server at 8000."""
    www = shell.folder / "origin"
    www.mkdir()
    (www / "index.html").write_text("hello\n")
    port = shell.ports["8000"]
    server = (sys.executable, "-m", "http.server", str(port), "--bind=127.0.0.1")
    process = start((*server, f"--directory={www}"), shell.folder, "origin")
    process.until("the origin listens", lambda: listens(port))
    yield
    process.stop()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """The demo, on other ports, as `make up` runs it; its file is the one that commands take."""
    folder = tmp_path_factory.mktemp("demo")
    shell = new_shell(folder, {"EDGECACHE_CONFIG": "config/demo.toml"})
    shutil.copytree(ROOT / "config", folder / "config")
    for name in ("demo.toml", "aws-example.toml", "single.toml"):
        path = folder / "config" / name
        path.write_text(shell.local(path.read_text()))
    process = start((*EDGECACHE, "up", "--config", "config/demo.toml"), folder, "up")
    wait_for("the demo answers", lambda: "Ctrl-C" in process.stdout or not process.alive())
    assert process.alive(), process.stderr
    yield shell
    assert process.stop() == 0, process.stderr


@pytest.mark.parametrize("page", chosen(), ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_of_a_page_do_what_it_says(
    page: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    blocks = [block for block in PAGES[page] if not missing_programs(block)]
    if is_own(blocks):
        shell = new_shell(tmp_path, {})
        wants_origin = any(block.said.get("own") == "origin" for block in blocks)
        for _ in serve_folder(shell) if wants_origin else (None,):
            problems = shell.run(blocks)
    else:
        problems = request.getfixturevalue("demo").run(blocks)
    assert not problems, "\n".join(problems)
