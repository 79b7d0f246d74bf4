"""Hooks of the package's build: its long description, and the samples in its wheel.

hatchling runs them ("custom" hooks). In the long description, README.md, a link to a file of the
repository becomes one to that file of this version at `Source` of `[project.urls]`. The samples are
`examples/`, in the package's folder `samples`, from where `edgecache init --sample` copies them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

_LINK = re.compile(r"(?P<image>!?)(?P<text>\[[^\]]*\])\((?P<target>[^)\s]+)\)")
_ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]*:|#|//")


def absolute_links(text: str, source: str, version: str) -> str:
    """Markdown with its relative links led to the files of a version at `source`."""

    def led(match: re.Match[str]) -> str:
        image, words, target = match["image"], match["text"], match["target"]
        if _ABSOLUTE.match(target):
            return match[0]
        return f"{image}{words}({source}/{'raw' if image else 'blob'}/v{version}/{target})"

    return _LINK.sub(led, text)


class CustomBuildHook(BuildHookInterface[Any]):
    """What hatchling calls for the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the samples; an editable wheel leads to the repository, which has them."""
        if version == "standard":
            build_data["force_include"][str(Path(self.root) / "examples")] = "edgecache/samples"


class CustomMetadataHook(MetadataHookInterface):
    """What hatchling calls for wheel and sdist."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add `readme`. KeyError without a Source."""
        text = (Path(self.root) / "README.md").read_text()
        text = absolute_links(text, metadata["urls"]["Source"], metadata["version"])
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
