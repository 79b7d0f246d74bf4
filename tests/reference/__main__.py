"""Writes docs/reference/: `python -m tests.reference`."""

from __future__ import annotations

from tests.reference.pages import FOLDER, PAGES

if __name__ == "__main__":
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page())
