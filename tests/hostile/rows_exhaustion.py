"""Rows of sections 10, 11 and 14 that take number rather than bytes, scaled down."""

from __future__ import annotations

from tests.hostile.recorder import Script, echo, response, told_of
from tests.hostile.stage import HostilePlay, scene_of
from tests.hostile.story import asks
from tests.hostile.strict import Seen
from tests.hostile.trial import MANY, Trial, answered, stage_of


def key_flood(memo: bool) -> str:
    play = HostilePlay(scene_of(memo, memory_bytes=100_000), echo)
    for n in range(5 * MANY):
        client = play.client(f"k{n % 50}")
        client.sends([asks(b"/p?%d" % n)])
    assert play.edge.store.size_bytes <= 100_000
    assert len(play.edge.store) < 5 * MANY
    answered(play, "probe")
    play.close()
    return "the store stays within its budget"


def random_misses(memo: bool) -> str:
    def absent(seen: Seen) -> Script:
        return response(told_of(seen), status=b"404 Not Found")

    play = HostilePlay(scene_of(memo, memory_bytes=100_000), absent)
    for n in range(5 * MANY):
        play.client(f"k{n % 50}").sends([asks(b"/%d" % n)])
    assert play.edge.store.size_bytes <= 100_000
    play.close()
    return "negative entries within the budget"


def herd(memo: bool) -> str:
    play = stage_of(memo)
    clients = [play.client(f"h{n}") for n in range(MANY)]
    for client in clients:
        play.viewers[f"h{clients.index(client)}"].connection.data_received(asks(b"/hot"))
    play.rests()
    assert len(play.recorder.seen) == 1
    assert {client.answers([b"GET"])[0].status for client in clients} == {200}
    play.close()
    return "1 origin request, every viewer answered"


def herd_on_failure(memo: bool) -> str:
    def dead(seen: Seen) -> Script:
        return Script((b"rubbish\r\n\r\n",), "fin")

    play = stage_of(memo, dead)
    clients = [play.client(f"h{n}") for n in range(MANY)]
    for n in range(MANY):
        play.viewers[f"h{n}"].connection.data_received(asks(b"/hot"))
    play.rests()
    statuses = {client.answers([b"GET"])[0].status for client in clients}
    assert statuses == {502}, statuses
    count = len(play.recorder.seen)
    assert count <= 2, count
    play.close()
    return f"502 for all, {count} origin requests"


def silent_origin(memo: bool) -> str:
    play = stage_of(memo, lambda seen: Script(()))
    client = play.client("a")
    client.sends([asks(b"/p")])
    for _ in range(100):
        if client.output:
            break
        play.passes(1)
    assert client.answers([b"GET"])[0].status == 504
    assert len(play.recorder.seen) <= 3
    assert play.recorder.open == 0
    play.close()
    return "504 after the attempts configured"


def leader_leaves(memo: bool) -> str:
    play = stage_of(memo)
    leader, other = play.client("leader"), play.client("other")
    play.viewers["leader"].connection.data_received(asks(b"/p"))
    play.viewers["other"].connection.data_received(asks(b"/p"))
    play.loop.settle(4)
    play.viewers["leader"].leaves()
    play.rests()
    assert not leader.output
    assert other.answers([b"GET"])[0].status == 200
    play.close()
    return "the others get theirs"


def private_after_all(memo: bool) -> str:
    def private(seen: Seen) -> Script:
        count[0] += 1
        return response(b"secret %d" % count[0], b"Cache-Control: private", b"Set-Cookie: a=b")

    count = [0]
    play = stage_of(memo, private)
    clients = [play.client(f"h{n}") for n in range(20)]
    for n in range(20):
        play.viewers[f"h{n}"].connection.data_received(asks(b"/hot"))
    play.rests()
    bodies = [client.answers([b"GET"])[0].body for client in clients]
    assert len(set(bodies)) == 20, bodies
    play.close()
    return "each gets an answer of its own"


def upload_cut_off(memo: bool) -> str:
    play = stage_of(memo)
    client = play.client("a")
    client.sends([asks(b"/p", b"Transfer-Encoding: chunked", method=b"POST", body=b"5\r\nhel")])
    play.viewers["a"].leaves()
    play.rests()
    assert not client.output
    assert not play.recorder.seen
    assert play.recorder.open == 0
    assert not any(cut.endswith(b"0\r\n\r\n") for cut in play.recorder.cut)
    play.close()
    return "the origin's connection is broken off"


def clock_steps(memo: bool) -> str:
    play = stage_of(memo)
    answered(play, "a", b"/p")
    play.clock.now -= 5
    client = play.client("b")
    client.sends([asks(b"/p")])
    (one,) = client.answers([b"GET"])
    ages = [int(value) for name, value in one.fields if name == b"age"]
    assert all(age >= 0 for age in ages)
    play.close()
    return "Age is never negative"


EXHAUSTION = [
    Trial("C19", "the client dies in mid-chunk", upload_cut_off),
    Trial("O12", "accepts, then silence", silent_origin),
    Trial("O28", "the first client leaves in mid-fill", leader_leaves),
    Trial("O29", f"the leader fails with {MANY} waiters", herd_on_failure),
    Trial("O30", "the answer to collapsed requests is private", private_after_all),
    Trial("X08", f"{5 * MANY} distinct query strings", key_flood),
    Trial("X14", f"one cold key under {MANY} clients", herd),
    Trial("X17", f"{5 * MANY} random 404s", random_misses),
    Trial("Z07", "the clock steps back", clock_steps),
]  # fmt: skip
