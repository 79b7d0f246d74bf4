"""Help of the command line: commands by subject, each with its whole first sentence.

Law: help is text. Nothing is boxed or cut, neither in a terminal nor in a pipe.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from edgecache.cli.options import refuse

SUBJECTS: dict[str, tuple[str, ...]] = {
    "Start here": ("init", "serve", "import", "up", "dev", "check"),
    "A running installation": (
        *("reload", "upgrade", "health", "stats", "objects", "log", "top", "hist", "replay"),
        *("drain", "undrain"),
        *("nodes", "changes", "diff", "backup", "restore", "state", "clock"),
    ),
    "What is served": (
        *("invalidate", "invalidations", "release", "explain", "warm"),
        *("distributions", "dns", "policies", "functions", "tags", "adopt", "bucket"),
    ),
    "Who may": (
        *("token", "access-keys", "api", "keys", "sign-url", "sign-cookies"),
        *("explain-signature", "secrets"),
    ),
    "One role alone": ("edge", "regional", "control", "origin", "nameserver"),
}
OTHERS = "More"
_WHOLE = 10_000  # columns: no first sentence is longer


class SubjectGroup(TyperGroup):
    """A group whose commands are listed whole: by subject at the top, below one heading else."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each subject that has commands here."""
        names = self.list_commands(ctx)
        sections = [("Commands", names)] if ctx.parent else _sections(names)
        for subject, listed in sections:
            commands = [(name, self.get_command(ctx, name)) for name in listed]
            rows = [
                (name, one.get_short_help_str(_WHOLE))
                for name, one in commands
                if one is not None and not one.hidden
            ]
            if rows:
                with formatter.section(subject):
                    formatter.write_dl(rows)


def list_whole(app: typer.Typer) -> None:
    """Let every group below `app` list its commands so."""
    for group in app.registered_groups:
        group.cls = SubjectGroup
        if group.typer_instance is not None:
            list_whole(group.typer_instance)


def _sections(names: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    for subject, ordered in SUBJECTS.items():
        yield subject, [name for name in ordered if name in names]
    known = {name for ordered in SUBJECTS.values() for name in ordered}
    yield OTHERS, [name for name in names if name not in known]


def print_help(
    ctx: typer.Context,
    words: Annotated[list[str] | None, typer.Argument(help="COMMAND, or a group and its.")] = None,
) -> None:
    """Tell how a command is used, as `COMMAND --help` does."""
    assert ctx.parent is not None
    at: Any = ctx.parent
    for word in words or ():
        found = at.command.get_command(at, word) if isinstance(at.command, TyperGroup) else None
        if found is None:
            refuse([f'there is no command "{" ".join(words or ())}" (see: edgecache --help)'])
        at = at.__class__(found, info_name=word, parent=at)
    typer.echo(at.get_help())
