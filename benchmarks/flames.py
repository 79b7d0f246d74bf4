"""`python -m benchmarks.flames`: where an edge's time goes, as flame graphs by py-spy.

S1, S2 and S7 at full load, some seconds of warm-up each; into `docs/flames/`. py-spy must be
allowed to look at other processes: as root, or with kernel.yama.ptrace_scope=0.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.processes import CLIENT_CORE, BenchmarkError
from benchmarks.scenarios import SCENARIOS
from benchmarks.stage import ONE_TIER, staged
from benchmarks.wrk import Order, ask

DRAWN = ("S1", "S2", "S7")
WARM_S, SPARE_S = 3, 4
RATE_HZ = 400
FOLDER = Path(__file__).resolve().parents[1] / "docs" / "flames"


def main() -> int:
    """Draw them; 0 when all are there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flames", description=__doc__)
    parser.add_argument("--seconds", type=int, default=5, help="how long to look")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the graphs go")
    options = parser.parse_args()
    os.sched_setaffinity(0, {CLIENT_CORE})
    try:
        _draw_all(options.seconds, options.folder)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _draw_all(seconds: int, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    spy = shutil.which("py-spy", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if spy is None:
        raise BenchmarkError("py-spy is not installed: pip install -e '.[bench]'")
    chosen = [each for each in SCENARIOS if each.name in DRAWN]
    with staged() as stage, ThreadPoolExecutor(1) as beside:
        server = stage.server(ONE_TIER, "edgecache")
        url = f"http://127.0.0.1:{server.port}"
        for scenario in chosen:
            mix = scenario.mix(stage, "edgecache")
            asked = mix.write(stage.folder / f"mix-{scenario.name}")
            first = ask(url, Order(asked, WARM_S, first=int(mix.numbered))).requests
            order = Order(asked, seconds + SPARE_S, first=(first + 1_000) * mix.numbered)
            load = beside.submit(ask, url, order)
            drawing = folder / f"{scenario.name.lower()}.svg"
            _draw([spy], server.started[0].pid, seconds, drawing)
            _entitle(drawing, f"{scenario.name}: {scenario.title}")
            print(f"{scenario.name}: {load.result().requests / order.seconds:,.0f} requests/s")


def _draw(spy: list[str], pid: int, seconds: int, drawing: Path) -> None:
    command = [*spy, "record", "--pid", str(pid), "--duration", str(seconds)]
    command += ["--rate", str(RATE_HZ), "--function", "--output", str(drawing)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    if done.returncode or not drawing.exists():
        raise BenchmarkError(f"py-spy: {done.stderr or done.stdout}")


def _entitle(drawing: Path, title: str) -> None:
    """py-spy gives it the command it was run by."""
    text = drawing.read_text()
    drawing.write_text(re.sub('(<text id="title"[^>]*>)[^<]*', rf"\g<1>{title}", text, count=1))


if __name__ == "__main__":
    sys.exit(main())
