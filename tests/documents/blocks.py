"""Fenced blocks of a page, each with what the comment before it says."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GENERATED = {"hostile-inputs.md", "metrics.md", "semantics.md", "tour.md"}
SHELL = ("sh", "bash", "console")
SETTING = "setting"
_FENCE = re.compile(
    r"^(?P<indent>[ ]*)(?:<!-- (?P<said>[^\n]*?) -->\n(?P=indent))?```(?P<language>\w*)[^\n]*\n"
    r"(?P<text>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)
_SETTING = re.compile(
    r"^<!-- setting(?: \| (?P<said>[^\n]*))?\n(?P<text>.*?)^-->$", re.DOTALL | re.MULTILINE
)
KEYS = {"prints", "file", "needs", "not run", "in", "own", "exits", "stop"}
REASONS = {
    "as root",
    "systemd",
    "Docker",
    "a container registry",
    "a Kubernetes cluster",
    "a certificate authority",
    "several machines",
    "an account at AWS",
    "a PostgreSQL cluster",
    "a registered domain",
    "ids and ETags that calls before it gave",
    "a former release",
    "a package is installed",
    "a collector of OpenTelemetry",
    "a provider of Terraform is fetched",
    "it takes minutes or hours",
    "CI runs these",
    "docs/one-site.md runs these",
}
"""Why a block is not run: what it needs and the tests do not have. A test may stand after it."""


@dataclass(frozen=True)
class Block:
    """A block: its page, the line of its fence, its language, its text."""

    page: Path
    line: int
    language: str
    text: str
    said: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def is_run(self) -> bool:
        shell = self.language in (*SHELL, SETTING)
        return shell and "not run" not in self.said and "file" not in self.said


def pages() -> list[Path]:
    """README and all pages but those that are made of the code."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    made = {ROOT / "docs" / name for name in GENERATED}
    return [
        path
        for path in found
        if path not in made and path.parent.name not in ("reference", "decisions")
    ]


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start("language")) + 1
        content = textwrap.dedent(found["text"])
        yield Block(page, line, found["language"], content, _said(found["said"] or ""))


def steps(page: Path) -> list[Block]:
    """Blocks of a page and its settings, which readers do not see, in their order."""
    text = page.read_text()
    settings = [
        Block(
            page,
            text.count("\n", 0, found.start()) + 1,
            SETTING,
            found["text"],
            _said(found["said"] or ""),
        )
        for found in _SETTING.finditer(text)
    ]
    return sorted([*blocks(page), *settings], key=lambda block: block.line)


def _said(comment: str) -> dict[str, str]:
    """`prints: a; b` and `own`; several with ` | ` between them."""
    said = {}
    for part in filter(None, comment.split(" | ")):
        key, _, value = part.partition(":")
        if key not in KEYS:
            return {}  # a comment about something else
        said[key] = value.strip()
    return said


def every_block() -> list[Block]:
    return [block for page in pages() for block in blocks(page)]


def shell_pages() -> dict[Path, list[Block]]:
    """Pages that have something to run, with all their blocks and settings."""
    found = {page: steps(page) for page in pages()}
    return {page: one for page, one in found.items() if any(block.is_run for block in one)}
