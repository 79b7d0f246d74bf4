"""The table of stages: its sum is bounded, and every test is in one of them."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tests.conftest import pytest_ignore_collect
from tests.stages import (
    ROOT,
    SECONDS_MAX,
    Stage,
    chosen,
    lend_packages,
    main,
    minor_version,
    run,
    run_all,
    slowness,
    stages,
)

OPTIONS = {"only": None, "quick": False, "long": False, "interpreters": False}
NEVER = Stage("never", "sleep 60", seconds=0)


def names(**options: object) -> list[str]:
    return [stage.name for stage in chosen(stages(), argparse.Namespace(**OPTIONS | options))]


def test_the_seconds_of_all_that_ci_runs_are_bounded() -> None:
    assert sum(stage.seconds for stage in stages() if not stage.long) <= SECONDS_MAX


def test_names_are_unique() -> None:
    every = [stage.name for stage in stages()]
    assert len(every) == len(set(every))


def test_every_folder_of_tests_is_in_a_stage() -> None:
    """`unit` takes what it does not leave out; what it leaves out stands in another stage."""
    words = {stage.name: shlex.split(stage.command) for stage in stages() if not stage.long}
    left_out = {word.partition("=")[2] for word in words["unit"] if word.startswith("--ignore=")}
    elsewhere = {word for name, some in words.items() if name != "unit" for word in some}
    assert left_out
    assert left_out <= elsewhere
    for path in left_out:
        assert (ROOT / path).is_dir()


def test_the_interpreters_share_the_unit_tests_and_run_all_of_them_in_long_runs() -> None:
    commands = {stage.name: stage.command for stage in stages()}
    assert commands["unit-oldest"] == commands["unit"] + " --share 1/4"
    assert commands["unit-newest"] == commands["unit"] + " --share 2/4"
    assert commands["unit-oldest-long"] == commands["unit-newest-long"] == commands["unit"]


def test_shares_are_all_of_the_files_and_each_is_in_one() -> None:
    files = [ROOT / "tests" / f"test_{number}.py" for number in range(100)]
    found: list[Path] = []
    for part in (1, 2, 3):
        share = f"{part}/3"
        asked = SimpleNamespace(getoption=lambda _, share=share: share, rootpath=ROOT)
        config = cast(pytest.Config, asked)
        kept = [file for file in files if not pytest_ignore_collect(file, config)]
        assert len(kept) > 15
        found += kept
        for other in ("conftest.py", "play.py", "tests"):
            assert not pytest_ignore_collect(ROOT / "tests" / other, config)
    assert sorted(found) == sorted(files)


def test_what_is_run_when() -> None:
    assert names(quick=True) == ["style", "types", "unit"]
    assert "soak" in names()
    assert not {"unit-oldest", "soak-long"} & set(names())
    assert set(names(interpreters=True)) - set(names()) == {"unit-oldest", "unit-newest"}
    assert all(name.endswith("-long") for name in names(long=True))
    assert names(only=["types"]) == ["types"]


def test_a_stage_that_fails_ends_the_run_and_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    some = [Stage("good", "true", 5), Stage("bad", "exit 3", 5), Stage("later", "echo LATER", 5)]
    assert run_all(some) == 3
    told = capfd.readouterr().out
    assert "failed with 3" in told
    assert "LATER" not in told.replace("echo LATER", "")


def test_a_stage_that_hangs_is_ended() -> None:
    assert run(NEVER, Path(sys.executable).parent, {}) == 124


def test_what_a_stage_compiles_is_kept(capfd: pytest.CaptureFixture[str]) -> None:
    """Else each of thousands of processes would compile all it imports."""
    command = f"{sys.executable} -c 'import sys; print(sys.dont_write_bytecode)'"
    said = {"PYTHONDONTWRITEBYTECODE": "1"}
    assert run(Stage("compiles", command, 60), Path(sys.executable).parent, said) == 0
    assert capfd.readouterr().out == "False\n"


def test_another_release_of_our_minor_version_has_our_packages(tmp_path: Path) -> None:
    lend_packages(sys.executable, tmp_path / "lent")
    command = "python -c 'import sys, edgecache, msgspec; print(sys.prefix)' && pytest --version"
    programs = tmp_path / "lent" / "bin"
    said = subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.splitlines() == [str(tmp_path / "lent"), f"pytest {pytest.__version__}"]
    assert minor_version(str(programs / "python")) == minor_version(sys.executable)


def test_a_slower_machine_has_more_time_and_no_machine_has_less() -> None:
    assert slowness(iter([0.0, 0.1]).__next__) == 1.0
    assert slowness(iter([0.0, 0.8]).__next__) == 2.0
    assert slowness(iter([0.0, 60.0]).__next__) == 3.0


def test_a_stage_beyond_its_seconds_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    ticks = iter([0.0, 7.0])
    assert run_all([Stage("slow", "true", 5)], lambda: next(ticks)) == 0
    told = capfd.readouterr().out
    assert "slow                 7.0 of     5  over its budget" in told
    assert "all                  7.0 of     5\n" in told


def test_an_unknown_stage_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "nonsense"])
    assert "nonsense" in capsys.readouterr().err
