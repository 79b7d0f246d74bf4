"""Privileges: root is given up for the configured user.

Law: once every address is bound, nothing here runs as root that was told not to.

Ports below 1024 are root's to bind; all else a process of ours does needs no privilege.
"""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edgecache.config.listen import Address, UnixAddress
from edgecache.config.model import Config
from edgecache.config.secrets import FILE_NAME, OPERATORS_NAME
from edgecache.runtime.inherited import ListenSockets, listen_sockets

ROOT = 0


class PrivilegesError(Exception):
    """This process cannot become the user of the configuration; the message says why."""


@dataclass(frozen=True, slots=True)
class Identity:
    """User and groups to run as; `groups` are all the user is in."""

    uid: int
    gid: int
    groups: tuple[int, ...]


def account_identity(user: str, group: str) -> Identity:
    """Ids of a user and group by name. PrivilegesError when there is no such account."""
    try:
        account = pwd.getpwnam(user)
        gid = grp.getgrnam(group).gr_gid if group else account.pw_gid
    except KeyError as error:
        raise PrivilegesError(f"process: {error.args[0]}") from error
    return Identity(account.pw_uid, gid, tuple(os.getgrouplist(user, gid)))


def drop_privileges(config: Config, bound: Iterable[Address] = ()) -> None:
    """Become the user of `config`, for good; the socket files in `bound` become its own.

    So does the folder of our state at a first start, with the secrets just made in it. Who is not
    root stays who he is, and is refused when the file names somebody else.
    """
    if not config.process.user:
        return
    wanted = account_identity(config.process.user, config.process.group)
    if os.geteuid() != ROOT:
        if os.geteuid() != wanted.uid:
            raise PrivilegesError(missing_privileges(config)[0])
        return
    paths = [address.path for address in bound if isinstance(address, UnixAddress)]
    if os.stat(config.state_dir).st_uid == ROOT:  # else others may have put there what they liked
        names = ("", FILE_NAME, OPERATORS_NAME)
        paths += [os.path.join(config.state_dir, name) for name in names]
    for path in paths:
        if os.path.lexists(path) and os.lstat(path).st_uid == ROOT:
            os.chown(path, wanted.uid, wanted.gid, follow_symlinks=False)
    os.setgroups(wanted.groups)  # first, while it is allowed
    os.setgid(wanted.gid)
    os.setuid(wanted.uid)
    if os.getresuid() != (wanted.uid,) * 3 or os.getresgid() != (wanted.gid,) * 3:
        raise PrivilegesError("process.user: privileges were not given up")


def open_sockets(config: Config, addresses: Sequence[Address]) -> ListenSockets:
    """Bind every address, then give up root: nobody needs to be it from here on."""
    sockets = listen_sockets(addresses)
    drop_privileges(config, addresses)
    return sockets


def missing_privileges(config: Config) -> list[str]:
    """A line when this process may not become the user of `config`."""
    if not config.process.user:
        return []
    try:
        wanted = account_identity(config.process.user, config.process.group)
    except PrivilegesError as error:
        return [str(error)]
    if os.geteuid() not in (ROOT, wanted.uid):
        return [f"process.user: only root can become {config.process.user}"]
    return []
