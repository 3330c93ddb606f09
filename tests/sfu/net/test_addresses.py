import pytest

from sfu.net.addresses import host_candidates, interface_addresses

HERE = ["127.0.0.1", "::1", "2001:db8::5", "192.0.2.5"]


@pytest.mark.parametrize(
    ("interfaces", "how", "candidates"),
    [
        (HERE, {}, ("192.0.2.5", "2001:db8::5")),
        (HERE, {"local": True}, ("192.0.2.5", "2001:db8::5", "127.0.0.1", "::1")),
        (HERE, {"ipv6": False, "local": True}, ("192.0.2.5", "127.0.0.1")),
        (HERE, {"host": "192.0.2.5", "local": True}, ("192.0.2.5",)),
        (HERE, {"host": "::"}, ("192.0.2.5", "2001:db8::5")),
        (HERE, {"announced": ("203.0.113.9",), "local": True}, ("203.0.113.9",)),
        # A laptop without a network still makes calls to itself.
        (["127.0.0.1", "::1"], {}, ("127.0.0.1", "::1")),
    ],
)
def test_what_is_offered(interfaces, how, candidates):
    settings = {"host": "", "announced": (), "ipv6": True, "local": False, **how}
    assert host_candidates(interfaces, **settings) == candidates


def test_the_interfaces_of_this_machine_are_addresses_without_zone():
    found = interface_addresses()
    assert "127.0.0.1" in found
    assert not any("%" in address for address in found)
