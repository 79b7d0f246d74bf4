"""The program `edgecache`, and `python -m edgecache`; a supervisor's children go past its commands.

Law: nothing of ours is imported before the platform is known, so that one that lacks something is
told so in one line.
"""

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


def _main() -> int:
    refuse_unsupported()
    from edgecache.node.role_command import run_role_command

    code = run_role_command(sys.argv[1:])
    if code is not None:
        return code
    main()
    return 0


if __name__ == "__main__":
    sys.exit(_main())
