"""Every generated page of docs/reference/, by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tests.reference import commands, configuration, errors, log_fields, operations

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"
PAGES: Mapping[str, Callable[[], str]] = {
    "configuration.md": configuration.page,
    "commands.md": commands.page,
    "errors.md": errors.page,
    "log-fields.md": log_fields.page,
    "api-operations.md": operations.page,
}
