"""Commands about the database of control: state move."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecache.cli.options import DEFAULT_CONFIG, AsJson, ConfigPath, fail, load_config, print_json
from edgecache.config.model import Config, Control
from edgecache.config.secrets import SecretsError, read_secrets
from edgecache.runtime.environment import steady_clock

if TYPE_CHECKING:
    from edgecache.control.state.database import StateDatabase

SQLITE = "sqlite"
KINDS = "sqlite (the file in state_dir), env:NAME or file:PATH (a connection string of PostgreSQL)"

app = typer.Typer(no_args_is_help=True, help="The database of control.")


@app.callback()
def state() -> None:
    """The database of control."""


@app.command(epilog="Example: edgecache state move sqlite env:EDGECACHE_DATABASE")
def move(
    source: Annotated[str, typer.Argument(help=f"Where it is: {KINDS}.")],
    target: Annotated[str, typer.Argument(help="Where it is to be, with nothing there yet.")],
    config: ConfigPath = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Copy control's state to another database. Control has to be stopped.

    The former one stays as it is. Nothing that any node stored before is served afterwards.
    """
    import msgspec

    from edgecache.control.state.database import StateError
    from edgecache.control.state.move import move_state
    from edgecache.control.state.sqlite import FILE_NAME, state_lock

    found = load_config(config)
    folder = Path(found.state_dir)
    if source == SQLITE and not (folder / FILE_NAME).is_file():
        fail(f"{folder / FILE_NAME}: is not there: control has never run here")
    try:
        with contextlib.ExitStack() as held:
            if SQLITE in (source, target):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                held.enter_context(state_lock(folder, exclusive=True))
            places = [held.enter_context(_opened(found, one)) for one in (source, target)]
            moved = move_state(*places)
            names = [one.name for one in places]
    except (StateError, SecretsError) as error:
        fail(str(error))
    if as_json:
        print_json({"source": names[0], "target": names[1], **msgspec.to_builtins(moved)})
        return
    typer.echo(f"moved from {names[0]} to {names[1]}: log at {moved.last_seq}")
    for table, count in moved.rows.items():
        typer.echo(f"  {table}: {count}")
    setting = '""' if target == SQLITE else f'"{target}"'
    typer.echo(f"next: control.database = {setting}, and start control")


def _opened(config: Config, named: str) -> contextlib.closing[StateDatabase]:
    """The state of `named`, one of `KINDS`. StateError, SecretsError."""
    from edgecache.control.state.database import StateError
    from edgecache.node.control_state import open_state

    if named != SQLITE and not named.startswith(("env:", "file:")):
        raise StateError(f"{named!r} is not {KINDS}")
    control = Control(database="" if named == SQLITE else named)
    place = Config(state_dir=config.state_dir, control=control)
    secrets = read_secrets(config.state_dir, os.environ).peer.values() if control.database else ()
    return contextlib.closing(open_state(place, os.environ, steady_clock(), secrets, alone=True))
