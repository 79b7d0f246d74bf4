"""Image of a Dockerfile, built and run without an engine: its lines in a plain shell, as written.

A stage is a root of its own with this machine's Debian and Python in the place of the base image.
What is not an engine's is true: paths, users, the read-only root, the volume, privileges, network.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from tests.end_to_end.processes import Running, start
from tests.packages.dockerfile import Instruction, instructions
from tests.packages.machine_root import PATH, MachineRoot, index_environment

BASE_PYTHON = "test -e /usr/bin/python || ln -s python3 /usr/bin/python"  # as the base image has it


@dataclass(slots=True)
class Image:
    """A stage as it is built: what its instructions say, and what they did to its root."""

    root: MachineRoot
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    folder: str = "/"
    user: str = ""
    volume: str = ""
    entry_point: list[str] = field(default_factory=list)
    default: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)

    def run(self, command: str, **more: str) -> str:
        """What a line of shell in a container of it prints."""
        return self.root.run(command, self.environment | more, user=self.user, folder=self.folder)

    def start(self, place: Path, *command: str, **more: str) -> Running:
        """A container of it, as its user; without a command that of the image."""
        words = [*self.entry_point, *(command or self.default)]
        whole = self.root.command(words, self.environment | more, self.user, self.folder)
        return start(whole, place, "container")

    def is_healthy(self, **more: str) -> bool:
        """Whether its health check says so."""
        whole = self.root.command(self.health, self.environment | more, self.user, self.folder)
        return subprocess.run(whole, capture_output=True, check=False).returncode == 0

    def set_read_only(self) -> None:
        """Nothing can be written from now on but /tmp and the volume, as the image has it."""
        volume = self.volume.lstrip("/")
        self.root.mount(
            f'owner=$(stat -c "uid=%u,gid=%g,mode=%a" "$ROOT/{volume}")\n'
            f'mount -t tmpfs -o "$owner" volume "$ROOT/{volume}"\n'
            'mount -o remount,ro,bind "$ROOT"'
        )

    def set_writable(self) -> None:
        """The end of `set_read_only`."""
        self.root.mount(f'umount "$ROOT{self.volume}"; mount -o remount,rw,bind "$ROOT"')

    def obey(self, one: Instruction, context: Path, stages: Mapping[str, Image]) -> None:
        """Do what an instruction says. KeyError for one that is none of ours."""
        name, rest = one
        if name == "RUN":
            self.root.run(rest, self._building(), user=self.user, folder=self.folder)
        elif name == "COPY":
            stage, sources, target = one.copied()
            self._copy(stages[stage].root.files if stage else context, sources, target)
        elif name == "WORKDIR":
            self.folder = rest
            self.root.run(f"mkdir -p {rest}")
        elif name == "ENV":
            pairs = (word.partition("=") for word in shlex.split(rest))
            known = self.environment
            known |= {name: Template(value).safe_substitute(known) for name, _, value in pairs}
        elif name == "HEALTHCHECK":
            self.health = json.loads(rest.partition("CMD ")[2])
        elif name in ("ENTRYPOINT", "CMD"):
            setattr(self, {"ENTRYPOINT": "entry_point", "CMD": "default"}[name], json.loads(rest))
        elif name in ("USER", "VOLUME"):
            setattr(self, name.lower(), "" if rest == "root" else rest)
        elif name not in ("ARG", "EXPOSE"):
            raise KeyError(name)

    def _building(self) -> dict[str, str]:
        return self.environment | (index_environment() if self.root.network else {})

    def _copy(self, origin: Path, sources: Sequence[str], target: str) -> None:
        place = self.root.files / str(Path(self.folder, target)).lstrip("/")
        for source in sources:
            found = origin / source.lstrip("/")
            if found.is_dir():
                place.parent.mkdir(parents=True, exist_ok=True)
                command = ["cp", "-a", f"{found}/.", str(place)]  # with owners, modes and links
                subprocess.run(command, check=True)
            else:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(found, place)


def copy_repository(repository: Path, folder: Path, *only: str) -> Path:
    """What git has of it, and what stands beside that: all, or `only` these; the folder."""
    kept = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *only]
    names = subprocess.run(kept, cwd=repository, capture_output=True, text=True, check=True)
    for name in filter(None, names.stdout.split("\0")):
        if (repository / name).exists():  # else it is removed with the next commit
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(repository / name, folder / name)
    return folder


def build_context(repository: Path, folder: Path) -> Path:
    """What is sent to an engine: what `.dockerignore` lets pass."""
    said = (repository / ".dockerignore").read_text().splitlines()
    return copy_repository(repository, folder, *(line[1:] for line in said if line[:1] == "!"))


def build(file: Path, context: Path, folder: Path) -> Image:
    """The last stage of a Dockerfile. Those before it have the network; it has none."""
    lines = instructions(file.read_text())
    froms = [index for index, one in enumerate(lines) if one.name == "FROM"]
    stages: dict[str, Image] = {}
    for number, (begin, end) in enumerate(zip(froms, [*froms[1:], len(lines)], strict=True)):
        is_last = begin == froms[-1]
        image = Image(MachineRoot(folder / str(number), network=not is_last))
        image.root.run(BASE_PYTHON)
        stages[lines[begin].rest.partition(" AS ")[2] or str(number)] = image
        for one in lines[begin + 1 : end]:
            image.obey(one, context, stages)
    *before, last = stages.values()
    for image in before:
        image.root.close()
    return last
