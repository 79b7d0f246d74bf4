"""The demo's site through the CDN, and around it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.end_to_end.installation import Up
from tests.end_to_end.viewers import curl

VIDEO_BYTES = 20 * 1024 * 1024
OBJECTS = [
    ("/", "index.html", "text/html; charset=utf-8"),
    ("/about.html", "about.html", "text/html; charset=utf-8"),
    ("/assets/site.css", "assets/site.css", "text/css; charset=utf-8"),
    ("/assets/path.png", "assets/path.png", "image/png"),
    ("/data/prices.json", "data/prices.json", "application/json"),
]


def stored_file(up: Up, name: str) -> bytes:
    return Path(up.installation.folder, "bucket", name).read_bytes()


@pytest.mark.parametrize(("path", "name", "content_type"), OBJECTS, ids=lambda value: str(value))
def test_objects(up: Up, path: str, name: str, content_type: str) -> None:
    whole = stored_file(up, name)
    answers = [curl(url + path) for url in (up.lhr, up.lhr, up.nrt)]
    assert [answer.x_cache for answer in answers] == ["Miss", "Hit", "Hit"]
    for answer, pop in zip(answers, ("LHR50", "LHR50", "NRT57"), strict=True):
        assert (answer.status, answer.body) == (200, whole)
        assert answer.fields["content-type"] == content_type
        assert answer.fields["x-amz-cf-pop"] == pop
        assert re.fullmatch(
            r"1\.1 [0-9a-f]{32}\.cloudfront\.net \(CloudFront\)", answer.fields["via"]
        )
    assert int(answers[1].fields["age"]) >= 0
    assert len({answer.fields["x-amz-cf-id"] for answer in answers}) == len(answers)


def test_head_has_the_fields_of_get_and_no_body(up: Up) -> None:
    whole = stored_file(up, "robots.txt")
    answer = curl(f"{up.lhr}/robots.txt", "--head")
    assert (answer.status, answer.fields["content-length"]) == (200, str(len(whole)))
    assert curl(f"{up.lhr}/robots.txt").body == whole


def test_a_viewer_who_has_it_gets_304(up: Up) -> None:
    first = curl(f"{up.lhr}/404.html")
    again = curl(f"{up.lhr}/404.html", "-H", f"If-None-Match: {first.fields['etag']}")
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("0-99", 0, 99),
        ("10000000-10999999", 10_000_000, 10_999_999),
        ("20971510-", 20_971_510, VIDEO_BYTES - 1),
        ("-100", VIDEO_BYTES - 100, VIDEO_BYTES - 1),
    ],
)
def test_the_video_by_ranges(up: Up, wanted: str, first: int, last: int) -> None:
    whole = stored_file(up, "media/video.mp4")
    for url in (up.lhr, up.nrt):
        answer = curl(f"{url}/media/video.mp4", "-r", wanted)
        assert (answer.exit_code, answer.status) == (0, 206)
        assert answer.fields["content-range"] == f"bytes {first}-{last}/{VIDEO_BYTES}"
        assert answer.body == whole[first : last + 1]


def test_a_range_behind_the_end(up: Up) -> None:
    answer = curl(f"{up.lhr}/media/video.mp4", "-r", f"{VIDEO_BYTES}-")
    assert (answer.status, answer.fields["content-range"]) == (416, f"bytes */{VIDEO_BYTES}")


def test_around_the_cdn_the_origin_refuses(up: Up) -> None:
    origin = f"http://127.0.0.1:{up.installation.ports.bucket}"
    for path in ("/index.html", "/assets/site.css", "/no-such-object"):
        answer = curl(origin + path)
        assert answer.status == 403
        assert answer.fields["content-type"] == "application/xml"
        assert ET.fromstring(answer.body).findtext("Code") == "AccessDenied"
    assert curl(f"{up.lhr}/index.html").status == 200


def test_the_regional_cache_refuses_strangers(up: Up) -> None:
    path = str(up.installation.state / "regional.sock")
    for options in ([], ["-H", "Host: tree.test"], ["-X", "POST", "-d", "x"]):
        assert curl("http://127.0.0.1/index.html", "--unix-socket", path, *options).status == 403


def test_an_unknown_host_is_refused(up: Up) -> None:
    answer = curl(f"{up.lhr}/", "-H", "Host: nobody.test")
    assert (answer.status, answer.x_cache) == (403, "Error")
