"""The image's lines in a plain shell: built, run with its root read-only, asked from outside.

`pytest tests/packages/image_checks.py`: a minute, and wheels of a package index.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.end_to_end.processes import Running, wait_for
from tests.measurements import tell
from tests.packages.dockerfile import instructions
from tests.packages.image import Image, build, build_context
from tests.packages.machine_root import OUTSIDE, CommandFailedError, NoNamespacesError

ROOT = Path(__file__).resolve().parent.parent.parent
ASK = "curl --silent --fail-with-body --max-time 20"
VIEW = f"{ASK} -H 'Host: localhost'"
OPEN = {"EDGECACHE_CONTROL_LISTEN": "0.0.0.0:8090"}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    folder, began = tmp_path_factory.mktemp("image"), time.monotonic()
    context = build_context(ROOT, folder / "context")
    try:
        made = build(ROOT / "Dockerfile", context, folder / "stages")
    except NoNamespacesError as error:
        pytest.skip(f"nothing can be mounted here: {error}")
    tell(f"the image: built in {time.monotonic() - began:.0f} s")
    made.set_read_only()
    yield made
    made.root.close()


@contextlib.contextmanager
def running(image: Image, folder: Path, *command: str, **more: str) -> Iterator[Running]:
    """A container of it, once it is healthy."""
    process = image.start(folder, *command, **more)
    try:
        wait_for("it is healthy", lambda: process.popen.poll() is not None or image.is_healthy())
        assert process.popen.poll() is None, process.stderr
        yield process
    finally:
        assert process.stop() == 0, process.stderr
    assert not image.is_healthy()


def test_it_serves_from_outside_as_nobody_and_writes_to_its_volume_alone(
    image: Image, tmp_path: Path
) -> None:
    with running(image, tmp_path) as process:
        asked = [image.run(f"{VIEW} -o /dev/null -D - http://{OUTSIDE}:8080/") for _ in range(2)]
        assert ["Hit from" in one for one in asked] == [False, True], asked
        image.run(f"{VIEW} http://{OUTSIDE}:8081/")
        with pytest.raises(CommandFailedError, match="exit code 7"):  # nobody listens there
            image.run(f"{ASK} http://{OUTSIDE}:8090/health")
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert "Uid:\t10001\t10001\t10001\t10001" in status
        assert "CapEff:\t0000000000000000" in status
        with pytest.raises(CommandFailedError, match="Read-only file system"):
            image.root.run("touch /opt/edgecache/more")
    assert image.run(f"ls {image.volume}").split()


def test_control_is_reached_from_outside_by_the_environment(image: Image, tmp_path: Path) -> None:
    with running(image, tmp_path, **OPEN):
        token = image.run("edgecache token", **OPEN).strip()
        url = f"http://{OUTSIDE}:8090"
        nodes = json.loads(image.run(f"{ASK} -H 'Authorization: Bearer {token}' {url}/nodes"))
        assert nodes
        with pytest.raises(CommandFailedError, match="exit code 22"):
            image.run(f"{ASK} {url}/nodes")
        image.run("edgecache invalidate EDEMO00000001 '/*'", **OPEN)


def test_a_setting_that_the_environment_has_not_is_told_with_its_place(image: Image) -> None:
    with pytest.raises(CommandFailedError, match=r"site\.toml:\d+:1: state_dir: WHERE is not set"):
        image.run(
            'cd "$(mktemp -d)" &&'
            " edgecache init --origin http://127.0.0.1:1 -c site.toml >&2 &&"
            " sed -i 's|^state_dir = .*|state_dir = \"${WHERE}\"|' site.toml &&"
            " edgecache check -c site.toml"
        )


def test_roles_of_compose_are_healthy(image: Image, tmp_path: Path) -> None:
    """examples/one-site: each command with its environment, file and health check."""
    folder = ROOT / "examples" / "one-site"
    services: dict[str, Any] = yaml.safe_load((folder / "compose.yaml").read_text())["services"]
    image.set_writable()
    image.root.run(f"echo 127.0.0.1 origin.example.com {' '.join(services)} >> /etc/hosts")
    target = image.root.files / "etc" / "edgecache" / "edgecache.toml"
    target.write_text((folder / "edgecache.toml").read_text())
    image.set_read_only()
    with contextlib.ExitStack() as stack:
        for name, service in services.items():
            place = tmp_path / name
            place.mkdir()
            image.health = service["healthcheck"]["test"][1:]
            stack.enter_context(
                running(image, place, *service["command"], **service["environment"])
            )
        image.run("edgecache nodes list", EDGECACHE_CONFIG="/etc/edgecache/edgecache.toml")


def test_dev_mode_s_image(image: Image, tmp_path: Path) -> None:
    folder = ROOT / "examples" / "dev"
    image.set_writable()
    for one in instructions((folder / "Dockerfile").read_text()):
        if one.name not in ("ARG", "FROM"):
            image.obey(one, folder, {})
    (image.root.files / "etc/edgecache/ready.d/1-tell.sh").write_bytes(
        (folder / "ready.d" / "1-tell.sh").read_bytes()
    )
    image.set_read_only()
    with running(image, tmp_path) as process:
        assert "0 s ahead" in process.stderr
        ready = f"{ASK} -H 'Host: edgecache:8090' http://{OUTSIDE}:8090/_edgecache/ready"
        assert json.loads(image.run(ready)) == {"ready": True}
