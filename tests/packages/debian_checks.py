"""The Debian package: built, installed, used, removed and purged in a root of its own.

`pytest tests/packages/debian_checks.py`: a minute or two, and wheels of a package index.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecache import __version__
from tests.end_to_end.processes import start, wait_for
from tests.measurements import tell
from tests.packages.image import copy_repository
from tests.packages.machine_root import (
    CommandFailedError,
    MachineRoot,
    NoNamespacesError,
    index_environment,
)

ROOT = Path(__file__).resolve().parent.parent.parent
UNIT = "/usr/lib/systemd/system/edgecache.service"
CONFIG = "/etc/edgecache/edgecache.toml"
FILE = "/home/edgecache.deb"  # there: hidden from what `changed` tells
ASK = "curl --silent --fail --max-time 20 -o /dev/null -D - http://127.0.0.1:8080/a"
ORIGIN = (
    'cd "$(mktemp -d)"; echo hello > a; touch -d 2020-01-01 a; exec python3 -m http.server 8000'
)
ACCOUNTS = [
    f"/etc/{name}"
    for name in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid", ".pwd.lock")
]


def made_root(folder: Path, *, network: bool) -> MachineRoot:
    try:
        return MachineRoot(folder, network=network)
    except NoNamespacesError as error:
        pytest.skip(f"nothing can be mounted here: {error}")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, began = tmp_path_factory.mktemp("debian"), time.monotonic()
    root = made_root(folder / "root", network=True)
    copy_repository(ROOT, root.files / "srv/edgecache")
    (name,) = root.run(
        "/srv/edgecache/deploy/debian/build.sh /srv/out", index_environment()
    ).split()
    package = folder / Path(name).name
    shutil.copy(root.files / name.lstrip("/"), package)
    root.close()
    size = package.stat().st_size / 2**20
    tell(f"the Debian package: {size:.0f} MiB, built in {time.monotonic() - began:.0f} s")
    return package


@pytest.fixture
def root(package: Path, tmp_path: Path) -> Iterator[MachineRoot]:
    made = made_root(tmp_path / "root", network=False)
    shutil.copy(package, made.files / FILE.lstrip("/"))
    yield made
    made.close()


def serve_once(root: MachineRoot, folder: Path) -> None:
    """What the unit starts, as its user, in front of an origin: a miss and a hit."""
    line = root.run(f"sed -n 's/^ExecStart=//p' {UNIT}")
    origin = start(root.command(["sh", "-c", ORIGIN]), folder, "origin")
    process = start(root.command(line.split(), user="edgecache"), folder, "edgecache")
    try:
        heads = wait_for("it serves", lambda: answered(root))
        assert "Miss from" in heads
        assert "Hit from" in root.run(ASK)
        assert root.run("stat -c '%U %a' /var/lib/edgecache") == "edgecache 700\n"
    finally:
        assert process.stop() == 0, process.stderr
        origin.stop()


def answered(root: MachineRoot) -> str:
    """The head of its answer; empty as long as there is none."""
    try:
        return root.run(ASK)
    except CommandFailedError:
        return ""


def test_it_is_installed_used_removed_and_purged(root: MachineRoot, tmp_path: Path) -> None:
    told = root.run(f"dpkg -i {FILE}")
    assert f"name your origin in {CONFIG}" in told
    assert root.run("edgecache --version") == f"edgecache {__version__}\n"
    root.run("edgecache check --config " + CONFIG)
    assert ".TH" in root.run("zcat /usr/share/man/man1/edgecache-up.1.gz")
    assert root.run(f"systemd-analyze verify {UNIT} 2>&1") == ""
    assert root.run(f"stat -c '%U:%G %a' {CONFIG}") == "root:edgecache 640\n"
    written = f"--config {CONFIG} --state-dir /var/lib/edgecache --force"
    root.run(f"edgecache init --origin http://127.0.0.1:8000 {written}")
    serve_once(root, tmp_path)
    root.run(f"dpkg -i {FILE}")  # once more: an upgrade
    assert "http_port = 8000" in root.run(f"cat {CONFIG}")
    root.run("dpkg -r edgecache")
    assert CONFIG in root.changed()
    assert [path for path in root.changed() if path.startswith("/usr/")] == []
    assert root.run("ls /var/lib/edgecache").split()
    root.run("dpkg -P edgecache")
    others = ("/var/lib/dpkg/", "/var/log/", "/var/cache/man/", "/run/")  # not ours
    left = {path for path in root.changed() if not path.startswith(others)}
    assert {path.rstrip("-") for path in left} <= set(ACCOUNTS), left
    for folder in ("/etc", "/var/lib", "/usr/lib", "/usr/share/doc"):
        root.run(f"test ! -e {folder}/edgecache")
    with pytest.raises(CommandFailedError):
        root.run("id edgecache")


def test_what_is_in_it_is_root_s_and_names_no_folder_it_was_built_in(root: MachineRoot) -> None:
    listed = root.run(f"dpkg-deb --contents {FILE}").splitlines()
    assert {line.split()[1] for line in listed} == {"root/root"}
    assert [line for line in listed if line.split()[0][8] == "w" and line[0] != "l"] == []
    root.run(f"dpkg -i {FILE}")
    with pytest.raises(CommandFailedError, match="exit code 1"):
        root.run("grep -rIl -e /srv/edgecache -e tmp/tmp /usr/lib/edgecache")
