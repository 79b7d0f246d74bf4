"""Request ids: CloudFront's form, unlike any other, few calls to the random source."""

from __future__ import annotations

from base64 import urlsafe_b64decode

from edgecache.server.request_tracing import BATCH, ID_BYTES, ID_CHARS, RequestIds


def test_each_is_40_of_the_random_bytes_in_base64url_and_none_is_given_twice() -> None:
    asked: list[bytes] = []

    def counting(count: int) -> bytes:
        start = 8 * sum(map(len, asked))
        numbers = range(start, start + count // 8)
        asked.append(b"".join(b"%07d\xff" % number for number in numbers))
        return asked[-1]

    ids = RequestIds(counting)
    assert asked == []
    given = [ids.next() for _ in range(2 * BATCH)]
    assert [len(data) for data in asked] == [ID_BYTES * BATCH] * 2
    assert len(set(given)) == 2 * BATCH
    for each in given:
        assert len(each) == ID_CHARS
        assert each.endswith(b"==")
        assert b"+" not in each
        assert b"/" not in each
    decoded = b"".join(urlsafe_b64decode(each) for each in given)
    assert sorted(decoded) == sorted(b"".join(asked)), "every random byte is in one id"
