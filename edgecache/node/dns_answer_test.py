"""Answers of a zone at control, as a name server would give them (Route 53's TestDNSAnswer)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from ipaddress import ip_network
from random import random

from msgspec.structs import replace

from edgecache.cluster.dns_zones import DnsZoneContent
from edgecache.config.model import Config
from edgecache.control.route53.call import AnswerTester, TestedAnswer, TestedQuestion
from edgecache.dns.cdn_zone import latency_table
from edgecache.dns.responder import Responder, ResponderWorld
from edgecache.dns.zone import DnsZone
from edgecache.node.dns_zones import zones_of
from edgecache.node.geoip import geo_lookup
from edgecache.node.hosted_zone_answers import hosted_zone

BYTES_MAX = 65_535  # of an answer: nothing is truncated


def answer_tester(published: Callable[[], Config]) -> AnswerTester:
    """What tests answers, by the configuration that is published."""

    def test(
        name: str,
        content: DnsZoneContent | None,
        question: TestedQuestion,
        down: Collection[str],
    ) -> TestedAnswer:
        config = published()
        settings = config.dns
        assert settings is not None
        place_of = geo_lookup(config.geo_database)
        world = ResponderWorld(random, place_of, latency_table(settings), down)
        responder = Responder(world)
        made = _declared(config, name) if content is None else [hosted_zone(config, content)]
        responder.use(made)
        return _asked(responder, question)

    return test


def _declared(config: Config, name: str) -> list[DnsZone]:
    """The public zone of the file of a name."""
    assert config.dns is not None
    zones = tuple(
        replace(one, dnssec=False)
        for one in config.dns.zones
        if one.name.rstrip(".").lower() + "." == name and not one.clients
    )
    return zones_of(replace(config, dns=replace(config.dns, zone="", zones=zones)), 1)


def _asked(responder: Responder, question: TestedQuestion) -> TestedAnswer:
    import dns.edns
    import dns.message
    import dns.rcode

    options: list[dns.edns.Option] = []
    if question.subnet:
        subnet = ip_network(question.subnet)
        options.append(dns.edns.ECSOption(str(subnet.network_address), subnet.prefixlen))
    query = dns.message.make_query(question.name, question.type, use_edns=0, options=options)
    told = responder.answer(query.to_wire(), question.resolver, BYTES_MAX)
    assert told is not None, "a query is answered"
    answer = dns.message.from_wire(told)
    data = tuple(one.to_text() for rrset in answer.answer for one in rrset)
    return TestedAnswer(dns.rcode.to_text(answer.rcode()), data)
