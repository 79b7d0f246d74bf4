"""What the model weighs, and that only control carries it. Run as a program it prints figures."""

from __future__ import annotations

import subprocess
import sys

import pytest

_LOADED = "import sys; {}; print('botocore' in sys.modules)"


@pytest.mark.parametrize(
    "imports",
    [
        "import edgecache.node.roles, edgecache.node.build, edgecache.node.node",
        "import edgecache.cli.main",
        "import edgecache.node.control_app",  # until it is first called
    ],
)
def test_the_data_path_never_imports_botocore(imports: str) -> None:
    command = [sys.executable, "-c", _LOADED.format(imports)]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "False\n"


def main() -> None:
    """Seconds and kilobytes of the first call, beside what control has without it."""
    import resource
    import time

    import edgecache.node.control_app
    from edgecache.control.cloudfront.model import api

    def kilobytes() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert edgecache.node.control_app
    before, began = kilobytes(), time.perf_counter()
    api()
    print(f"{time.perf_counter() - began:.3f} s, {kilobytes() - before} of {before} KiB more")


if __name__ == "__main__":
    main()
