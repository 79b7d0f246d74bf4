"""Checks of real-time logs: known fields, a stream for each, a place for each stream."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from urllib.parse import SplitResult, urlsplit

from edgecache.config.checks.log_delivery import OF_THIS_MACHINE
from edgecache.config.model import Behavior, Config
from edgecache.config.observation import RealtimeLog, RealtimeLogStream
from edgecache.config.problems import Problem, ProblemCode, Problems, listed, quoted
from edgecache.observe.realtime_log import CLOUDFRONT_FIELDS, REALTIME_FIELDS

STREAMS_MAX = 16  # each has a connection of each process
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_STREAM = re.compile(r"[!-~]{1,512}")
_WAYS = "tcp://HOST:PORT, unix:/PATH, file:/PATH, http://… or https://…"


def check_realtime_logs(config: Config, problems: Problems) -> None:
    """Every stream, every log, and the logs that behaviors name."""
    streams = _check_streams(config, problems)
    names: set[str] = set()
    for index, log in enumerate(config.realtime_logs):
        where = f"realtime_logs[{index}]"
        if not NAME.fullmatch(log.name):
            problems.add(f"{where}.name", f"{quoted(log.name)} is not 1-64 of A-Z a-z 0-9 _ -")
        elif log.name in names:
            problems.add(f"{where}.name", f"{quoted(log.name)} is named twice", ProblemCode.TAKEN)
        names.add(log.name)
        if log.stream not in streams:
            known = f" (known: {listed(sorted(streams))})" if streams else ""
            trouble = f"no realtime_log_streams of the file has {quoted(log.stream)}{known}"
            problems.add(f"{where}.stream", trouble, ProblemCode.UNKNOWN)
        _check_fields(log, where, problems)
    for where, behavior in _behaviors(config):
        if behavior.realtime_log and behavior.realtime_log not in names:
            known = f" (known: {listed(sorted(names))})" if names else ""
            trouble = f"{quoted(behavior.realtime_log)} is not a real-time log{known}"
            problems.add(f"{where}.realtime_log", trouble, ProblemCode.UNKNOWN)


def realtime_log_warnings(config: Config) -> Iterator[Problem]:
    """Lines on their way where others can read them."""
    for index, stream in enumerate(config.realtime_log_streams):
        url = urlsplit(stream.to)
        there = url.scheme in ("http", "tcp")
        if there and not (url.hostname or "").startswith(OF_THIS_MACHINE):
            yield Problem(
                f"realtime_log_streams[{index}].to",
                f"addresses of viewers and what they asked for go in clear: by {url.scheme}",
            )


def _check_streams(config: Config, problems: Problems) -> set[str]:
    if len(config.realtime_log_streams) > STREAMS_MAX:
        words = f"{len(config.realtime_log_streams)} are more than {STREAMS_MAX}"
        problems.add("realtime_log_streams", words)
    names: set[str] = set()
    for index, stream in enumerate(config.realtime_log_streams):
        where = f"realtime_log_streams[{index}]"
        if not _STREAM.fullmatch(stream.stream):
            trouble = f"{quoted(stream.stream)} is not the name of a stream"
            problems.add(f"{where}.stream", trouble)
        elif stream.stream in names:
            problems.add(f"{where}.stream", f"{quoted(stream.stream)} is named twice")
        names.add(stream.stream)
        if wrong := _place_problem(stream):
            problems.add(f"{where}.to", wrong)
        if stream.ca_file and not stream.to.startswith("https:"):
            problems.add(f"{where}.ca_file", "is of an https:// URL")
    return names


def _place_problem(stream: RealtimeLogStream) -> str:
    """Why `to` is no place; never with what may be a secret in it."""
    try:
        url = urlsplit(stream.to)
        has_port = url.port is not None
    except ValueError:
        return f"is not one of {_WAYS}"
    if url.username is not None or url.password is not None:
        return "has a user in it: a URL is told in metrics and logs"
    if not re.fullmatch(r"[!-~]+", stream.to) or not _is_place(url, has_port=has_port):
        return f"{quoted(stream.to)} is not one of {_WAYS}"
    return ""


def _is_place(url: SplitResult, *, has_port: bool) -> bool:
    if url.scheme in ("unix", "file"):
        return not url.netloc and url.path.startswith("/") and not (url.query or url.fragment)
    if url.scheme == "tcp":
        return bool(url.hostname) and has_port and not (url.path or url.query or url.fragment)
    return url.scheme in ("http", "https") and bool(url.hostname) and not url.fragment


def _check_fields(log: RealtimeLog, where: str, problems: Problems) -> None:
    for index, name in enumerate(log.fields):
        place = f"{where}.fields[{index}]"
        if name in CLOUDFRONT_FIELDS and name not in REALTIME_FIELDS:
            problems.add(place, f"{quoted(name)} is not known of requests here")
        elif name not in REALTIME_FIELDS:
            near = get_close_matches(name, REALTIME_FIELDS, 1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(REALTIME_FIELDS)}"
            problems.add(place, f"{quoted(name)} is not a field; {hint}")
        elif name in log.fields[:index]:
            problems.add(place, f"{quoted(name)} is named twice")


def _behaviors(config: Config) -> Iterator[tuple[str, Behavior]]:
    for index, site in enumerate(config.distributions):
        where = f"distributions[{index}]"
        yield f"{where}.default_behavior", site.default_behavior
        for number, behavior in enumerate(site.behaviors):
            yield f"{where}.behaviors[{number}]", behavior
