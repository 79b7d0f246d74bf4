"""Access to control: where it is, and what admits us there.

Law: on its own machine by the socket file where that is ours, else by a token; from anywhere by
what the environment says, without a file. `EDGECACHE_CONTROL` is `HOST[:PORT]` or a URL, or several
with commas, of which the first in reach is asked;
`EDGECACHE_ACCESS_KEY_ID` and `EDGECACHE_SECRET_ACCESS_KEY`, or `EDGECACHE_TOKEN`, admit;
`EDGECACHE_CA_FILE` names the authorities that are trusted instead of the system's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from edgecache.cluster.credentials import NAME_SERVER
from edgecache.cluster.tokens import Tokens
from edgecache.config.checks.configuration import own_addresses
from edgecache.config.listen import Address, TcpAddress, UnixAddress, speaks_tls, tcp_address
from edgecache.config.model import Config
from edgecache.config.secrets import (
    SecretsError,
    has_former_operators,
    load_operators,
    operators_path,
)
from edgecache.rules.sigv4 import Credential
from edgecache.runtime.environment import wall_clock

URL_ENV = "EDGECACHE_CONTROL"
KEY_ENV = ("EDGECACHE_ACCESS_KEY_ID", "EDGECACHE_SECRET_ACCESS_KEY")
TOKEN_ENV = "EDGECACHE_TOKEN"
CA_ENV = "EDGECACHE_CA_FILE"
REGION = "us-east-1"  # CloudFront's, for every region
SERVICE = "cloudfront"  # as Signature Version 4 calls it
PORT = 8090  # of `control.listen` by default
URL_FORM = "HOST[:PORT], http://HOST[:PORT] or https://HOST[:PORT]"

_HEADER = re.compile(r"[\x21-\x7e]{1,512}")  # a value of a credential: one word of a header's


class AccessError(Exception):
    """What the environment says of control cannot be used: one line."""


@dataclass(frozen=True, slots=True, repr=False)
class ControlAccess:
    """Control's URL, and what admits us: a socket's path, a token, an access key, or nothing.

    `ca_file` holds the authorities that are trusted over TLS; empty: the system's. `others` are
    URLs of other controls of the installation, to be asked when this one is out of reach.
    """

    url: str
    socket: str = ""
    token: str = ""
    key: Credential | None = None
    ca_file: str = ""
    others: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether nothing admits us but that a program of the same machine asks."""
        return not (self.socket or self.token or self.key)


def environment_access(env: Mapping[str, str]) -> ControlAccess | None:
    """Access as the environment says, None where it names no control. AccessError."""
    named = env.get(URL_ENV, "")
    if not named:
        return None
    key, token = environment_credentials(env)
    url, *others = [read_url(one) for one in named.split(",")]
    return ControlAccess(url, "", token, key, env.get(CA_ENV, ""), tuple(others))


def environment_credentials(env: Mapping[str, str]) -> tuple[Credential | None, str]:
    """The access key and the token of the environment; the key comes before the token."""
    id, secret = (env.get(name, "") for name in KEY_ENV)
    token = env.get(TOKEN_ENV, "")
    if bool(id) is not bool(secret):
        here, lacking = KEY_ENV if id else reversed(KEY_ENV)
        raise AccessError(f"{here} is set and {lacking} is not")
    for name, value in zip((*KEY_ENV, TOKEN_ENV), (id, secret, token), strict=True):
        if value and not _HEADER.fullmatch(value):
            raise AccessError(f"{name}: not 1-512 printable characters without blanks")
    if id:
        return Credential(id, secret, REGION, SERVICE), ""
    return None, token


def read_url(text: str) -> str:
    """The URL of control that `EDGECACHE_CONTROL` names. AccessError.

    Without a scheme loopback is asked by HTTP, and everybody else by HTTPS: a token that goes over
    a network in clear is everybody's.
    """
    if not _HEADER.fullmatch(text):
        raise AccessError(f"{URL_ENV}: {text[:80]!r} is not {URL_FORM}")
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        host, port = parts.hostname or "", PORT if parts.port is None else parts.port
    except ValueError as error:
        raise AccessError(f"{URL_ENV}: {text!r}: {error}") from None
    rest = (
        parts.path.strip("/") or parts.query or parts.fragment or parts.username or parts.password
    )
    good = re.fullmatch(r"[A-Za-z0-9._:-]+", host) and port and not rest
    if not good or parts.scheme not in ("", "http", "https"):
        raise AccessError(f"{URL_ENV}: {text!r} is not {URL_FORM}")
    if parts.scheme and parts.port is None:
        port = 443 if parts.scheme == "https" else 80
    address = TcpAddress(host, port)
    scheme = parts.scheme or ("http" if address.is_loopback else "https")
    return f"{scheme}://{address}"


def control_access(config: Config) -> ControlAccess:
    """The access to control of a configuration; an empty URL when it has none."""
    path = control_socket(config).path
    if not control_url(config):
        return ControlAccess("")
    if os.access(path, os.W_OK):
        return ControlAccess(local_url(control_url(config)), socket=path)
    url, *others = control_urls(config)
    ca_file = os.environ.get(CA_ENV, "")
    return ControlAccess(url, "", _token(config), None, ca_file, tuple(others))


def local_url(url: str) -> str:
    """Control's URL for who asks at its socket file, where nobody speaks TLS."""
    return url.replace("https:", "http:", 1)


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
    return url_at(config, config.control.advertise or config.control.listen)


def control_urls(config: Config) -> tuple[str, ...]:
    """Where this machine reaches each control of its installation; none where there is none."""
    if config.control is None:
        return ()
    named = config.control.addresses
    return tuple(url_at(config, one) for one in named) or (control_url(config),)


def url_at(config: Config, address: str) -> str:
    """The URL of a control of this installation at HOST:PORT."""
    assert config.control is not None
    secured = config.control.certificate_file or speaks_tls(config.control, config)
    url = tcp_address(address).url
    return url.replace("http:", "https:", 1) if secured else url


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


def installation_addresses(config: Config) -> list[Address]:
    """Every address of this installation, its supervisors' and control's socket files included."""
    parts = ["", "control", "bucket", *(one.place for one in config.regional_tier)]
    parts += [f"edge-{location.name}" for location in config.locations]
    parts += [] if config.dns is None else [NAME_SERVER]
    sockets = (supervisor_socket(config.state_dir, part) for part in parts)
    return [*own_addresses(config), *sockets, control_socket(config)]
