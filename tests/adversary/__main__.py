"""The adversary's command: `python -m tests.adversary --minutes N --seed S [--profile NAME]`.

It starts a whole installation on loopback (control, a regional cache, two locations, TLS, disks,
private and public sites under both semantics, and `edgecache serve`), plays viewers, origins and
operators against it by a seed, and holds every answer against a register of who may see what. A
finding is printed as the least list of actions that shows it, and kept as a file for --replay.
Exit code 1: there are findings.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from tests.adversary.actions import read_replay
from tests.adversary.campaign import Campaign, Finding
from tests.adversary.player import Player
from tests.adversary.profiles import PROFILES
from tests.adversary.site import Target, target
from tests.adversary.watch import Watch
from tests.end_to_end.processes import raise_file_limit

REPLAYS = Path("var") / "adversary"


def _options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.adversary",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=int(time.strftime("%Y%m%d")),
                        help="of the episodes; without one, the day's")  # fmt: skip
    parser.add_argument("--profile", choices=(*PROFILES, "all"), action="append",
                        help="what episodes turn on (repeatable); without one, all")  # fmt: skip
    parser.add_argument("--first", action="store_true", help="end with the first finding")
    parser.add_argument("--no-shrink", action="store_true", help="print findings as they came")
    parser.add_argument("--replay", type=Path, help="play a file's actions, and nothing else")
    return parser.parse_args(arguments)


async def _campaign(where: Target, options: argparse.Namespace) -> Campaign:
    player = Player(where, time.monotonic)
    named = options.profile or ["all"]
    profiles = tuple(PROFILES) if "all" in named else tuple(named)
    campaign = Campaign(
        player, Watch(where), options.seed, profiles, 60 * options.minutes,
        shrinks=not options.no_shrink, findings_max=1 if options.first else 5, folder=REPLAYS,
    )  # fmt: skip
    await player.starts()
    campaign.watch.starts()
    try:
        if options.replay:
            replay = read_replay(options.replay)
            lines = await campaign.again(replay.actions)
            if lines:
                second = time.monotonic() - campaign.began
                found = Finding(replay.seed, tuple(lines), replay.actions, second, options.replay)
                campaign.found.append(found)
        else:
            await campaign.runs()
    finally:
        campaign.watch.stops()
        await player.origin.stops()
    return campaign


def _told(campaign: Campaign, took_s: float) -> None:
    """Findings and figures."""
    for one in campaign.found:
        print(f"\nFINDING in second {one.second:.1f}, episode {one.seed}:")
        for line in dict.fromkeys(one.lines):
            print(f"  {line}")
        print("shown by:")
        for action in one.actions:
            print(f"  {msgspec.json.encode(action).decode()}")
        if one.file is not None:
            print(f"again: python -m tests.adversary --replay {one.file}")
            print("as a play: tests/plays, one line of a scene for each action above")
    for name, line in campaign.unconfirmed:
        print(f"not shown again (no finding): {name}: {line}")
    player = campaign.player
    requests = player.counts.pop("requests", 0)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(player.counts.items()))
    played = ", ".join(f"{count} {name}" for name, count in sorted(campaign.episodes.items()))
    statuses = ", ".join(f"{count} of {code}" for code, count in sorted(player.statuses.items()))
    print(f"\n{took_s / 3600:.3f} hours, seed {campaign.seed}; episodes: {played}")
    print(f"{requests} requests ({statuses}); actions: {kinds}")
    print(f"{len(campaign.found)} findings, {len(campaign.unconfirmed)} not shown again")


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    raise_file_limit()
    began = time.monotonic()
    with TemporaryDirectory() as folder, target(Path(folder)) as where:
        campaign = asyncio.run(_campaign(where, options))
    _told(campaign, time.monotonic() - began)
    return 1 if campaign.found else 0


if __name__ == "__main__":
    sys.exit(main())
