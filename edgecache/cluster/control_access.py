"""Access to control from this machine. Law: by the socket file where that is ours, else a token."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from edgecache.cluster.tokens import Tokens
from edgecache.config.listen import UnixAddress, tcp_address
from edgecache.config.model import Config
from edgecache.config.secrets import (
    SecretsError,
    has_former_operators,
    load_operators,
    operators_path,
)
from edgecache.runtime.environment import wall_clock


@dataclass(frozen=True, slots=True, repr=False)
class ControlAccess:
    """Control's URL, and what admits us: `socket`, a path, or `token`, or (both empty) nothing."""

    url: str
    socket: str = ""
    token: str = ""


def control_access(config: Config) -> ControlAccess:
    """The access to control of a configuration; an empty URL when it has none."""
    url = control_url(config)
    path = control_socket(config).path
    if not url:
        return ControlAccess("")
    if os.access(path, os.W_OK):
        return ControlAccess(url, socket=path)
    return ControlAccess(url, token=_token(config))


def _token(config: Config) -> str:
    """An operator's token, if this machine and user can make one."""
    try:
        if not operators_path(config.state_dir, os.environ).exists() and not has_former_operators(
            config.state_dir, os.environ
        ):
            return ""
        keys = [*load_operators(config.state_dir, os.environ).values()]
    except SecretsError:
        return ""
    return Tokens(keys, wall_clock).issue("command-line")


def control_socket(config: Config) -> UnixAddress:
    """The socket by which the user control runs as reaches it, without a token."""
    return UnixAddress(str(Path(config.state_dir) / "control.sock"))


def control_url(config: Config) -> str:
    """Where this machine reaches control, or empty when there is none."""
    if config.control is None:
        return ""
    return tcp_address(config.control.advertise or config.control.listen).url


def supervisor_socket(state_dir: str, part: str = "") -> UnixAddress:
    """The socket of the supervisor of an installation, or of one part that runs alone."""
    name = f"{part}.up.sock" if part else "up.sock"
    return UnixAddress(str(Path(state_dir) / name))


def supervisor_sockets(state_dir: str) -> list[UnixAddress]:
    """Those of all supervisors that run here; edges last, which need the others."""
    whole = Path(supervisor_socket(state_dir).path)
    if whole.exists():
        return [UnixAddress(str(whole))]
    found = sorted(Path(state_dir).glob("*.up.sock"))
    found.sort(key=lambda path: path.name.startswith("edge-"))
    return [UnixAddress(str(path)) for path in found]
