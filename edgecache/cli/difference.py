"""Command diff: what changes for viewers between two configurations or distributions.

Law: it reads, and changes nothing; what is told came from files and callers, and is shown alone.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import replace

from edgecache.cli.client import control_of, question_control
from edgecache.cli.options import (
    DEFAULT_CONFIG,
    AsJson,
    ConfigPath,
    load_config,
    print_json,
    print_rows,
    refuse,
)
from edgecache.config.model import Config, Distribution

if TYPE_CHECKING:
    from edgecache.control.migration.viewer_changes import ViewerChange

app = typer.Typer()
RUNNING = "control"
_OPERAND = "A file, FILE#ID, `control` (what runs), control#ID, or the ID of what runs."


@app.command(
    "diff",
    epilog="Examples: edgecache diff control new.toml; edgecache diff old.toml#E1 new.toml#E1",
)
def difference(
    before: Annotated[str, typer.Argument(help=_OPERAND)],
    after: Annotated[str, typer.Argument(help="The same, to compare it with.")],
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="End with 1 when something differs.")
    ] = False,
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Tell what changes for viewers: each distribution, behavior by behavior.

    Origins, keys, TTLs, what is forwarded, access, headers, functions, error pages. Names of
    policies and comments change nothing. Two distributions may have different ids.
    """
    from edgecache.control.migration.viewer_changes import (
        CHANGES_MAX,
        site_changes,
        viewer_changes,
    )

    sides = [_read(text, config) for text in (before, after)]
    if any(text != RUNNING and not _is_running(text) for text in (before, after)):
        sides = [(_without_releases(one), id) for one, id in sides]
    (old, old_id), (new, new_id) = sides
    if old_id or new_id:
        pair = (old, _site(old, old_id or new_id)), (new, _site(new, new_id or old_id))
        found = site_changes(*pair)
    else:
        found = viewer_changes(old, new)
    changes = [*islice(found, CHANGES_MAX + 1)]
    _print(changes[:CHANGES_MAX], cut=len(changes) > CHANGES_MAX, as_json=as_json)
    if exit_code and changes:
        raise typer.Exit(1)


def _print(changes: list[ViewerChange], *, cut: bool, as_json: bool) -> None:
    if as_json:
        rows = [
            {name: getattr(one, name) for name in (*one.__struct_fields__, "effect")}
            for one in changes
        ]
        print_json({"changes": rows, "cut": cut})
        return
    if not changes:
        typer.echo("nothing changes for viewers")
        return
    columns = ("distribution", "where", "subject", "what", "before", "after", "effect")
    print_rows(columns, [
        (one.distribution, one.place, one.subject, one.path, _value(one.before),
         _value(one.after), one.effect)
        for one in changes
    ])  # fmt: skip
    if cut:
        typer.echo(f"... and more: the first {len(changes)} are told")


def _value(value: str | None) -> str:
    return "(default)" if value is None else value


def _is_running(text: str) -> bool:
    name, _, _ = text.partition("#")
    return name == RUNNING or not Path(name).exists()


def _read(text: str, config: Path) -> tuple[Config, str]:
    """A configuration, and the id of the distribution that is meant; empty: all."""
    name, _, id = text.partition("#")
    if name == RUNNING:
        return _running(config), id
    if Path(name).exists():
        return load_config(Path(name)), id
    if "/" in name or name.endswith(".toml"):
        refuse([f"{name}: no such file or directory"])
    return _running(config), name


def _running(path: Path) -> Config:
    import msgspec

    from edgecache.cluster.client import ControlQuestion

    answer = question_control(control_of(path), ControlQuestion("/configuration"))
    document = msgspec.json.decode(answer.body)
    return msgspec.convert(document["configuration"], Config)


def _site(config: Config, id: str) -> Distribution:
    known = {one.id: one for one in config.distributions}
    if id not in known:
        refuse([f"{id}: no such distribution (there are: {', '.join(known) or 'none'})"])
    return known[id]


def _without_releases(config: Config) -> Config:
    """Releases are control's: no file has them."""
    sites = (replace(one, releases=()) for one in config.distributions)
    return replace(config, distributions=tuple(sites))
