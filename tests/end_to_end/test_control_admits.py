"""Who control lets in: its owner by the socket file, over TCP a token; figures are for all here."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.installation import Installation, make_installation
from tests.end_to_end.processes import listens
from tests.end_to_end.viewers import curl


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = make_installation(tmp_path_factory.mktemp("admits"), workers=1)
    process = made.start("control")
    process.until("control listens", lambda: listens(made.ports.control))
    yield made
    assert process.stop() == 0, process.stderr


def local(control: Installation, path: str, *options: str) -> int:
    """The status over the socket file."""
    return curl(f"http://localhost{path}", "--unix-socket", str(control.socket), *options).status


@pytest.mark.parametrize("path", ["/distributions", "/stats", "/invalidations/ESITE"])
def test_what_shows_content(control: Installation, path: str) -> None:
    url = f"{control.control}{path}"
    assert local(control, path) == 200
    assert local(control, path, "-H", "Via: 1.1 proxy") == 401
    assert curl(url).status == 401
    assert curl(url, "-H", "X-Forwarded-For: 192.0.2.7").status == 401
    code, token, _ = control.run("token")
    assert (code, curl(url, "-H", f"Authorization: Bearer {token.strip()}").status) == (0, 200)


def test_what_changes_something(control: Installation) -> None:
    assert curl(f"{control.control}/reload", "-X", "POST").status == 401
    assert local(control, "/reload", "-X", "POST") == 200
    wish = ("-d", '{"distribution": "ESITE", "paths": ["/a"]}')
    assert curl(f"{control.control}/invalidations", *wish).status == 401
    assert local(control, "/invalidations", *wish) == 201
    assert local(control, "/log") == 401  # that is for nodes


def test_the_api_of_cloudfront(control: Installation) -> None:
    assert curl(f"{control.control}/2020-05-31/distribution").status == 403
    assert local(control, "/2020-05-31/distribution") == 200


@pytest.mark.parametrize("path", ["/health", "/metrics", "/nodes", "/docs", "/openapi.json"])
def test_figures(control: Installation, path: str) -> None:
    url = f"{control.control}{path}"
    assert (curl(url).status, local(control, path)) == (200, 200)
    assert curl(url, "-H", "Via: 1.1 proxy").status == 401


def test_the_socket_file_is_its_owners_alone(control: Installation) -> None:
    facts = control.socket.stat()
    assert stat.S_ISSOCK(facts.st_mode)
    assert stat.S_IMODE(facts.st_mode) == 0o600


def test_commands_need_no_secrets_where_the_socket_is(
    control: Installation, tmp_path: Path
) -> None:
    secrets, away = control.state / "secrets.json", tmp_path / "secrets.json"
    secrets.rename(away)
    try:
        for command in (("nodes", "list"), ("stats",), ("release", "list", "ESITE")):
            code, _, wrong = control.run(*command)
            assert code == 0, (command, wrong)
    finally:
        away.rename(secrets)
