"""Terraform makes, reads back, changes and destroys a store, its keys, a function, a distribution.

The wire that it speaks is in `tests/control/cloudfront/test_functions_terraform.py`, without it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgecache.config.secrets import load_operators
from edgecache.control.cloudfront.authentication import AccessKey, access_keys
from tests.end_to_end.foreign import UnavailableError
from tests.end_to_end.installation import Up, make_installation, start_up
from tests.end_to_end.processes import wait_for
from tests.end_to_end.terraform import PLAN_IS_EMPTY, Terraform, make_terraform
from tests.end_to_end.viewers import curl
from tests.rules.private.signers import RSA

ANSWERS = "function handler(event) { return { statusCode: 410, statusDescription: 'Gone' }; }\n"
EVERY = Path(__file__).with_name("every_resource.tf")
NOBODY = b"No distribution answers"
DESTROY = ("destroy", "-auto-approve")
APPLY = ("apply", "-auto-approve")


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    installation = make_installation(tmp_path_factory.mktemp("terraform"), workers=1)
    running = start_up(installation)
    yield running
    assert running.process.stop() == 0, running.process.stderr


def terraform(up: Up, folder: Path, hosts: str = "") -> Terraform:
    """Terraform in a folder that is not there yet, asking this control; skips where it cannot."""
    try:
        return make_terraform(folder, key_of(up), hosts)
    except UnavailableError as error:
        pytest.skip(str(error))


def key_of(up: Up) -> AccessKey:
    return access_keys(load_operators(up.installation.state, {}))[-1]


def done(made: Terraform, *arguments: str, **variables: object) -> str:
    """What a command said that went well."""
    code, said = made.run(*arguments, **variables)
    assert code == 0, said
    return said


def test_a_distribution_with_a_function_lives_from_apply_to_destroy(up: Up, tmp_path: Path) -> None:
    made = terraform(up, tmp_path / "site")
    (made.folder / "keys.tf").unlink()  # it has the next test
    given = {"control": up.installation.control, "origin_port": up.installation.ports.bucket}
    assert "3 added, 0 changed, 0 destroyed" in done(made, *APPLY, **given)
    code, said = made.run("plan", "-detailed-exitcode", **given)
    assert code == PLAN_IS_EMPTY, said
    domain = done(made, "output", "-raw", "domain")
    assert domain.endswith(".cloudfront.net")

    def answers() -> set[tuple[int, bool]]:
        """Of both locations: a status, and whether a distribution had it."""
        found = [curl(url, "-H", f"Host: {domain}") for url in (up.lhr, up.nrt)]
        return {(one.status, NOBODY not in one.body) for one in found}

    assert answers() == {(403, True)}  # the bucket's, which admits nobody
    (made.folder / "answers.js").write_text(ANSWERS)
    changed = given | {"code_file": "answers.js", "comment": "two"}
    assert "0 added, 3 changed, 0 destroyed" in done(made, *APPLY, **changed)
    wait_for("every edge runs the other", lambda: answers() == {(410, True)})
    code, said = made.run("plan", "-detailed-exitcode", **changed)
    assert code == PLAN_IS_EMPTY, said
    assert "3 destroyed" in done(made, *DESTROY, **changed)
    wait_for("no edge has it", lambda: answers() == {(403, False)})


def test_every_resource_and_the_keys_of_stores_live_from_apply_to_destroy(
    up: Up, tmp_path: Path
) -> None:
    made = terraform(up, tmp_path / "every", "127.0.0.1 localhost 000000000000.localhost\n")
    shutil.copy(EVERY, made.folder)
    (made.folder / "key.pem").write_text(RSA.public_pem)
    given = {"control": f"http://localhost:{up.installation.ports.control}"}
    try:
        assert "16 added" in done(made, *APPLY, **given)
    except UnavailableError as error:
        pytest.skip(str(error))
    code, said = made.run("plan", "-detailed-exitcode", **given)
    assert code == PLAN_IS_EMPTY, said
    changed = given | {"target": "/newer"}
    assert "0 added, 1 changed" in done(made, *APPLY, **changed)
    assert "PutKey redirects" in up.installation.run("changes")[1]
    assert "16 destroyed" in done(made, *DESTROY, **changed)
