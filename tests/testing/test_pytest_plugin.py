"""The plugin as pytest runs it: modes, one-line refusals, and what a failing test is told."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PLUGIN = "edgecache.testing.pytest_plugin"
ROOT = Path(__file__).resolve().parent.parent.parent
SITE = "    site = edgecache.distribution(origins=edgecache.origin())\n"


def run(pytester: pytest.Pytester, test: str, *options: str) -> pytest.RunResult:
    """One test in a project of its own, in this process."""
    pytester.makepyfile(test)
    return pytester.runpytest_inprocess("-p", PLUGIN, "-p", "no:cacheprovider", *options)


def test_it_is_an_entry_point() -> None:
    """Its name is the module's: naming it by `-p` as well is no conflict then."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {PLUGIN: PLUGIN}
    assert "testing" in project["optional-dependencies"]


def test_nothing_is_imported_before_it_is_used() -> None:
    code = f"import sys, {PLUGIN}; print([m for m in sys.modules if m.startswith('edgecache')])"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == str(["edgecache", "edgecache.testing", PLUGIN])


def test_a_test_runs_in_process(pytester: pytest.Pytester) -> None:
    test = f"def test_a(edgecache):\n{SITE}    assert edgecache.mode == 'in_process'\n"
    result = run(pytester, test + "    assert site.get('/a').miss\n", "--strict-markers")
    result.assert_outcomes(passed=1)


def test_each_test_begins_anew(pytester: pytest.Pytester) -> None:
    test = f"def test_{{0}}(edgecache):\n{SITE}    assert site.get('/a').miss\n"
    result = run(pytester, "\n".join(test.format(name) for name in "abc"))
    result.assert_outcomes(passed=3)


def test_a_document_is_seen_from_the_tests_file(pytester: pytest.Pytester) -> None:
    folder = pytester.mkdir("inner")
    (folder / "dist.json").write_text('{"Resources": {}}')
    (folder / "test_inner.py").write_text(
        "def test_a(edgecache):\n    edgecache.distribution('dist.json')\n"
    )
    result = pytester.runpytest_inprocess("-p", PLUGIN, "-p", "no:cacheprovider")
    result.stdout.fnmatch_lines(["*dist.json: 1 problem*", "*CloudFormation template*"])


NO_MODE = "def test_a(edgecache):\n    pass\n"


def test_a_mode_that_is_none_is_one_line(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nedgecache_mode = moon\n")
    result = run(pytester, NO_MODE)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: edgecache_mode: 'moon' is not one of in_process, processes"]
    )
    assert len(result.stderr.lines) <= 2


@pytest.mark.parametrize("said", ['mode="moon"', '"moon"', "", 'mode="processes", ports=1'])
def test_a_marker_without_a_mode_is_one_line(pytester: pytest.Pytester, said: str) -> None:
    test = f"import pytest\n@pytest.mark.edgecache({said})\n{NO_MODE}"
    result = run(pytester, test)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: test_a_marker*::test_a: edgecache* has no mode of *"])


@pytest.mark.parametrize("said", ['mode="in_process"', '"in_process"'])
def test_a_marker_comes_before_the_option(pytester: pytest.Pytester, said: str) -> None:
    test = f"import pytest\n@pytest.mark.edgecache({said})\ndef test_a(edgecache):\n"
    test += "    assert edgecache.mode == 'in_process'\n"
    run(pytester, test, "--edgecache-mode", "processes").assert_outcomes(passed=1)


def test_processes_that_do_not_start_are_one_line(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = (sys.executable, "-c", "raise SystemExit('the port is taken')")
    monkeypatch.setattr("edgecache.testing.processes.COMMAND", failing)
    result = run(pytester, NO_MODE, "--edgecache-mode", "processes")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["edgecache dev did not start: the port is taken"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_failing_test_is_told_what_was_asked(pytester: pytest.Pytester) -> None:
    test = f"def test_a(edgecache):\n{SITE}    assert site.get('/a').hit\n"
    result = run(pytester, test)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([
        "*assert False*",
        "*where False = <GET https://*/a -> 200 Miss *regional; fwd=uri-miss*>.hit*",
        "*edgecache: what was asked*",
        "GET https://*/a -> 200 Miss *regional; fwd=uri-miss*LHR50; fwd=uri-miss*",
        "*key: distribution=*, path=/a*",
        "*regional: hit*",
    ])  # fmt: skip


def test_a_passing_test_is_told_nothing(pytester: pytest.Pytester) -> None:
    result = run(pytester, f"def test_a(edgecache):\n{SITE}    site.get('/a')\n", "-rA")
    result.stdout.no_fnmatch_line("*what was asked*")


def test_it_may_be_named_twice(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(f"pytest_plugins = ['{PLUGIN}']\n")
    test = "def test_a(edgecache):\n    assert edgecache.locations == ('LHR50', 'NRT57')\n"
    run(pytester, test, "-p", PLUGIN).assert_outcomes(passed=1)
