"""The program's start: which platforms it refuses, before anything of ours is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edgecache.__main__ import REFUSED, refuse_unsupported


@pytest.mark.parametrize("platform", ["win32", "cygwin"])
def test_a_platform_without_posix_is_refused_in_one_line(
    platform: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        refuse_unsupported(platform)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"{REFUSED}\n"


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_others_are_not(platform: str) -> None:
    refuse_unsupported(platform)


@pytest.mark.parametrize("is_script", [True, False])
def test_what_is_not_there_is_not_imported_before(is_script: bool) -> None:
    """As on Windows, whose Python has neither fcntl nor resource, and no uvloop."""
    missing = ("fcntl", "grp", "pwd", "resource", "termios", "uvloop")
    code = f"""if True:
        import runpy, sys
        sys.platform = "win32"
        sys.modules.update(dict.fromkeys({missing}))
        sys.argv = ["edgecache", "--version"]
        if {is_script}:
            from edgecache.__main__ import main
            main()
        runpy.run_module("edgecache", run_name="__main__")
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{REFUSED}\n")
