"""Sources of a configuration: its file, `conf.d/*.toml` beside it, `--set` and the environment.

Law: a value comes from one place, and a problem with it is told there. Tables of several files are
one, their lists of tables follow each other in the order of the files' names, and anything else is
said once. `--set` comes last and may say it again. Then `${NAME}` and `${NAME:-default}` in text
are what the environment has; `$${` is `${`.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from edgecache.config.document_positions import DocumentPositions
from edgecache.config.problems import (
    ConfigError,
    Problem,
    Problems,
    enclosing,
    joined,
    listed,
    quoted,
)
from edgecache.config.toml_positions import TomlPositions

FILE_BYTES_MAX = 16 * 1024 * 1024  # 500 distributions of 75 behaviors (CloudFront's quotas) fit
FOLDER = "conf.d"
FILES_MAX = 1_000  # two for each distribution
SET_ENV = "EDGECACHE_SET"  # --set on its way to processes that a command starts: a list as JSON
SET: Final = "--set"

_YAML = re.compile(rb"(?:\s|#[^\n]*\n|---)*[A-Za-z_][A-Za-z0-9_-]*:(?:\s|$)")
_REFERENCE = re.compile(r"\$?\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})?")
_STEP = re.compile(r'(?:(?:^|\.)(?:([A-Za-z0-9_-]+)|"([^"]+)"))|\[([^\]]+)\]')
# What a line about a value begins with; the name of a document, or an id, is in parentheses.
_PLACE = re.compile(r"[a-z_]+(?:\[[0-9]+\]|\([^()]*\)|\.[A-Za-z0-9_]+)*")


class EnvironmentText(str):
    """The text of a value that the file does not spell: a number where a number is wanted."""

    __slots__ = ()

    def scalar(self) -> object:
        """What TOML would make of it; the text itself where that is no number and no boolean."""
        try:
            value = tomllib.loads(f"v = {self}")
        except tomllib.TOMLDecodeError:
            return str(self)
        single = value["v"] if len(value) == 1 else None
        return single if isinstance(single, bool | int | float) else str(self)


@dataclass(slots=True)
class Sources:
    """All of a configuration as one table, and the file of each of its places."""

    path: Path
    table: dict[str, Any] = field(default_factory=dict)
    several: bool = False  # whether a problem has to say in which file it is
    _places: dict[str, tuple[str, str]] = field(default_factory=dict)  # to file, and place there
    _positions: dict[str, TomlPositions | None] = field(default_factory=dict)  # by file
    _documents: DocumentPositions = field(init=False)

    def __post_init__(self) -> None:
        self._documents = DocumentPositions(self.path.absolute().parent)

    def locate(self, where: str) -> tuple[str, str]:
        """The file of a place in the whole, and the place in that file."""
        for prefix in reversed(enclosing(where)):
            if prefix in self._places:
                file, place = self._places[prefix]
                return file, place + where[len(prefix) :]
        return self.path.name, where

    def located(self, problem: Problem) -> Problem:
        """A problem with its file, and where in it; of the file as a whole where nowhere."""
        file, where = problem.file, problem.where  # it may say so itself
        position = problem.position or self._documents.position(self.table, where)
        if not file:
            file, where = self.locate(where)
        named = file if self.several else ""
        position = position or self._position(file, where.partition("(")[0])
        return Problem(where, problem.message, problem.code, named, position)

    def _position(self, file: str, where: str) -> str:
        """`FILE:LINE:COLUMN` of a place in a file; empty: it has none."""
        if file not in self._positions:
            self._positions[file] = None if file == SET else _positions(self.path.parent / file)
        positions = self._positions[file]
        found = None if positions is None else positions.position(where)
        return "" if found is None else f"{file}:{found[0]}:{found[1]}"

    def located_line(self, line: str) -> str:
        """A line about a value, `place: message`, in the same way."""
        place, colon, message = line.partition(": ")
        if not colon or not _PLACE.fullmatch(place):
            return line
        return self.located(Problem(place, message)).shown

    def merge(self, table: dict[str, Any], file: str, problems: Problems) -> None:
        """Take another file in."""
        self.several = True
        self._merge(self.table, table, ("", ""), file, problems)

    def _merge(
        self,
        whole: dict[str, Any],
        more: dict[str, Any],
        places: tuple[str, str],
        file: str,
        problems: Problems,
    ) -> None:
        """`places`: of the two tables, in the whole and in the file."""
        for key, value in more.items():
            place, own = (joined(one, key) for one in places)
            if key not in whole:
                whole[key] = value
                self._places[place] = file, own
            elif isinstance(whole[key], dict) and isinstance(value, dict):
                self._merge(whole[key], value, (place, own), file, problems)
            elif _are_tables(whole[key]) and _are_tables(value):
                for index in range(len(value)):
                    after = f"{place}[{len(whole[key]) + index}]"
                    self._places[after] = file, f"{own}[{index}]"
                whole[key] = [*whole[key], *value]
            else:
                other, _ = self.locate(place)
                problems.found.append(Problem(own, f"is set in {other}, too", file=file))

    def set(self, assignment: str, problems: Problems) -> None:
        """Take in `PATH=VALUE`: `control.listen=0.0.0.0:8090`, `locations[LHR50].workers=4`.

        The value is TOML, or else text as it stands.
        """
        self.several = True
        path, equals, text = assignment.partition("=")
        steps = [one or two or three for one, two, three in _STEP.findall(path)]
        if not equals or not steps or _STEP.sub("", path):
            problem = f"{quoted(assignment)} is not PATH=VALUE (like control.listen=0.0.0.0:8090)"
            problems.found.append(Problem("", problem, file=SET))
            return
        where = ""
        inner: Any = self.table
        for number, step in enumerate(steps):
            key = _key(inner, step)
            if key is None:
                self._not_there(inner, path, step, problems)
                return
            where = joined(where, key) if isinstance(key, str) else f"{where}[{key}]"
            if number == len(steps) - 1:
                inner[key] = _set_value(text)
            else:
                inner = inner.setdefault(key, {}) if isinstance(inner, dict) else inner[key]
        for place in [one for one in self._places if where in enclosing(one)]:
            del self._places[place]
        self._places[where] = SET, where

    def _not_there(self, inner: Any, path: str, step: str, problems: Problems) -> None:
        known = ""
        if isinstance(inner, list):
            names = [name for one in inner for name in _names(one)]
            known = f" (known: {listed(names)}; or a number below {len(inner)})"
        problems.found.append(Problem(path, f"{quoted(step)} is not there{known}", file=SET))


def read_sources(path: Path, env: Mapping[str, str]) -> Sources:
    """What the file at `path`, those beside it and `env` say together.

    ConfigError when they cannot be read as one.
    """
    sources, problems = Sources(path, parse(path)), Problems()
    for file in included(path):
        sources.merge(parse(file), f"{FOLDER}/{file.name}", problems)
    for assignment in _assignments(path, env):
        sources.set(assignment, problems)
    sources.table = _substituted(sources.table, "", env, problems)
    if problems.found:
        raise ConfigError(path, [sources.located(one) for one in problems.found])
    return sources


def included(path: Path) -> list[Path]:
    """The files of `conf.d` beside a file, in the order of their names."""
    try:
        found = sorted((path.absolute().parent / FOLDER).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ConfigError(
            path, [Problem("", f"{FOLDER}: {(error.strerror or '').lower()}")]
        ) from None
    files = [one for one in found if one.suffix == ".toml" and not one.name.startswith(".")]
    if len(files) > FILES_MAX:
        raise ConfigError(path, [Problem("", f"{FOLDER}: more than {FILES_MAX} files")])
    return files


def parse(file: Path) -> dict[str, Any]:
    """The table in a TOML file. ConfigError."""
    try:
        with file.open("rb") as opened:
            data = opened.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigError(file, [Problem("", reason)]) from error
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(file, [Problem("", f"larger than {FILE_BYTES_MAX} bytes")])
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(file, [Problem("", f"not UTF-8 (at line {line})")]) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        reason = str(error)
        message = f"not TOML: {reason[:1].lower()}{reason[1:]}"
        if _YAML.match(data):
            message += "; this looks like YAML: a table is [NAME], a value NAME = VALUE"
        raise ConfigError(file, [Problem("", message)]) from error


def _positions(file: Path) -> TomlPositions | None:
    """Where the values of a file are, which was read before; None: it is gone."""
    try:
        return TomlPositions(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError):
        return None


def _assignments(path: Path, env: Mapping[str, str]) -> list[str]:
    try:
        found = json.loads(env.get(SET_ENV, "[]"))
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ConfigError(path, [Problem(SET_ENV, 'is not a list like ["control.listen=..."]')])
    return found


def _set_value(text: str) -> Any:
    """A list, a table or quoted text of TOML; else what the setting wants makes of it."""
    try:
        table = tomllib.loads(f"v = {text}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return EnvironmentText(text)
    value = table["v"] if len(table) == 1 else None
    return value if isinstance(value, dict | list | str) else EnvironmentText(text)


def _key(inner: Any, step: str) -> str | int | None:
    """The key of a table, or the index of an entry by number, id or name; None: there is none."""
    if isinstance(inner, dict):
        return step
    if not isinstance(inner, list):
        return None
    by_name = (index for index, one in enumerate(inner) if step in _names(one))
    if (index := next(by_name, None)) is not None:
        return index
    return int(step) if step.isdecimal() and int(step) < len(inner) else None


def _names(entry: Any) -> list[str]:
    """What a list's entry may be called by."""
    return (
        [entry[name] for name in ("id", "name") if name in entry] if isinstance(entry, dict) else []
    )


def _are_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _substituted(value: Any, where: str, env: Mapping[str, str], problems: Problems) -> Any:
    """A value with what the environment has in each of its texts."""
    if isinstance(value, dict):
        return {
            key: _substituted(one, joined(where, key), env, problems) for key, one in value.items()
        }
    if isinstance(value, list):
        return [
            _substituted(one, f"{where}[{index}]", env, problems) for index, one in enumerate(value)
        ]
    if isinstance(value, str) and "${" in value:
        return _substituted_text(value, where, env, problems)
    return value


def _substituted_text(text: str, where: str, env: Mapping[str, str], problems: Problems) -> str:
    def said(match: re.Match[str]) -> str:
        if match[0].startswith("$$"):
            return match[0][1:]
        name, default = match[1], match[2]
        if name is None:
            problem = f'{quoted(text)}: "${{" begins no "${{NAME}}" ("$${{" is the text itself)'
            problems.add(where, problem)
            return ""
        if default is not None:
            return env.get(name) or default  # as a shell has it
        if name not in env:
            problem = f'{name} is not set in the environment (or say "${{{name}:-default}}")'
            problems.add(where, problem)
        return env.get(name, "")

    whole = _REFERENCE.fullmatch(text)
    result = _REFERENCE.sub(said, text)
    return EnvironmentText(result) if whole and not text.startswith("$$") else result
