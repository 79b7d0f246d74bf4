"""What the model weighs, and that only control carries it. Run as a program it prints figures."""

from __future__ import annotations

import subprocess
import sys

import pytest

_LOADED = "import sys; {}; print('botocore' in sys.modules)"


@pytest.mark.parametrize(
    "imports",
    [
        "import edgecache.server.roles, edgecache.server.assembly, edgecache.server.node",
        "import edgecache.cli",
        "import edgecache.server.control_role",  # until it is first called
    ],
)
def test_the_data_path_never_imports_botocore(imports: str) -> None:
    command = [sys.executable, "-c", _LOADED.format(imports)]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "False\n"


def main() -> None:
    """Seconds and kilobytes of the first call, beside what control has without it."""
    import resource
    import time

    import edgecache.server.control_role
    from edgecache.control.api.model import api

    def kilobytes() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert edgecache.server.control_role
    before, began = kilobytes(), time.perf_counter()
    api()
    print(f"{time.perf_counter() - began:.3f} s, {kilobytes() - before} of {before} KiB more")


if __name__ == "__main__":
    main()
