"""docs/reference/commands.md: the manual of the command line."""

from __future__ import annotations

from edgecache.cli.main import app
from edgecache.cli.manual import markdown

HEADING = """# Commands

Each command explains itself: `edgecache COMMAND --help`, or `edgecache help COMMAND`. Exit codes: 0
done; 1 failed; 2 usage or configuration error. Commands that ask control take another one than the
file's from `EDGECACHE_CONTROL`, `EDGECACHE_ACCESS_KEY_ID` and `EDGECACHE_SECRET_ACCESS_KEY`, and
need no file then. `edgecache man FOLDER` writes this as man pages (`man -M FOLDER edgecache-up`),
`edgecache --install-completion` has a shell complete commands and options. This page is made of the
commands by `python -m tests.reference`; a test compares.

"""


def page() -> str:
    return HEADING + markdown(app)
