"""Request ids: CloudFront's form, unlike any other, few calls to the random source."""

from __future__ import annotations

from base64 import urlsafe_b64decode

from edgecache.server.request_ids import BATCH, ID_BYTES, RequestIds


def test_each_is_40_of_the_random_bytes_in_base64url_and_none_is_given_twice() -> None:
    asked: list[int] = []

    def counting(count: int) -> bytes:
        asked.append(count)
        start = sum(asked[:-1])
        numbers = range(start // ID_BYTES, (start + count) // ID_BYTES)
        return b"".join(b"\xff" + b"%039d" % number for number in numbers)

    ids = RequestIds(counting)
    assert asked == []
    given = [ids.next() for _ in range(BATCH + 1)]
    assert asked == [ID_BYTES * BATCH] * 2
    assert len(set(given)) == BATCH + 1
    for each in given:
        assert len(each) == 56
        assert each.endswith(b"==")
        assert b"+" not in each
        assert b"/" not in each
        assert urlsafe_b64decode(each).startswith(b"\xff0")
