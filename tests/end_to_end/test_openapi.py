"""The JSON side against schemathesis, which asks what its description allows, and what not."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.foreign import UnavailableError, installed, make_venv
from tests.end_to_end.installation import Installation, make_installation
from tests.end_to_end.processes import listens

SCHEMATHESIS = "4.32.5"
EXAMPLES = 6  # of each operation; the rest of its time it walks the edges of each parameter
RUN_S_MAX = 120
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,"
CHECKS += "response_schema_conformance"


@pytest.fixture(scope="module")
def control(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = make_installation(tmp_path_factory.mktemp("openapi"), workers=1)
    process = made.start("control")
    process.until("control listens", lambda: listens(made.ports.control))
    yield made
    assert process.stop() == 0
    assert "Traceback" not in process.stderr


def _install(folder: Path) -> Path:
    make_venv(folder, f"schemathesis=={SCHEMATHESIS}")
    return folder / "bin" / "schemathesis"


def test_no_question_makes_control_fail(control: Installation, tmp_path: Path) -> None:
    try:
        program = installed(f"schemathesis-{SCHEMATHESIS}", _install)
    except UnavailableError as error:
        pytest.skip(str(error))
    command = [str(program), "run", f"{control.control}/openapi.json", "--checks", CHECKS]
    code, token, wrong = control.run("token")
    assert code == 0, wrong
    command += ["--header", f"Authorization: Bearer {token.strip()}"]
    command += ["--max-examples", str(EXAMPLES), "--seed", "1", "--no-color", "--warnings", "off"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=RUN_S_MAX)
    assert done.returncode == 0, done.stdout[-5_000:]
