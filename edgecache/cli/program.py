"""Program `edgecache`: the command line, where the platform has what its processes are made of.

Law: nothing of ours is imported before the platform is known, so that one that lacks something is
told so in one line.
"""

from __future__ import annotations

import sys

REFUSED = (
    "edgecache: Windows is not supported: processes share ports, file locks and signals of POSIX;"
    " run it in WSL 2 or in a container"
)


def refuse_unsupported(platform: str = sys.platform) -> None:
    """SystemExit with 2, and a line on standard error, on a platform that cannot run it."""
    if platform in ("win32", "cygwin"):
        sys.stderr.write(f"{REFUSED}\n")
        raise SystemExit(2)


def main() -> None:
    """Run the command line."""
    refuse_unsupported()
    from edgecache.cli.main import main as run

    run()
