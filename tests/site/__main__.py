"""Builds the site and looks it through: `python -m tests.site`; exit code 1: something is wrong.

With `--external` it prints the links to other hosts afterwards, for who can ask them.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

from tests.site.pages import SITE, external_links, foreign_requests, lost_links

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements-site.lock"
ENVIRONMENT = ROOT / "var" / "site-environment"


def build() -> subprocess.CompletedProcess[str]:
    """Build it as `mkdocs build --strict` does, in an environment of its own."""
    made = ENVIRONMENT / "made-of.lock"
    if not made.exists() or made.read_text() != LOCK.read_text():
        venv.create(ENVIRONMENT, clear=True, with_pip=True)
        pip = [str(ENVIRONMENT / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "--requirement", str(LOCK)], check=True)
        made.write_text(LOCK.read_text())
    command = [str(ENVIRONMENT / "bin" / "mkdocs"), "build", "--strict", "--quiet", "--clean"]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)


def problems() -> Iterator[str]:
    """What is wrong with the site."""
    run = build()
    if run.returncode:
        yield from (run.stdout + run.stderr).splitlines()
        return
    yield from lost_links(SITE)
    yield from foreign_requests(SITE)


if __name__ == "__main__":
    found = [*problems()]
    pages = len([*SITE.rglob("*.html")])
    print("\n".join(found) or f"{SITE}: {pages} pages, no dead link, nothing from elsewhere")
    if "--external" in sys.argv:
        print("\n".join(external_links(SITE)))
    sys.exit(bool(found))
