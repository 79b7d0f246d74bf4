"""Sample projects for dev mode, run as their users would: pytest with moto and boto3, Node alone.

Beside them the image's command and its ready folder, in a plain shell.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.bench import Bench, start_bench
from tests.end_to_end.foreign import UnavailableError
from tests.end_to_end.processes import DEADLINE_S, EDGECACHE, start
from tests.end_to_end.stores import Moto, start_moto

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DIST = EXAMPLES / "node-site" / "dist.json"


def image_options() -> list[str]:
    """Those of the image's command, on free ports, its ready folder where that is here."""
    lines = (EXAMPLES / "dev" / "Dockerfile").read_text().splitlines()
    (said,) = [line.removeprefix("CMD ") for line in lines if line.startswith("CMD ")]
    name, *words = json.loads(said)
    assert name == "dev"
    words = [f"{one.rpartition(':')[0]}:0" if one.startswith("0.0.0.0:") else one for one in words]
    words[words.index("--ready-folder") + 1] = str(EXAMPLES / "dev" / "ready.d")
    return words


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The image's command, with the Node project's distribution."""
    folder = tmp_path_factory.mktemp("dev")
    made = start_bench(folder, f"--load=node-site={DIST}", places=image_options())
    yield made
    assert made.process.stop() == 0, made.process.stderr


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    try:
        made = start_moto(tmp_path_factory.mktemp("moto"))
    except UnavailableError as error:
        pytest.skip(f"moto cannot be installed: {error}")
    yield made
    made.process.stop()


def environment(bench: Bench, **more: str) -> dict[str, str]:
    places = {
        "EDGECACHE_CONTROL": bench.control,
        "EDGECACHE_EDGE": bench.told["locations"]["LHR50"],
    }
    return {**os.environ, **places, **more}


@pytest.mark.long
def test_a_site_in_s3_is_tested_by_pytest(bench: Bench, moto: Moto, tmp_path: Path) -> None:
    folder = tmp_path / "s3-site"
    shutil.copytree(EXAMPLES / "s3-site", folder)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=."],
        cwd=folder,
        env=environment(bench, S3_URL=f"http://127.0.0.1:{moto.port}"),
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


def test_a_site_is_tested_by_node(bench: Bench, tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.fail("node is missing: apt-get install nodejs")
    folder = tmp_path / "node-site"
    shutil.copytree(EXAMPLES / "node-site", folder)
    done = subprocess.run(
        ["node", "--test"],
        cwd=folder,
        env=environment(bench),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_ready_folder_was_run_before_it_was_ready(bench: Bench) -> None:
    assert "1-tell.sh runs" in bench.process.stderr
    assert "0 s ahead" in bench.process.stderr


def test_what_was_loaded_is_there_after_a_reset(bench: Bench) -> None:
    bench.reset()
    answer = bench.client().get_distribution(Id="node-site")
    assert answer["Distribution"]["DistributionConfig"]["CallerReference"] == "node-site"


def test_a_program_that_fails_ends_all_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "ready.d"
    folder.mkdir()
    (folder / "1.sh").write_text("exit 3")
    free = ("--listen-control=127.0.0.1:0", "--listen=127.0.0.1:0", "--locations=A")
    process = start((*EDGECACHE, "dev", *free, f"--ready-folder={folder}"), tmp_path)
    assert process.ended() == 1
    assert "1.sh: exited with 3" in process.stderr


def test_an_installation_of_one_s_own_file_may_be_in_dev_mode_and_no_public_one(
    tmp_path: Path,
) -> None:
    file = tmp_path / "edgecache.toml"
    file.write_text(
        'state_dir = "state"\n[control]\nlisten = "127.0.0.1:2"\n'
        '[[locations]]\nname = "A"\nlisten = "0.0.0.0:1"\n'
    )
    process = start((*EDGECACHE, "up", "--dev", f"--config={file}"), tmp_path)
    assert process.ended() == 2
    assert "dev mode: locations[0].listen: 0.0.0.0:1 is not on loopback" in process.stderr


def test_control_is_asked_by_the_name_of_its_container(bench: Bench) -> None:
    """Who signs may come by any; a page of another site signs nothing."""
    assert bench.named("edgecache:8090", "/_edgecache/ready") == 200
    assert bench.named("evil.example:8090", "/_edgecache/ready") == 403
