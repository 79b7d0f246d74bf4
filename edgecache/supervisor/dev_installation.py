"""Installation of dev mode: what it runs on, its sockets, and what its ready folder holds.

Law: nothing of it is beside what is for viewers of the world (`production_settings`). It starts
empty, in a folder that is its own. A port of 0 is bound here and handed on, so that of two that
start at once neither takes the other's.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from edgecache.config.listen import Address, TcpAddress, parse_listen, reaches_out, tcp_address
from edgecache.config.model import Config
from edgecache.config.site_file import toml
from edgecache.runtime.dev_mode import DevMode, make_dev_mode
from edgecache.runtime.inherited import bind
from edgecache.runtime.stderr_log import say, warn
from edgecache.supervisor.child import Child

FOLDER = "dev"  # below the folder that is named: all in it is removed at a start
FILE = "dev.toml"
IMPORTED = "template"  # the folder that is made of one
CONTROL = "127.0.0.1:8090"
LOCATIONS = ("LHR50", "NRT57")
PORT_FIRST = 8080  # of the first location; the others follow it
PROXIES = ("127.0.0.0/8", "::1/128")  # a test says whose request it is: X-Forwarded-For, -Proto
HOOK_S_MAX = 120.0
STARTED_BY = {".sh": ("/bin/sh",), ".py": (sys.executable,)}
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@dataclass(frozen=True, slots=True)
class DevOptions:
    """What the command was asked for. `listen` are addresses of `locations`, in their order."""

    folder: Path
    control: str = CONTROL
    listen: Sequence[str] = ()
    locations: Sequence[str] = LOCATIONS
    names: Sequence[str] = ()  # Hosts that control is asked by, beside those of loopback
    load: str = ""  # [ID=]FILE.json, FILE.toml, or a template
    seed: int | None = None
    public: bool = False  # whether other machines may reach it


@dataclass(slots=True)
class DevInstallation:
    """Dev mode of a supervisor: its memory, sockets that are bound already, who may reach it."""

    mode: DevMode
    sockets: dict[Address, list[socket.socket]] = field(default_factory=dict)
    public: bool = False


class DevOptionsError(Exception):
    """Options that cannot be used: one line for each."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = list(lines)
        super().__init__("\n".join(lines))


def production_settings(config: Config, *, public: bool = False) -> Iterator[str]:
    """A line for each setting that says that an installation is for more than tests."""
    if config.control is None:
        yield "there is no [control], which it is asked by"
    else:
        named = {
            "control.database": config.control.database,
            "control.addresses": config.control.addresses,
            "control.certificate_file": config.control.certificate_file,
        }
        yield from (f"{where}: is for more than tests" for where, value in named.items() if value)
    if config.certificates == "acme":
        yield "certificates: no authority is to be asked for what tests make"
    if config.cluster.mutual_tls:
        yield "cluster.mutual_tls: is for several machines"
    if config.reserve is not None:
        yield "reserve: what is in it outlives a reset"
    if config.process.user:
        yield "process.user: is for who is started by root"
    for where, text in _addresses(config):
        if not public and reaches_out(parse_listen(text, config.state_dir)):
            yield f"{where}: {text} is not on loopback, and admits anybody (--public allows it)"


def _addresses(config: Config) -> Iterator[tuple[str, str]]:
    if config.control is not None:
        yield "control.listen", config.control.listen
    for where, cache in config.regional_parts.items():
        yield f"{where}.listen", cache.listen
    for index, location in enumerate(config.locations):
        yield f"locations[{index}].listen", location.listen
        if location.listen_tls:
            yield f"locations[{index}].listen_tls", location.listen_tls
    if config.bucket is not None:
        yield "bucket.listen", config.bucket.listen


def install(options: DevOptions) -> tuple[DevInstallation, Path, list[str]]:
    """Make the folder and bind free ports: the installation, its file, and what `--set` would say.

    DevOptionsError.
    """
    lines = [*_wrong_addresses(options)]
    if lines:
        raise DevOptionsError(lines)
    try:
        folder = _emptied(options.folder / FOLDER)
        file = _loaded_file(options, folder)
        made = DevInstallation(make_dev_mode(options.seed), {}, options.public)
        addresses = [_bound(text, made.sockets) for text in (options.control, *_listen(options))]
    except OSError as error:
        where = error.filename or options.folder
        raise DevOptionsError([f"{where}: {(error.strerror or str(error)).lower()}"]) from error
    return made, file, [*_assignments(options, folder, addresses)]


def _wrong_addresses(options: DevOptions) -> Iterator[str]:
    if options.listen and len(options.listen) != len(options.locations):
        yield (
            f"--listen: {len(options.listen)} addresses for {len(options.locations)} locations"
            f" ({', '.join(options.locations)})"
        )
    for option, text in (
        ("--listen-control", options.control),
        *(("--listen", text) for text in options.listen),
    ):
        try:
            tcp_address(f"{text[:-1]}1" if text.endswith(":0") else text)
        except ValueError as error:
            yield f"{option}: {text} {error}"


def _listen(options: DevOptions) -> Sequence[str]:
    if options.listen:
        return options.listen
    return [f"127.0.0.1:{PORT_FIRST + n}" for n in range(len(options.locations))]


def _emptied(folder: Path) -> Path:
    """The folder, with nothing in it. Only one that this has made is emptied. OSError."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / FILE).is_file():
            raise OSError(None, f"is not empty, and has no {FILE} of a dev mode before", folder)
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def _loaded_file(options: DevOptions, folder: Path) -> Path:
    """The file to run on: that of `--load`, or one that names the document of it."""
    id, equals, name = options.load.rpartition("=")
    document = Path(name).absolute() if name else None
    if document is not None and document.suffix == ".toml" and not equals:
        return document
    text = "# Made by `edgecache dev`, anew at each of its starts.\n"
    if document is not None and not equals and _is_template(document):
        (folder / FILE).write_text(text, encoding="utf-8")
        return _imported(document, folder / IMPORTED)
    if document is not None:
        id = id or "".join(one for one in document.stem if one.isalnum() or one in "-_")
        text += f"[[distributions]]\nid = {toml(id)}\nfile = {toml(str(document))}\n"
    file = folder / FILE
    file.write_text(text, encoding="utf-8")
    return file


def _is_template(document: Path) -> bool:
    """Whether it is one of CloudFormation, rather than CloudFront's document. OSError."""
    if document.suffix in (".template", ".yaml", ".yml"):
        return True
    try:
        found = json.loads(document.read_bytes())
    except (ValueError, RecursionError):  # who loads it says what is wrong
        return False
    return isinstance(found, dict) and "Resources" in found


def _imported(template: Path, folder: Path) -> Path:
    """The file of a template's import, as `edgecache import` makes it. DevOptionsError, OSError."""
    from edgecache.control.migration.folder import MAIN, FolderSettings, write_folder
    from edgecache.control.migration.resource_documents import MigrationError
    from edgecache.control.migration.template import read_template, read_template_file

    try:
        read = read_template_file(template.read_text("utf-8", "replace"), template.name)
        documents = read_template(read, template.name, parameters={}, attributes={})
        write_folder(documents, folder, FolderSettings(), replace=False)
    except MigrationError as error:
        hint = "where it needs values: edgecache import FILE --into DIR, then --load DIR/" + MAIN
        raise DevOptionsError([*str(error).splitlines(), hint]) from None
    return folder / MAIN


def _bound(text: str, sockets: dict[Address, list[socket.socket]]) -> TcpAddress:
    """An address; one of port 0 is bound to a free one. OSError."""
    if not text.endswith(":0"):
        return tcp_address(text)
    host = text.rpartition(":")[0].strip("[]")
    made = bind(TcpAddress(host, 0))
    address = TcpAddress(host, made.getsockname()[1])
    sockets[address] = [made]
    return address


def _assignments(
    options: DevOptions, folder: Path, addresses: Sequence[TcpAddress]
) -> Iterator[str]:
    """Values in place of a file's, as `--set` takes them."""
    control, *viewers = addresses
    yield f"state_dir={toml(str(folder / 'state'))}"
    yield f"control.listen={toml(str(control))}"
    yield "control.allow_private_origins=true"
    yield f"control.names={_list(options.names)}"
    if options.public:
        yield "cluster.mutual_tls=false"
    yield 'regional={listen = "unix:regional.sock"}'
    tables = ", ".join(
        f"{{name = {toml(name)}, listen = {toml(str(at))}, trusted_proxies = {_list(PROXIES)}}}"
        for name, at in zip(options.locations, viewers, strict=True)
    )
    yield f"locations=[{tables}]"


def _list(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(toml, texts))}]"


def addresses_told(children: Sequence[Child]) -> dict[str, object]:
    """Where everything is, for programs: URLs of control and the locations, and the regional's."""
    urls = {
        child.location or child.role: child.address.url
        for child in children
        if isinstance(child.address, TcpAddress)
    }
    regional = [str(child.address) for child in children if child.role == "regional"]
    return {
        "control": urls.get("control", ""),
        "locations": {one.location: urls[one.location] for one in children if one.location},
        "regional": regional[0] if regional else "",
    }


def write_whole(path: Path, document: Mapping[str, object]) -> None:
    """Write JSON so that nobody reads a part of it. OSError."""
    made = path.with_name(f".{path.name}.new")
    made.write_text(json.dumps(document) + "\n", encoding="utf-8")
    made.replace(path)


@dataclass(slots=True)
class ReadyFolder:
    """Programs that prepare an installation once it answers: `*.sh` and `*.py`, by their names.

    Where one fails, nothing is ready, and all is stopped.
    """

    folder: Path
    mode: DevMode
    environment: Mapping[str, str]
    problem: str = ""  # what went wrong, if something did
    _running: subprocess.Popen[bytes] | None = None
    _stopped: bool = False

    def start(self, stop: Callable[[], None]) -> None:
        """Run them one after another beside the loop; `stop` is called where one fails."""
        Thread(target=self._run, args=(stop,), name="ready.d", daemon=True).start()

    def stop(self) -> None:
        """End what runs."""
        self._stopped = True
        if self._running is not None and self._running.poll() is None:
            self._running.kill()

    def programs(self) -> list[Path]:
        """The programs, in order. OSError."""
        found = (path for path in self.folder.iterdir() if path.suffix in STARTED_BY)
        return sorted(path for path in found if path.is_file())

    def _run(self, stop: Callable[[], None]) -> None:
        try:
            self.problem = next(filter(None, map(self._problem_of, self.programs())), "")
        except OSError as error:
            self.problem = f"{self.folder}: {(error.strerror or str(error)).lower()}"
        if self._stopped:
            return
        if self.problem:
            warn(self.problem)
            stop()
        else:
            self.mode.prepared()

    def _problem_of(self, program: Path) -> str:
        """Run a program: what went wrong with it, if something did."""
        if self._stopped:
            return ""
        say(f"{program} runs")
        self._running = subprocess.Popen(
            [*STARTED_BY[program.suffix], str(program)],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
        )
        try:
            code = self._running.wait(HOOK_S_MAX)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()
            return f"{program}: not done after {HOOK_S_MAX:g} s"
        return f"{program}: exited with {code}" if code else ""
