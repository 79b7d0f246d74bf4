"""The real world, started once for all tests that leave it as it was."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.installation import Up, make_installation, start_up
from tests.end_to_end.nginx import Nginx, start_nginx
from tests.end_to_end.processes import (
    EDGECACHE,
    Running,
    free_ports,
    raise_file_limit,
    start,
    stop_all,
)
from tests.end_to_end.scripted_origin import PlayedOrigin
from tests.end_to_end.tree import File, make_tree

HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here starts real processes."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.end_to_end)


@pytest.fixture(scope="session", autouse=True)
def world() -> Iterator[None]:
    """Descriptors for a thousand viewers; and whatever a failed start left behind is stopped.

    A shell that runs the tests in the background has them, and all they start, ignore SIGINT.
    """
    raise_file_limit()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    stop_all()


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder nginx serves."""
    return tmp_path_factory.mktemp("tree")


@pytest.fixture(scope="session")
def files(root: Path) -> list[File]:
    """What is in it."""
    return make_tree(root)


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Iterator[Nginx]:
    """A real web server as origin."""
    started = start_nginx(tmp_path_factory.mktemp("nginx"), root)
    yield started
    assert started.process.stop() == 0


@pytest.fixture(scope="session")
def played() -> Iterator[PlayedOrigin]:
    """An origin the tests play."""
    origin = PlayedOrigin(free_ports(1)[0])
    origin.start()
    yield origin
    origin.stop()


@pytest.fixture(scope="session")
def up(
    tmp_path_factory: pytest.TempPathFactory, nginx: Nginx, played: PlayedOrigin
) -> Iterator[Up]:
    """Two edge locations, a regional cache, control, and three sites."""
    folder = tmp_path_factory.mktemp("up")
    running = start_up(make_installation(folder, nginx.port, played.port))
    yield running
    assert running.process.stop() == 0, running.process.stderr
    assert not running.installation.left_running()


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory, nginx: Nginx) -> Iterator[str]:
    """`edgecache serve` in front of nginx; its URL."""
    folder = tmp_path_factory.mktemp("serve")
    process, port = start_serve(folder, nginx.port)
    yield f"http://127.0.0.1:{port}"
    assert process.stop() == 0, process.stderr


@pytest.fixture(scope="session")
def served_play(
    tmp_path_factory: pytest.TempPathFactory, played: PlayedOrigin
) -> Iterator[tuple[Running, int]]:
    """`edgecache serve` in front of the played origin, and its port."""
    process, port = start_serve(tmp_path_factory.mktemp("served_play"), played.port)
    yield process, port
    assert process.stop() == 0, process.stderr


def start_serve(folder: Path, origin: int, semantics: str = "rfc9111") -> tuple[Running, int]:
    """One caching tier, and its port."""
    port, control = free_ports(2)
    command = (*EDGECACHE, "serve", f"http://127.0.0.1:{origin}", f"--listen=127.0.0.1:{port}")
    options = (f"--state-dir={folder / 'state'}", f"--semantics={semantics}")
    more = (f"--control=127.0.0.1:{control}",)
    process = start((*command, *options, *more), folder, "serve")
    process.until("all of it answers", lambda: "is served at" in process.stdout)
    return process, port
