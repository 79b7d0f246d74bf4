"""`python -m edgecache` is the command line; a supervisor's children go past it."""

import sys

from edgecache.cli.program import main, refuse_unsupported


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
