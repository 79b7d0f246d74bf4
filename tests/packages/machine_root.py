"""Root file system to change and throw away: an overlay of this machine's, in its own namespaces.

What is run in it sees this machine's programs, and no folder that tests or users have; what it
installs, writes and listens on is seen by nobody else, and gone at the end. It needs root.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.end_to_end.processes import wait_for

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OUTSIDE = "192.0.2.1"  # an address that is not loopback's (RFC 5737), where there is no network
COMMAND_S_MAX = 900.0  # of a machine with much else to do, and packages that come from afar
_HIDDEN = (
    "/tmp",
    "/root",
    "/home",
    "/var/tmp",
)  # where nothing of an image or a package may come from
_MOUNTS = """set -e
mount -t tmpfs -o mode=0755 layers {folder}
cd {folder}
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
mount --rbind /proc root/proc
mount --rbind /dev root/dev
"""
_HOLD = "".join(f"mount -t tmpfs -o mode=1777 hidden root{one}\n" for one in _HIDDEN) + (
    "exec chroot root sleep infinity"
)
_LOOPBACK = """
ip link set lo up
ip address add {outside}/32 dev lo
"""


class NoNamespacesError(RuntimeError):
    """Nothing can be mounted here; one line."""


class CommandFailedError(AssertionError):
    """A command's exit code was not 0, with what it printed."""


class MachineRoot:
    """The root, from when it is made until `close`. NoNamespacesError.

    `network`: of this machine, for what comes from a package index; else it has loopback and the
    address OUTSIDE for itself.
    """

    def __init__(self, folder: Path, *, network: bool) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        own = "" if network else _LOOPBACK.format(outside=OUTSIDE)
        script = _MOUNTS.format(folder=shlex.quote(str(folder))) + own + _HOLD
        command = ["unshare", "--mount", *([] if network else ["--net"]), "sh", "-c", script]
        self._holder = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        wait_for("a root of its own", lambda: self._holder.poll() is not None or self._is_there())
        if self._holder.poll() is not None:
            _, said = self._holder.communicate()
            raise NoNamespacesError(said.decode(errors="replace").strip())
        self.network = network

    def _is_there(self) -> bool:
        return Path(f"/proc/{self._holder.pid}/comm").read_text() == "sleep\n"

    @property
    def files(self) -> Path:
        """Its root as seen from here. Absolute links in it lead elsewhere from here."""
        return Path(f"/proc/{self._holder.pid}/root")

    def command(
        self,
        words: list[str],
        environment: Mapping[str, str] | None = None,
        user: str = "",
        folder: str = "/",
    ) -> list[str]:
        """What runs `words` in it: as root, or as a user without any privilege."""
        said = {"PATH": PATH, **(environment or {})}
        target = ["nsenter", "--target", str(self._holder.pid), "--mount", "--net", "--root"]
        less = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--no-new-privs"]
        less += ["--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all"]
        place = [
            "env",
            f"--chdir={folder}",
            "-i",
            *(f"{name}={value}" for name, value in said.items()),
        ]
        return [*target, *place, *(less if user else []), *words]

    def run(self, shell: str, environment: Mapping[str, str] | None = None, **more: str) -> str:
        """What a line of shell printed. CommandFailedError with both of its streams."""
        words = self.command(["sh", "-c", shell], environment, **more)
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=COMMAND_S_MAX, stdin=subprocess.DEVNULL
        )
        if done.returncode:
            said = f"{done.stdout}\n{done.stderr}"
            raise CommandFailedError(f"{shell}\nexit code {done.returncode}\n{said}")
        return done.stdout

    def changed(self) -> set[str]:
        """Files, links and others that differ from this machine's, but folders; not in /tmp."""
        shell = f"cd {shlex.quote(str(self._folder))}/upper && find . ! -type d ! -type c"
        target = ["nsenter", "--target", str(self._holder.pid), "--mount", "sh", "-ec", shell]
        found = subprocess.run(target, capture_output=True, text=True, check=True)
        return {line.removeprefix(".") for line in found.stdout.splitlines()}

    def mount(self, shell: str) -> None:
        """Run a line of shell in its namespace, where ROOT is the root: to mount on it."""
        pid = str(self._holder.pid)
        root = subprocess.run(
            ["readlink", f"/proc/{pid}/root"], capture_output=True, text=True, check=True
        ).stdout.strip()
        words = ["nsenter", "--target", pid, "--mount", "sh", "-ec", shell]
        subprocess.run(words, check=True, env={**os.environ, "ROOT": root})

    def close(self) -> None:
        """Its end: what runs in it has ended before."""
        self._holder.kill()
        self._holder.wait()
        if self._holder.stderr is not None:
            self._holder.stderr.close()


def index_environment() -> dict[str, str]:
    """What says where packages come from on this machine."""
    names = ("PIP_", "UV_", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "SSL_CERT")
    return {name: value for name, value in os.environ.items() if name.startswith(names)}
