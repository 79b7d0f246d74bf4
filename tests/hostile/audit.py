"""Known vulnerabilities in what the lock file pins: `make audit`, by pip-audit in its own folder.

Exit code 0: none, or why it could not be looked up; 1: some, each with its id.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
VERSION = "2.9.0"
FOLDER = ROOT / "var" / f"pip-audit-{VERSION}"
S_MAX = 300


def main() -> int:
    """Look everything up; print what there is."""
    program = FOLDER / "bin" / "pip-audit"
    if not program.exists() and (why := _installed()):
        print(f"not audited: pip-audit {VERSION} cannot be installed: {why}")
        return 0
    command = [str(program), "--no-deps", "--disable-pip", "--progress-spinner", "off"]
    done = subprocess.run(
        [*command, "--format", "json", "--requirement", str(ROOT / "requirements.lock")],
        capture_output=True, text=True, timeout=S_MAX,
    )  # fmt: skip
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        print(f"not audited: the data cannot be reached: {_last(done.stderr)}")
        return 0
    return _told(packages)


def _told(packages: list[dict[str, Any]]) -> int:
    """Print what is known of the packages; 1 when something is known against one."""
    unknown = [one for one in packages if "skip_reason" in one]
    found = [(one, flaw) for one in packages for flaw in one.get("vulns", ())]
    for one, flaw in found:
        better = ", ".join(flaw["fix_versions"]) or "none yet"
        print(f"{one['name']} {one['version']}: {flaw['id']}, fixed in {better}")
    print(
        f"{len(packages) - len(unknown)} of {len(packages)} packages looked up, {len(found)} known"
    )
    if unknown:
        print(f"not audited: {len(unknown)}, as {unknown[0]['name']}: {unknown[0]['skip_reason']}")
    return 1 if found else 0


def _installed() -> str:
    """Install it; nothing, or why not."""
    for command in (
        [sys.executable, "-m", "venv", str(FOLDER)],
        [str(FOLDER / "bin" / "pip"), "install", "--quiet", f"pip-audit=={VERSION}"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=S_MAX)
        if done.returncode:
            return _last(done.stderr)
    return ""


def _last(text: str) -> str:
    return (text.strip().splitlines() or ["nothing was said"])[-1]


if __name__ == "__main__":
    sys.exit(main())
