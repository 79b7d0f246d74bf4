"""The adversary's command: `python -m tests.adversary --minutes N --seed S [--profile quick]`.

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
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from tests.adversary.actions import read_replay
from tests.adversary.campaign import FINDINGS_MAX, Campaign, Finding, runs_of
from tests.adversary.player import Player
from tests.adversary.profiles import PROFILES, SUBJECTS
from tests.adversary.site import MIB, Target, target
from tests.adversary.watch import Watch
from tests.end_to_end.processes import raise_file_limit

REPLAYS = Path("var") / "adversary"
AS_A_PLAY = (
    "as a play (tests/plays): a page is what `play.origin.answers(status, body, cache=, vary=)` "
    "gives, an ask is `play.viewer(name).asks(path, method, ...)`, an invalidation is "
    "`play.invalidates(path)`; what was found is the assertion that fails"
)


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
                        help="what episodes turn on (repeatable); without one, every subject in "
                        "turn; quick: some of each, short, for a look in a minute")  # fmt: skip
    parser.add_argument("--seeds", type=Path, help="play the rows of a file instead")
    parser.add_argument("--first", action="store_true", help="end with the first finding")
    parser.add_argument("--no-shrink", action="store_true", help="print findings as they came")
    parser.add_argument("--replay", type=Path, help="play a file's actions, and nothing else")
    return parser.parse_args(arguments)


async def _campaigns(where: Target, options: argparse.Namespace) -> list[Campaign]:
    """All that was asked for, one after the other on one installation."""
    player, watch = Player(where, time.monotonic), Watch(where)
    named = options.profile or ["all"]
    profiles = tuple(SUBJECTS) if "all" in named else tuple(named)
    runs = [(options.seed, profiles, 60 * options.minutes)]
    if options.seeds:
        runs = [(run.seed, (run.profile,), run.seconds) for run in runs_of(options.seeds)]
    done = []
    await player.starts()
    watch.starts()
    try:
        for seed, some, seconds in runs:
            campaign = Campaign(
                player, watch, seed, some, seconds,
                shrinks=not options.no_shrink, findings_max=1 if options.first else FINDINGS_MAX,
                folder=REPLAYS,
            )  # fmt: skip
            done.append(campaign)
            await (_replayed(campaign, options.replay) if options.replay else campaign.runs())
    finally:
        watch.stops()
        await player.origin.stops()
    return done


async def _replayed(campaign: Campaign, file: Path) -> None:
    """Play a file's actions until they show something, a few times at most."""
    replay = read_replay(file)
    lines = await campaign.again(replay.actions)
    if lines:
        second = time.monotonic() - campaign.began
        found = Finding(replay.seed, tuple(lines), replay.actions, second, file)
        campaign.found.append(found)


def _told(campaigns: list[Campaign], took_s: float) -> None:
    """Findings and figures."""
    for one in (found for campaign in campaigns for found in campaign.found):
        print(f"\nFINDING in second {one.second:.1f}, episode {one.seed}:")
        for line in dict.fromkeys(one.lines):
            print(f"  {line}")
        print("shown by:")
        for action in one.actions:
            print(f"  {msgspec.json.encode(action).decode()}")
        if one.file is not None:
            print(f"again: python -m tests.adversary --replay {one.file}")
            print(AS_A_PLAY)
    unconfirmed = [line for campaign in campaigns for line in campaign.unconfirmed]
    for name, line in unconfirmed:
        print(f"not shown again (no finding): {name}: {line}")
    player = campaigns[0].player
    requests = player.counts.pop("requests", 0)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(player.counts.items()))
    played = Counter[str]()
    for campaign in campaigns:
        played.update(campaign.episodes)
    episodes = ", ".join(f"{count} {name}" for name, count in sorted(played.items()))
    statuses = ", ".join(f"{count} of {code}" for code, count in sorted(player.statuses.items()))
    seeds = ", ".join(dict.fromkeys(str(campaign.seed) for campaign in campaigns))
    print(f"\n{took_s / 3600:.3f} hours, seeds {seeds}; episodes: {episodes}")
    print(f"{requests} requests ({statuses}); actions: {kinds}")
    peaks = campaigns[0].watch.peaks
    told = ", ".join(f"{role} {size // MIB} MiB" for role, size in sorted(peaks.items()))
    print(f"the most memory while flooded: {told or 'not looked at'}")
    findings = sum(len(campaign.found) for campaign in campaigns)
    print(f"{findings} findings, {len(unconfirmed)} not shown again")


def main(arguments: list[str] | None = None) -> int:
    options = _options(arguments)
    raise_file_limit()
    began = time.monotonic()
    with TemporaryDirectory() as folder, target(Path(folder)) as where:
        campaigns = asyncio.run(_campaigns(where, options))
    _told(campaigns, time.monotonic() - began)
    return 1 if any(campaign.found for campaign in campaigns) else 0


if __name__ == "__main__":
    sys.exit(main())
