"""XML from strangers: what expands, fetches or never ends is refused."""

from __future__ import annotations

import pytest

from edgecache.control.cloudfront.errors import ApiError
from edgecache.control.cloudfront.xml import DEPTH_MAX, ELEMENTS_MAX, parse

BOMB = b"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>
<Tags>&c;</Tags>"""
FETCHING = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><Tags>&e;</Tags>'


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (BOMB, "document type declaration"),
        (FETCHING, "document type declaration"),
        (b'<!DOCTYPE html PUBLIC "-" "http://127.0.0.1/dtd"><Tags/>', "document type declaration"),
        (b"<!DOCTYPE Tags><Tags/>", "document type declaration"),
        (b"<Tags>&undefined;</Tags>", "undefined entity"),
        (b"<a>" * (DEPTH_MAX + 1) + b"</a>" * (DEPTH_MAX + 1), "nested deeper"),
        (b"<a>" + b"<b/>" * ELEMENTS_MAX + b"</a>", "elements"),
        (b"", "no element"),
        (b"<a>", "no element"),
        (b"<a/><b/>", "junk"),
        (b"<a>\x01</a>", "invalid token"),
        (b"\xff\xfe\x00", "not XML"),
        (b'<?xml version="1.0" encoding="nonsense"?><a/>', "unknown encoding"),
        (b'<?xml version="1.0" encoding="utf-7"?><a/>', "not XML"),
        (b'{"json": true}', "not well-formed"),
        (b'<a b="1" b="2"/>', "duplicate attribute"),
        (b"<x:a/>", "unbound prefix"),
    ],
)
def test_what_is_refused(document: bytes, why: str) -> None:
    with pytest.raises(ApiError, match=why) as refused:
        parse(document)
    assert refused.value.code == "MalformedInput"


@pytest.mark.parametrize(
    "document",
    [
        b"<Tags><Items><Tag><Key>k</Key></Tag></Items></Tags>",
        b'<Tags xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/">'
        b"<Items><Tag><Key>k</Key></Tag></Items></Tags>",
        b'<c:Tags xmlns:c="urn:x"><c:Items><c:Tag><c:Key>k</c:Key></c:Tag></c:Items></c:Tags>',
        b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
        b"<!-- one --><Tags><Items><Tag><Key><![CDATA[k]]></Key></Tag></Items></Tags>",
        '<?xml version="1.0" encoding="UTF-16"?><Tags><Items><Tag><Key>k</Key></Tag></Items></Tags>'
        .encode("utf-16"),
    ],
)  # fmt: skip
def test_what_clients_send_is_read(document: bytes) -> None:
    root = parse(document)
    items = root.child("Items")
    assert root.name == "Tags"
    assert items is not None
    tag = items.children[0].child("Key")
    assert tag is not None
    assert tag.text == "k"


def test_as_deep_and_as_many_as_is_allowed() -> None:
    assert parse(b"<a>" * DEPTH_MAX + b"</a>" * DEPTH_MAX).name == "a"
    assert len(parse(b"<a>" + b"<b/>" * (ELEMENTS_MAX - 1) + b"</a>").children) == ELEMENTS_MAX - 1
