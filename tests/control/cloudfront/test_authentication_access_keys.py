"""Access keys come of operators' secrets, and say nothing of them."""

from __future__ import annotations

import re

from edgecache.control.cloudfront.authentication import access_key, access_keys

SECRET = "an operator's secret of thirty-two letters"


def test_a_key_is_always_the_same_and_no_other_operators() -> None:
    one = access_key("k1", SECRET)
    assert access_key("k1", SECRET) == one
    others = access_keys({"k2": SECRET, "k1": SECRET + "x"})
    assert len({one.access_key_id, *(key.access_key_id for key in others)}) == 3
    assert len({one.secret_access_key, *(key.secret_access_key for key in others)}) == 3


def test_it_has_the_form_sdks_take_and_hides_its_secret() -> None:
    one = access_key("k1", SECRET)
    assert re.fullmatch(r"EDGE[A-Z2-7]{16}", one.access_key_id)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", one.secret_access_key)
    assert one.secret_access_key not in repr(one)
    assert SECRET not in repr(one)
