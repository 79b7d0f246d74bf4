"""Rule files: what rules need of the files that a configuration names, read again when they change.

IP sets of access lists, users and the hashes of their passwords. Each machine reads its own. Law: a
file that cannot be used leaves what was read before, and says so in one line; where nothing was,
who asks by it is refused. A changed file is read once it has stood still from one look to the next,
so that one that is being written is not taken for whole; and in another thread, since it may hold
500,000 lines.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address
from threading import Lock
from typing import Any, NamedTuple

from msgspec.structs import replace

from edgecache.config.htpasswd import read_htpasswd
from edgecache.config.listen import tcp_address
from edgecache.config.model import MIB, Config, Location
from edgecache.config.networks import read_networks
from edgecache.config.problems import BrokenLinesError
from edgecache.node.secret_watch import FileStamp, file_stamp
from edgecache.rules.routing import NO_FILES, RuleFiles
from edgecache.rules.viewer.access_list import compile_access_list, compile_ip_sets
from edgecache.rules.viewer.trusted_proxies import TrustedProxies

logger = logging.getLogger("edgecache.server")

HTPASSWD_BYTES_MAX = 4 * MIB  # 10,000 users
IP_SET_BYTES_MAX = 32 * MIB  # 500,000 lines with a word about each


class RuleFileKind(NamedTuple):
    """One kind of rule file: which field of `RuleFiles` has them, and how they are read."""

    content: str
    named: Callable[[Config], Iterable[tuple[str, str]]]  # place in the configuration, and path
    read: Callable[[str], Any]  # of its text; BrokenLinesError
    bytes_max: int


def _ip_set_files(config: Config) -> Iterator[tuple[str, str]]:
    for index, one in enumerate(config.ip_sets):
        if one.file:
            yield f"ip_sets[{index}].file", one.file


def _htpasswd_files(config: Config) -> Iterator[tuple[str, str]]:
    for index, site in enumerate(config.distributions):
        places = [(f"behaviors[{n}]", one) for n, one in enumerate(site.behaviors)]
        for place, behavior in (*places, ("default_behavior", site.default_behavior)):
            if behavior.basic_auth is not None:
                yield f"distributions[{index}].{place}.basic_auth.file", behavior.basic_auth.file


KINDS = (
    RuleFileKind("ip_sets", _ip_set_files, read_networks, IP_SET_BYTES_MAX),
    RuleFileKind("htpasswd", _htpasswd_files, read_htpasswd, HTPASSWD_BYTES_MAX),
)

Key = tuple[str, str]  # the kind's content, and the path


class RuleFileWatch:
    """The rule files of one process. `use` and `look` block on the disk: call them in a thread."""

    def __init__(self, config: Config) -> None:
        self.contents: RuleFiles = NO_FILES
        self._lock = Lock()
        self._named: dict[Key, tuple[str, RuleFileKind]] = {}  # to the place in the configuration
        self._good: dict[Key, Any] = {}
        self._seen: dict[Key, FileStamp] = {}  # at the last look
        self._tried: dict[Key, FileStamp] = {}  # as it was when it was read, or could not be
        self._failed: dict[Key, bool] = {}  # to whether each look tries it again
        self.use(config)

    def use(self, config: Config) -> None:
        """Read the files that `config` names, as far as they were not read as they are now.

        What the former configuration names stays, until the next one: it is in force for a moment.
        """
        with self._lock:
            former, self._named = (
                self._named,
                {
                    (kind.content, path): (where, kind)
                    for kind in KINDS
                    for where, path in kind.named(config)
                },
            )
            for key in [key for key in self._good if key not in self._named | former]:
                del self._good[key]
            for key in self._named:
                stamp = self._seen[key] = file_stamp(key[1])
                if key not in self._tried or stamp != self._tried[key]:
                    self._read(key, stamp)
            for known in (self._tried, self._seen, self._failed):
                for key in [key for key in known if key not in self._named]:
                    del known[key]
            self._publish()

    def look(self) -> bool:
        """Read the files that have changed; whether what rules need of them has."""
        with self._lock:
            changed = False
            for key in self._named:
                before, stamp = self._seen.get(key), file_stamp(key[1])
                self._seen[key] = stamp
                settled = stamp == before and stamp != self._tried.get(key)
                if settled or self._failed.get(key):
                    changed |= self._read(key, stamp)
            if changed:
                self._publish()
            return changed

    def _read(self, key: Key, stamp: FileStamp) -> bool:
        """Take over what a file holds; one that cannot be used is told of once as it is."""
        where, kind = self._named[key]
        told = key in self._failed and self._tried[key] == stamp
        self._tried[key] = stamp
        try:
            self._good[key] = read_rule_file(kind, key[1])
        except (OSError, ValueError) as error:
            self._failed[key] = isinstance(error, OSError)
            if not told:
                rest = "what was read of it before stays in force"
                if key not in self._good:
                    rest = "until it can be read, nobody is let in by what names it"
                logger.error("%s: %s; %s", where, problem_line(key[1], error), rest)
            return False
        if self._failed.pop(key, None) is not None:
            logger.warning("%s: %s is read again", where, key[1])
        return True

    def _publish(self) -> None:
        by_kind: dict[str, dict[str, Any]] = {kind.content: {} for kind in KINDS}
        for (content, path), good in self._good.items():
            by_kind[content][path] = good
        self.contents = replace(NO_FILES, **by_kind)


def read_rule_file(kind: RuleFileKind, path: str) -> Any:
    """What the file at `path` holds. OSError; ValueError, and of lines BrokenLinesError."""
    with open(path, "rb", opener=_open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("is not a file")
        data = file.read(kind.bytes_max + 1)
    if len(data) > kind.bytes_max:
        raise ValueError(f"is larger than {kind.bytes_max} bytes")
    return kind.read(data.decode("utf-8", "backslashreplace"))


def _open_at_once(path: str, flags: int) -> int:
    """A pipe has no end to wait for."""
    return os.open(path, flags | os.O_NONBLOCK)


def unread_rule_files(config: Config) -> list[str]:
    """A line for each problem of a rule file that a checked configuration names."""
    lines = []
    for kind in KINDS:
        for where, path in kind.named(config):
            try:
                read_rule_file(kind, path)
            except (OSError, ValueError) as error:
                lines += [f"{where}: {line}" for line in problem_lines(path, error)]
    return lines


def unasked_locations(config: Config) -> list[str]:
    """A line for each location whose access list shuts out its own machine.

    The supervisor asks there whether a worker answers, and control what it has. Of a configuration
    that is checked, and whose files can be read.
    """
    files = {path: read_rule_file(KINDS[0], path) for _, path in _ip_set_files(config)}
    ip_sets = compile_ip_sets(config.ip_sets, files)
    lines = []
    for index, location in enumerate(config.locations):
        own = asked_from(location)
        if location.access_list is None or not own:
            continue
        if TrustedProxies(location.trusted_proxies).trusts(own):
            continue
        if not compile_access_list(location.access_list, ip_sets).admits(own):
            lines.append(
                f"locations[{index}].access_list: shuts out {own}, from where this machine asks "
                "whether workers answer: let it in by a rule with a low number"
            )
    return lines


def asked_from(location: Location) -> str:
    """The address this machine has towards a location of its own; "": it is not known here."""
    listen = tcp_address(location.listen)
    try:
        family = IPv6Address if ":" in listen.host else IPv4Address
        own = family(listen.host)
    except ValueError:
        return "127.0.0.1" if listen.host == "localhost" else ""
    if own.is_unspecified or own.is_loopback:
        return "::1" if own.version == 6 else "127.0.0.1"
    return str(own)


def problem_lines(path: str, error: Exception) -> Iterator[str]:
    """What is wrong with the file at `path`, a line for each of its lines that is told."""
    if isinstance(error, BrokenLinesError):
        *others, last = [f"{path}:{number}: {why}" for number, why in error.lines]
        yield from others
        yield f"{last} (and {error.more} more)" if error.more else last
    elif isinstance(error, OSError):
        yield f"{(error.strerror or str(error)).lower()}: {path}"
    else:
        yield f"{error}: {path}"


def problem_line(path: str, error: Exception) -> str:
    """The same in one line."""
    if not isinstance(error, BrokenLinesError):
        return next(problem_lines(path, error))
    number, why = error.lines[0]
    more = len(error.lines) - 1 + error.more
    return f"{path}:{number}: {why}" + (f" (and {more} more)" if more else "")
