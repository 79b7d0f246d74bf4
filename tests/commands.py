"""Command lines of deployments: whether ours takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer.main

from edgecache.cli.main import app


def is_taken(args: Sequence[str]) -> bool:
    """Whether `edgecache` has a command of these arguments; it is not run."""
    group: Any = typer.main.get_command(app)
    with group.make_context("edgecache", [], resilient_parsing=True) as context:
        command = group.get_command(context, args[0])
        if command is None:
            return False
        try:
            command.make_context(args[0], [*args[1:]], parent=context)
        except Exception:  # Click's own, which Typer may bring along
            return False
    return True
