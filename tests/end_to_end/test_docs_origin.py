"""docs/origin.md as it is written: its applications run behind the CDN, and admit nobody else."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgecache.config.secrets import load_secrets
from edgecache.origin.identity import HEADER, IdentitySigner
from edgecache.runtime.environment import wall_clock
from tests.end_to_end.foreign import UnavailableError, installed, make_venv
from tests.end_to_end.installation import ROOT, Up, make_installation, start_up
from tests.end_to_end.processes import free_ports, listens, start, wait_for
from tests.end_to_end.viewers import curl

FASTAPI = "0.121.0"
_SITE = """
[[distributions]]
id = "EDOCS"
aliases = ["docs.test"]
default_behavior = {{ origin = "app", cache_policy = {{ ttl_s_max = 0, ttl_s_default = 0 }} }}
custom_error_responses = [{{ error_code = 502, error_caching_ttl_s_min = 0 }}]

[[distributions.origins]]
id = "app"
domain_name = "127.0.0.1"
http_port = {port}
access = "identity"
connection_attempts = 1
"""


def code_under(heading: str) -> str:
    """The first Python block of a section of the document."""
    text = (ROOT / "docs" / "origin.md").read_text()
    section = re.split(rf"^#+ {heading}$", text, flags=re.MULTILINE)[1]
    found = re.search(r"^```python\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    assert found is not None
    return found[1]


class Documented:
    """An installation whose site asks a port of ours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (self.port,) = free_ports(1)
        installation = make_installation(folder, workers=1)
        text = installation.config.read_text() + _SITE.format(port=self.port)
        installation.config.write_text(text)
        self.up: Up = start_up(installation)
        self.direct = f"http://127.0.0.1:{self.port}/"

    @contextmanager
    def running(self, name: str, code: str) -> Iterator[None]:
        """Uvicorn with an application of the document, on the port."""
        folder = self.folder / name
        folder.mkdir()
        (folder / "app.py").write_text(code.replace("app.internal", "127.0.0.1"))
        told, keys, error = self.up.installation.run("secrets", "origin", "127.0.0.1")
        assert told == 0, error
        (folder / "identity.json").write_text(keys)
        python = installed(f"fastapi-{FASTAPI}", _install_fastapi)
        # The gate needs no more of ours than its own folder, and no package but these.
        command = ["/usr/bin/env", f"PYTHONPATH={ROOT}", str(python), "-m", "uvicorn", "app:app"]
        process = start([*command, "--port", str(self.port)], folder, "uvicorn")
        process.until("the application listens", lambda: listens(self.port))
        try:
            yield
        finally:
            process.stop()
            wait_for("the port is free", lambda: not listens(self.port))


def _install_fastapi(folder: Path) -> Path:
    make_venv(folder, f"fastapi=={FASTAPI}", "uvicorn>=0.34", "itsdangerous>=2.2")
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Documented]:
    try:
        installed(f"fastapi-{FASTAPI}", _install_fastapi)
    except UnavailableError as error:
        pytest.skip(str(error))
    found = Documented(tmp_path_factory.mktemp("documented"))
    yield found
    assert found.up.process.stop() == 0, found.up.process.stderr


@pytest.mark.parametrize("framework", ["Starlette", "FastAPI"])
def test_as_it_is_written(documented: Documented, framework: str) -> None:
    with documented.running(framework, code_under(framework)):
        for edge in (documented.up.lhr, documented.up.nrt):
            answer = curl(f"{edge}/", "-H", "Host: docs.test")
            assert (answer.status, b"through the gate" in answer.body) == (200, True)
        direct = curl(documented.direct)
        assert (direct.status, b"<Code>AccessDenied</Code>" in direct.body) == (403, True)


def test_a_replay_is_refused(documented: Documented) -> None:
    code = code_under("Starlette")
    keys = load_secrets(documented.up.installation.state, os.environ).identity
    host = f"127.0.0.1:{documented.port}".encode()
    with documented.running("window", code):
        ((name, value),) = IdentitySigner(keys, wall_clock).sign(b"GET", host, b"/")
        assert name == HEADER
        field = f"{name.decode()}: {value.decode()}"
        statuses = [curl(documented.direct, "-H", field).status for _ in range(3)]
        assert statuses == [200, 403, 403]
        assert curl(f"{documented.up.lhr}/", "-H", "Host: docs.test").status == 200
