"""Shell blocks of one page, run one after the other in one shell, on ports that are free.

A server that a block starts without `&` runs on, as in a terminal of its own; the next block waits
until it answers. What was started is ended with the page.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.documents.blocks import Block

PAGE_S_MAX = 300
PORTS = (
    "5170",
    "5300",
    "8000",
    "8001",
    "8070",
    "8071",
    "8080",
    "8081",
    "8082",
    "8090",
    "8091",
    "8443",
    "9000",
)
_PORT = re.compile(rf"(?<![0-9.])({'|'.join(PORTS)})(?![0-9])")
_SERVER = re.compile(r"^(?:.*&& )?(?:edgecache (?:serve|up|dev|edge|control|regional)\b|uvicorn )")
_MARK = "@@@"
# What a page leaves to defaults is on ports that are free, too.
_DEFAULTS = """
edgecache() {
  case "$1" in
    serve) shift; set -- serve --listen 127.0.0.1:%(8080)s --control 127.0.0.1:%(8090)s "$@" ;;
    dev) shift; set -- dev --listen-control 127.0.0.1:%(8090)s --listen 127.0.0.1:%(8080)s \\
      --listen 127.0.0.1:%(8081)s "$@" ;;
  esac
  case "$1" in serve|dev|up|edge|control|regional|origin) exec edgecache "$@" ;; esac
  command edgecache "$@" || return
  case "$1" in
    init|import) for made in edgecache.toml */edgecache.toml; do
      [ ! -e "$made" ] || sed -i -e 's/:8080/:%(8080)s/' -e 's/:8090/:%(8090)s/' "$made"
    done ;;
  esac
}
"""


_WAIT = """
for _ in $(seq 300); do
  curl -s -o /dev/null --max-time 1 http://127.0.0.1:8080/is-it-there && break
  sleep 0.1
done
"""


@dataclass(frozen=True)
class Shell:
    """Where blocks run: a folder, the ports that stand for those of the pages, an environment."""

    folder: Path
    ports: Mapping[str, int]
    environment: Mapping[str, str]

    def local(self, text: str) -> str:
        """A text of a page with the ports that are free here."""
        return _PORT.sub(lambda found: str(self.ports[found[1]]), text)

    def run(self, blocks: Sequence[Block]) -> list[str]:
        """Run the blocks of a page; what is wrong, each with its place."""
        script = _DEFAULTS % self.ports + self.local("".join(_script(blocks)))
        code, output = self._output(script)
        parts = output.split(f"{_MARK}\n")[1:]
        run = [block for block in blocks if block.is_run]
        problems = []
        for block, said in zip(run, parts, strict=False):
            problems += [
                f"{block.name}: {self.local(text)!r} is not in its output:\n{said}"
                for text in filter(None, block.said.get("prints", "").split("; "))
                if self.local(text) not in said
            ]
        if code or len(parts) != len(run):
            last = run[max(0, len(parts) - 1)]
            problems.append(f"{last.name}: exit code {code}:\n{parts[-1] if parts else output}")
        return problems

    def _output(self, script: str) -> tuple[int, str]:
        log = self.folder / "page.log"
        with log.open("w") as opened:
            process = subprocess.Popen(
                ["bash", "-e", "-c", script],
                cwd=self.folder,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=opened,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                code = process.wait(PAGE_S_MAX)
            except subprocess.TimeoutExpired:
                code = -1
            finally:
                _end(process)
        return code, log.read_text(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the shell, and what it has started and left behind."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        for _ in range(100):
            if not _is_left(process.pid):
                return
            process.poll()
            signal.sigtimedwait([], 0.1)
    process.wait(5)


def _is_left(group: int) -> bool:
    """Whether a process of the group goes on; one that is dead and not waited for does not."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group = path.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                return True
    return False


def _script(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        if name := block.said.get("file"):
            yield f"mkdir -p \"$(dirname '{name}')\"\ncat > '{name}' <<'END_OF_FILE'\n"
            yield f"{block.text}END_OF_FILE\n"
        elif block.is_run:
            lines = _commands(block)
            if "stop" in block.said:
                yield "kill $(jobs -p) 2>/dev/null; wait\n"
            yield f"echo; echo '{_MARK}'\n"
            yield from ("set +e\n", *lines, "set -e\n") if "exits" in block.said else lines
            if any(_starts_server(line) for line in lines):
                yield _WAIT


def _commands(block: Block) -> list[str]:
    lines = block.text.replace(".venv/bin/edgecache", "edgecache").splitlines()
    if block.language == "console":
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    made = []
    for line in lines:
        plain = line.partition("  #")[0].rstrip()
        foreground = _starts_server(plain) and not plain.endswith(("&", "\\"))
        made.append(f"{plain} &\n" if foreground else f"{line}\n")
    return made


def _starts_server(line: str) -> bool:
    return _SERVER.match(line) is not None


def missing_programs(block: Block) -> list[str]:
    """What the block needs and this machine does not have."""
    return [one for one in block.said.get("needs", "").split() if shutil.which(one) is None]
