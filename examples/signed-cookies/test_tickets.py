"""Who gets at the lessons of dist.json, with the cookies that tickets.py signs:

pip install "edgecache[testing]"
pytest
"""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tickets import ticket

GROUP = "3d5f0a6e-7c7b-4c0a-9a41-2f3f1f0c8e55"  # the account's key group, as dist.json names it


@pytest.fixture(scope="module")
def private_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def key_pair_id(edgecache, private_key):
    pem = private_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return edgecache.create(
        "public-key", CallerReference="shop", Name="shop", EncodedKey=pem.decode()
    )


@pytest.fixture
def bucket(edgecache):
    pages = edgecache.origin(body="a lesson", cache_control="max-age=86400")
    return pages.answers("/buy.html", body="buy a ticket")


@pytest.fixture
def site(edgecache, bucket, key_pair_id):
    group = edgecache.create("key-group", Name="shop", Items=[key_pair_id])
    return edgecache.distribution(
        "dist.json", origins={"courses-bucket": bucket}, ids={GROUP: group}
    )


@pytest.fixture
def paid(edgecache, site, private_key, key_pair_id):
    """The headers of a viewer with a ticket for the lessons of Python."""
    folder = f"https://{site.domain_name}/lessons/python"
    cookies = ticket(private_key, key_pair_id, folder, edgecache.clock.now())
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}


def test_pages_are_for_everybody(site):
    assert site.get("/index.html").status == 200


def test_without_a_ticket_one_may_buy_it(site, bucket):
    answer = site.get("/lessons/python/1")
    assert (answer.status, answer.text) == (403, "buy a ticket")
    assert bucket.count("/lessons/python/1") == 0


def test_a_ticket_is_for_its_folder(site, paid):
    assert site.get("/lessons/python/1", headers=paid).text == "a lesson"
    assert site.get("/lessons/rust/1", headers=paid).status == 403


def test_viewers_with_tickets_share_what_is_cached(site, bucket, paid):
    assert site.get("/lessons/python/1", headers=paid).miss
    assert site.get("/lessons/python/1", headers=paid).hit
    assert site.get("/lessons/python/1").status == 403
    assert bucket.count("/lessons/python/1") == 1
    assert "cookie" not in bucket.requests[0].headers


def test_a_ticket_ends_after_two_hours(site, paid, edgecache):
    edgecache.clock.advance("1h 59m")
    assert site.get("/lessons/python/1", headers=paid).status == 200
    edgecache.clock.advance("2m")
    assert site.get("/lessons/python/1", headers=paid).status == 403


def test_a_ticket_of_somebody_else_s_making_opens_nothing(site, key_pair_id, edgecache):
    forged = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    folder = f"https://{site.domain_name}/lessons/python"
    cookies = ticket(forged, key_pair_id, folder, edgecache.clock.now())
    headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
    assert site.get("/lessons/python/1", headers=headers).status == 403
