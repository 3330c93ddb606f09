"""Where a request comes from."""

import pytest

from api.address import TrustedProxies, network_of

NGINX = "10.0.0.2"


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.7", "", "203.0.113.7"),
        # A header that the client itself made up.
        ("203.0.113.7", "1.2.3.4", "203.0.113.7"),
        (NGINX, "203.0.113.7", "203.0.113.7"),
        (NGINX, " 203.0.113.7 ", "203.0.113.7"),
        # Made up, and then what the proxy saw.
        (NGINX, "1.2.3.4, 203.0.113.7", "203.0.113.7"),
        # Two proxies, both trusted.
        (NGINX, "1.2.3.4, 203.0.113.7, 10.0.0.3", "203.0.113.7"),
        (NGINX, "", NGINX),
        (NGINX, "nonsense", NGINX),
        (NGINX, "203.0.113.7, nonsense", NGINX),
        (NGINX, "2001:db8::1", "2001:db8::1"),
        ("::ffff:10.0.0.2", "203.0.113.7", "203.0.113.7"),
        ("::1", "203.0.113.7", "::1"),
        (None, "203.0.113.7", None),
        ("", "203.0.113.7", None),
    ],
)
def test_who_asks(peer, forwarded, client):
    assert TrustedProxies(["10.0.0.0/8"]).client(peer, forwarded) == client


def test_a_network_that_is_none():
    with pytest.raises(ValueError, match="nonsense"):
        TrustedProxies(["nonsense"])


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, ""),
    ],
)
def test_one_visitor(address, network):
    assert network_of(address) == network
