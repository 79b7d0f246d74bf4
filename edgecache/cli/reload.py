"""`reload` and `upgrade`: what the supervisor of this machine is asked, or control where it is."""

from __future__ import annotations

import asyncio

import typer

from edgecache.cli.options import fail, refuse
from edgecache.config.model import Config


def reload(config: Config) -> None:
    """Ask the supervisor; where none runs on this machine, ask control to publish."""
    from edgecache.supervisor import control_socket as requests
    from edgecache.supervisor import reload as renewal

    try:
        told = asyncio.run(requests.ask(config.state_dir, "reload"))
    except requests.NoSupervisorError as error:
        if config.control is None:
            refuse([f"{error}, and there is no [control] to ask"])
        told = asyncio.run(renewal.reloaded(config))
    _tell(told)


def upgrade(config: Config) -> None:
    """Ask the supervisor."""
    from edgecache.supervisor import control_socket as requests

    try:
        told = asyncio.run(requests.ask(config.state_dir, "upgrade"))
    except requests.NoSupervisorError as error:
        fail(str(error))
    _tell(told)


def _tell(told: object) -> None:
    from edgecache.supervisor.reload import DONE, REFUSED, ReloadResult

    assert isinstance(told, ReloadResult)
    if told.code == REFUSED:
        refuse(list(told.lines))
    if told.code != DONE:
        fail(str(told))
    typer.echo(str(told))
