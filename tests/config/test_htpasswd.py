"""htpasswd files: what is read, and what is told of what is not."""

from __future__ import annotations

import pytest

from edgecache.config.htpasswd import cost, read_htpasswd
from edgecache.config.problems import BrokenLinesError

BCRYPT = "$2y$05$I6zJYgBA/pppFTOyLCFNx.MGtlLN2NgFgoSFX5q4PTOYZFe/ZNo02"
APR1 = "$apr1$xxxxxxxx$dxHfLAsjHkDRmG83UXe8K0"
SHA256 = "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"
SHA1 = "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="


def test_users_of_every_kind() -> None:
    file = read_htpasswd(
        f"# staff\n\na:{BCRYPT}\nb:{APR1}\r\nc:{SHA256}\nd:{SHA1}\nh\u00e9:{SHA1}\n"
    )
    assert list(file.users) == [b"a", b"b", b"c", b"d", "h\u00e9".encode()]
    assert file.users[b"b"] == APR1.encode()
    assert file.costliest == SHA256.encode()  # dearer than bcrypt's least
    assert read_htpasswd("").costliest == b""


def test_what_is_dear_is_known() -> None:
    dear = BCRYPT.replace("$05$", "$12$").encode()
    rounds = SHA256.replace("$5$", "$5$rounds=90000$").encode()
    assert cost(dear) > cost(rounds) > cost(SHA256.encode()) > cost(APR1.encode())
    assert cost(APR1.encode()) > cost(SHA1.encode())


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("a", "neither bcrypt"),
        (f":{SHA1}", "not USER:HASH"),
        (f"{'u' * 256}:{SHA1}", "not USER:HASH"),
        ("a:plain", "neither bcrypt (htpasswd -B), SHA-256- or SHA-512-crypt (-2, -5), apr1"),
        ("a:rqXexS6ZhobKA", "neither bcrypt"),  # crypt(3)
        ("a:" + BCRYPT.replace("$05$", "$15$"), "a bcrypt cost outside 4 to 14"),
        ("a:" + BCRYPT[:-1], "neither bcrypt"),
        ("a:" + BCRYPT[:28] + "F" + BCRYPT[29:], "a bcrypt hash whose salt nothing makes"),
        ("a:" + SHA256.replace("$5$", "$5$rounds=999999999$"), "rounds outside 1000 to 100000"),
        ("a:" + SHA256.replace("$5$", "$6$"), "a hash of another length"),
        (f"b:{APR1}", "a user twice"),
        (f"a:{APR1}:extra", "neither bcrypt"),
    ],
)
def test_a_line_that_cannot_be_used_is_told_without_its_hash(line: str, why: str) -> None:
    with pytest.raises(BrokenLinesError) as told:
        read_htpasswd(f"b:{APR1}\n{line}\n")
    ((number, said),) = told.value.lines
    assert number == 2
    assert said.startswith(why)
    assert "$" not in said


def test_of_many_broken_lines_a_few_are_told() -> None:
    with pytest.raises(BrokenLinesError) as told:
        read_htpasswd("a:plain\n" * 100)
    assert len(told.value.lines) + told.value.more == 100
    assert len(told.value.lines) <= 20
