"""What the command line loads before a command is chosen: a start-up is every command's cost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("starlette", "uvicorn", "botocore", "httpx", "cryptography", "rich")


def test_the_command_line_loads_no_server_and_no_client() -> None:
    program = "import sys, edgecache.cli.main; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {*HEAVY} & {*loaded}
    assert not [name for name in loaded if name.startswith(("edgecache.control", "edgecache.node"))]
