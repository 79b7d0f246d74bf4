"""The share of connections for slow sides: places among uploads, and who is broken off."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from edgecache.upstream.endpoint import Endpoint, WireRequest
from edgecache.upstream.pool import Pool
from edgecache.upstream.response import ResponseBody
from edgecache.upstream.slow_share import UploadShare, excess_unread
from tests.upstream.loopback import Run, turn


def test_beyond_the_share_uploads_wait_their_turn(run: Run) -> None:
    async def main() -> None:
        uploads = UploadShare(2, 10)
        await uploads.enter(9)
        await uploads.enter(9)
        waiting = [asyncio.ensure_future(uploads.enter(9)) for _ in range(2)]
        await turn()
        assert not any(task.done() for task in waiting)
        uploads.leave()
        await turn()
        assert [task.done() for task in waiting] == [True, False]
        uploads.leave()
        await asyncio.gather(*waiting)
        for _ in range(2):
            assert not uploads.idle
            uploads.leave()
        assert uploads.idle

    run(main())


def test_who_waits_too_long_or_is_one_too_many_is_refused(run: Run) -> None:
    async def main() -> None:
        uploads = UploadShare(1, 1)
        await uploads.enter(9)
        with pytest.raises(TimeoutError):
            await uploads.enter(0.001)
        waiting = asyncio.ensure_future(uploads.enter(9))
        await turn()
        with pytest.raises(TimeoutError):
            await uploads.enter(9)
        waiting.cancel()
        await turn()
        uploads.leave()
        assert uploads.idle

    run(main())


def test_a_place_given_to_one_who_just_left_goes_on(run: Run) -> None:
    async def main() -> None:
        uploads = UploadShare(1, 10)
        await uploads.enter(9)
        leaving, staying = (asyncio.ensure_future(uploads.enter(9)) for _ in range(2))
        await turn()
        uploads.leave()
        leaving.cancel()
        await staying
        uploads.leave()
        await turn()
        assert uploads.idle

    run(main())


@dataclass
class Held:
    paused_at: float | None

    def break_off(self) -> None:
        raise AssertionError("nobody told it to")


@pytest.mark.parametrize(
    ("paused_at", "most", "cut"),
    [
        ([], 1, []),
        ([None, 1, 2], 2, []),
        ([None, 3, 1, 2], 2, [1]),
        ([9.5, 9.6, 9.7, 1], 1, []),  # no longer than a moment
        ([4, 3, 2, 1], 1, [1, 2, 3]),
    ],
)
def test_the_longest_unread_are_one_too_many(
    paused_at: list[float | None], most: int, cut: list[float]
) -> None:
    held = [Held(at) for at in paused_at]
    found = excess_unread(held, most, 10.0)
    assert [one.paused_at for one in found if isinstance(one, Held)] == cut


def test_a_pool_forgets_an_endpoint_whose_last_upload_left_as_its_turn_came(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Endpoints are as many as operators and time make."""

    async def main() -> None:
        async def connects(*_: Any) -> asyncio.BaseTransport:
            await asyncio.get_running_loop().create_future()
            raise AssertionError

        leave, sent = UploadShare.leave, list[asyncio.Future[Any]]()

        def leave_and_cancel(uploads: UploadShare) -> None:
            leave(uploads)
            sent[1].cancel()  # it was just given the place

        monkeypatch.setattr(UploadShare, "leave", leave_and_cancel)
        pool, endpoint = Pool(connects, lambda: 0.0), Endpoint("a.test", 80, connections_max=2)
        for _ in range(2):
            outgoing = WireRequest(b"POST", b"", ResponseBody(9, Source()))
            sent.append(asyncio.ensure_future(pool.send(endpoint, outgoing)))
        await turn()
        sent[0].cancel()
        await asyncio.gather(*sent, return_exceptions=True)
        assert pool._uploads == {}

    run(main())


class Source:
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def abandon(self) -> None: ...
