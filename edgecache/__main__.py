"""`python -m edgecache` is the command line; a supervisor's children go past it."""

import sys

from edgecache.node.role_command import run_role_command


def _main() -> int:
    code = run_role_command(sys.argv[1:])
    if code is not None:
        return code
    from edgecache.cli.main import main

    main()
    return 0


if __name__ == "__main__":
    sys.exit(_main())
