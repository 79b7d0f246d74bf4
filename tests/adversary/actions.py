"""Actions: what an episode does, one small record each, as they stand in a replay's file.

Law: an episode is its actions. `{e}` in a path stands for a name of its own each time it is
played, so that it meets nothing that another, or it itself before, has left.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

SiteName = Literal["serve", "cf", "rfc"]
Place = Literal["lhr", "nrt", "tls"]
Framing = Literal["length", "chunked", "close"]
Fault = Literal["", "silent", "short", "reset", "stall", "rubbish"]
Signed = Literal[
    "", "url", "cookies", "native", "short", "expired", "stranger", "tampered", "another",
    "address", "early", "prefix", "host", "native expired", "native another", "native stranger",
]  # fmt: skip
Pace = Literal["at once", "bytes", "halves"]


class Action(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=str.lower):
    """One step of an episode."""


class Page(Action, frozen=True, kw_only=True):
    """From now on the origin answers `path` like this. `cache`: its Cache-Control."""

    path: str = "/{e}/a"
    status: int = 200
    cache: str = "max-age=600"
    vary: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    tagged: bool = True  # it has an ETag
    cookie: bool = True  # it has a Set-Cookie
    honors: bool = True  # ranges and conditions count
    mistaken: bool = False  # its 304 names another answer than was asked about
    for_ranges: int = 0  # the status of what it answers to a Range; 0: as it is
    size: int = 40
    framing: Framing = "length"
    fault: Fault = ""
    head_s: float = 0.0  # it takes its time before the head
    body_s: float = 0.0  # and between head and body
    pieces: int = 1  # of the body


class Ask(Action, frozen=True, kw_only=True):
    """A viewer asks. `later`: what comes next does not wait for the answer."""

    path: str = "/{e}/a"
    site: SiteName = "serve"
    at: Place = "lhr"
    method: str = "GET"
    who: str = ""  # whose credentials are presented
    credentials: tuple[str, ...] = ()  # of "authorization", "cookie"
    fields: tuple[tuple[str, str], ...] = ()
    tag: Literal["", "if-none-match", "if-range"] = ""  # with the newest ETag this viewer may know
    signed: Signed = ""
    body: str = ""
    named: bool = True  # the request has an id of its own; else its bytes may come again
    pace: Pace = "at once"
    leaves_after: int = -1  # bytes of the answer; -1: it stays
    later: bool = False
    times: int = 1
    every_s: float = 0.0  # between them


class Wait(Action, frozen=True, kw_only=True):
    """So many seconds pass; without a number until all who asked are answered."""

    seconds: float = 0.0


class Invalidate(Action, frozen=True, kw_only=True):
    """An operator invalidates, and waits for Completed."""

    site: SiteName = "cf"
    paths: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()
    soft: bool = False
    later: bool = False


class Release(Action, frozen=True, kw_only=True):
    """An operator makes the next release of a pattern current."""

    site: SiteName = "cf"
    pattern: str = "/{e}/*"


class Disturb(Action, frozen=True, kw_only=True):
    """Something befalls the installation: a row of `disturbances`."""

    what: str
    seconds: float = 0.0


class Attack(Action, frozen=True, kw_only=True):
    """Many connections at once: a row of `attacks`."""

    what: str
    site: SiteName = "cf"
    at: Place = "lhr"
    count: int = 100
    seconds: float = 1.0
    size: int = 1_000
    addresses: int = 1  # that they come from


Any = Page | Ask | Wait | Invalidate | Release | Disturb | Attack
Episode = tuple[Any, ...]


class Replay(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that shows a finding: `python -m tests.adversary --replay FILE`."""

    finding: str = ""
    seed: str = ""
    actions: Episode = ()


def write_replay(file: Path, replay: Replay) -> None:
    """One line for each action."""
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [msgspec.json.encode(action).decode() for action in replay.actions]
    head = msgspec.json.encode(Replay(finding=replay.finding, seed=replay.seed)).decode()
    first = head[:-1] + ("," if len(head) > 2 else "")
    file.write_text(first + '"actions":[\n' + ",\n".join(rows) + "\n]}\n")


def read_replay(file: Path) -> Replay:
    """msgspec.ValidationError says what is wrong with it."""
    return msgspec.json.decode(file.read_bytes(), type=Replay)


def is_loud(episode: Episode) -> bool:
    """Whether it has to be alone: what it does to the installation others would feel."""
    return any(isinstance(action, Disturb | Attack) for action in episode)
