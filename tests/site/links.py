"""Links of pages to files outside docs/: named, since the site does not have these files.

A hook of mkdocs, run in the environment of the site: it imports nothing of ours.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Any

_LINK = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+[^)#\s]*)(?:#[^)]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """The page with `[text](../../path)` as the text, where that leaves docs/."""
    folder = PurePosixPath(page.file.src_uri).parent
    return _LINK.sub(lambda found: _replaced(found, folder), markdown)


def _replaced(found: re.Match[str], folder: PurePosixPath) -> str:
    depth = len(folder.parts)
    for part in PurePosixPath(found[2]).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            path = found[2].lstrip("./").rstrip("/")
            text = found[1].strip("`")
            return f"`{path}`" if text in path else f"{found[1]} (`{path}`)"
    return found[0]
