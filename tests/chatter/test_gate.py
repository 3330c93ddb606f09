"""Who gets through to HTTP, and who holds connections for nothing."""

from __future__ import annotations

import json

import pytest
from prometheus_client import CollectorRegistry

from api.address import TrustedProxies
from chatter.gate import Gate, too_many


class Transport:
    closed = False

    def is_closing(self) -> bool:
        return self.closed


def make_gate(limit=2, *exempt):
    registry = CollectorRegistry()
    return Gate(limit, TrustedProxies(exempt), registry), registry


def refused(registry, reason):
    return registry.get_sample_value("chatter_http_connections_refused_total", {"reason": reason})


@pytest.mark.parametrize(
    ("host", "same"),
    [
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::1"),
        ("fe80::1%eth0", "fe80::2%eth1"),
    ],
)
def test_what_connections_are_counted_by(host, same):
    gate, _ = make_gate(1)
    assert [gate.admit(host, Transport()), gate.admit(same, Transport())] == [True, False]


def test_so_many_and_no_more():
    gate, registry = make_gate(2)
    transports = [Transport() for _ in range(3)]
    assert [gate.admit("192.0.2.7", transport) for transport in transports] == [True, True, False]
    assert gate.admit("192.0.2.8", Transport())
    assert refused(registry, "too_many") == 1


def test_a_closed_one_makes_room():
    gate, _ = make_gate(1)
    first = Transport()
    assert gate.admit("192.0.2.7", first)
    first.closed = True
    assert gate.admit("192.0.2.7", Transport())


def test_a_refused_one_does_not_count():
    gate, _ = make_gate(1)
    first = Transport()
    gate.admit("192.0.2.7", first)
    assert not any(gate.admit("192.0.2.7", Transport()) for _ in range(5))
    first.closed = True
    assert gate.admit("192.0.2.7", Transport())


def test_proxies_count_their_clients_themselves():
    gate, _ = make_gate(1, "10.0.0.0/8")
    assert all(gate.admit("10.1.2.3", Transport()) for _ in range(5))
    assert all(gate.admit("::ffff:10.1.2.3", Transport()) for _ in range(5))


def test_places_do_not_pile_up():
    gate, _ = make_gate(5)
    for number in range(1000):
        transport = Transport()
        gate.admit(f"2001:db8:{number:x}::1", transport)
        transport.closed = True
    assert len(gate) <= 2


def test_the_refusal_is_an_answer():
    head, _, body = too_many(7).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 429 ")
    assert f"Content-Length: {len(body)}".encode() in head
    problem = json.loads(body)
    assert (problem["status"], problem["code"], problem["error"]["code"]) == (
        429,
        "too_many_connections",
        "too_many_connections",
    )
    assert "7 connections" in problem["detail"]
