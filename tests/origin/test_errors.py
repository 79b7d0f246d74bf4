"""S3's errors: form, ids, and text that strangers chose."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from edgecache.origin.errors import KINDS, Ids, S3ErrorCode, new_ids, refusal

IDS = Ids("0123456789ABCDEF", "aG9zdA==")


def test_every_code_has_its_words() -> None:
    assert set(KINDS) == set(S3ErrorCode)


def test_ids_come_from_the_given_randomness() -> None:
    ids = new_ids(lambda count: bytes(range(count)))
    assert ids.request == "0001020304050607"
    assert len(ids.host) == 64


def test_details_stand_between_message_and_ids() -> None:
    response = refusal(
        S3ErrorCode.NO_SUCH_KEY, IDS, details=[("Key", "a<b>&c")], fields=[("allow", "GET, HEAD")]
    )
    assert response.status_code == 404
    assert response.headers["allow"] == "GET, HEAD"
    error = ET.fromstring(response.body)
    assert [child.tag for child in error] == ["Code", "Message", "Key", "RequestId", "HostId"]
    assert error.findtext("Key") == "a<b>&c"


@given(st.text(alphabet=st.characters(codec=None, categories=None), max_size=40))
def test_any_key_makes_well_formed_xml(key: str) -> None:
    body = refusal(S3ErrorCode.NO_SUCH_KEY, IDS, details=[("Key", key)]).body
    assert ET.fromstring(body).tag == "Error"
