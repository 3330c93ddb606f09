import struct

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from sfu.ice import (
    MAX_ADDRESSES,
    SILENCE,
    BindingRequest,
    CheckResult,
    IceAgent,
    answer_stranger,
    read_binding_request,
)
from sfu.plane.interface import Drop

UFRAG, PWD = "server01", "p" * 24
HOME, ROAD = ("192.0.2.1", 5000), ("198.51.100.7", 6000)


def check_bytes(*, ufrag=UFRAG, pwd=PWD, nominate=False, controlled=False, **attributes):
    message = stun.Message(
        stun.Method.BINDING,
        stun.Class.REQUEST,
        attributes={"USERNAME": f"{ufrag}:client", "PRIORITY": 1, **attributes},
    )
    message.attributes["ICE-CONTROLLED" if controlled else "ICE-CONTROLLING"] = 1
    if nominate:
        message.attributes["USE-CANDIDATE"] = None
    if pwd is not None:
        message.add_message_integrity(pwd.encode())
    return bytes(message)


def check(agent, address=HOME, now=0.0, **what):
    request = read_binding_request(check_bytes(**what))
    assert isinstance(request, BindingRequest)
    return agent.check(request, address, now)


@pytest.fixture
def agent():
    return IceAgent(UFRAG, PWD, now=0.0)


def test_a_verified_check_is_answered_and_bound(agent):
    result = check(agent, now=3.0)
    assert result.bind == (HOME,)
    assert agent.selected == HOME
    assert agent.last_check == 3.0
    response = stun.parse_message(result.response)
    assert response.message_class is stun.Class.RESPONSE
    assert response.attributes["XOR-MAPPED-ADDRESS"] == HOME
    assert response.check_message_integrity(PWD.encode())


@pytest.mark.parametrize(
    ("what", "drop"),
    [
        ({"pwd": "q" * 24}, Drop.STUN_INTEGRITY),
        ({"pwd": None}, Drop.STUN_INTEGRITY),
        ({"ufrag": "somebody"}, Drop.STUN_UNKNOWN_USER),
    ],
)
def test_an_unverified_check_changes_nothing(agent, what, drop):
    assert check(agent, now=9.0, **what) is drop
    assert agent.selected is None
    assert agent.last_check == 0.0


def test_a_forged_check_does_not_keep_consent(agent):
    check(agent, now=1.0)
    assert check(agent, now=20.0, pwd="q" * 24) is Drop.STUN_INTEGRITY
    assert agent.last_check == 1.0


def test_another_address_is_readable_but_not_selected_until_nominated(agent):
    check(agent, HOME)
    assert check(agent, ROAD).bind == (ROAD, HOME)
    assert agent.selected == HOME
    assert check(agent, ROAD, nominate=True).bind == (ROAD,)
    assert agent.selected == ROAD
    assert check(agent, ROAD, nominate=True).bind == ()


def test_addresses_are_bounded_and_the_selected_one_stays(agent):
    check(agent, HOME, nominate=True)
    unbound = [check(agent, ("192.0.2.9", port)).unbind for port in range(1, MAX_ADDRESSES + 3)]
    assert unbound[: MAX_ADDRESSES - 1] == [None] * (MAX_ADDRESSES - 1)
    assert unbound[MAX_ADDRESSES - 1 :] == [("192.0.2.9", 1), ("192.0.2.9", 2), ("192.0.2.9", 3)]
    assert agent.selected == HOME


def test_a_restart_takes_old_names_until_the_new_one_is_used(agent):
    check(agent)
    agent.restart("server02", "r" * 24)
    assert set(agent.ufrags) == {UFRAG, "server02"}
    assert isinstance(check(agent), CheckResult)
    assert isinstance(check(agent, ufrag="server02", pwd="r" * 24), CheckResult)
    assert agent.ufrags == ("server02",)
    assert check(agent) is Drop.STUN_UNKNOWN_USER


def test_after_a_restart_the_first_address_is_used_before_it_is_nominated(agent):
    check(agent, HOME, nominate=True)
    agent.restart("server02", "r" * 24)
    names = {"ufrag": "server02", "pwd": "r" * 24}
    assert check(agent, ROAD, **names).bind == (ROAD,)
    assert agent.selected == ROAD
    # Only the first: of what comes then the client chooses.
    assert check(agent, HOME, now=0.1, **names).bind == ()
    assert agent.selected == ROAD
    assert check(agent, HOME, now=0.2, nominate=True, **names).bind == (HOME,)


def test_a_controlled_client_is_told_of_the_conflict(agent):
    result = check(agent, controlled=True)
    assert stun.parse_message(result.response).error_code == 487
    assert result.bind == ()
    assert agent.selected is None


@pytest.mark.parametrize(
    ("data", "drop"),
    [
        (b"", Drop.STUN_MALFORMED),
        (check_bytes()[:-3], Drop.STUN_MALFORMED),
        (bytes(stun.Message(stun.Method.BINDING, stun.Class.RESPONSE)), Drop.STUN_UNEXPECTED),
        (bytes(stun.Message(stun.Method.ALLOCATE, stun.Class.REQUEST)), Drop.STUN_UNEXPECTED),
        (bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST)), Drop.STUN_UNKNOWN_USER),
        # A PRIORITY of one byte: struct refuses it.
        (
            struct.pack("!HHI12sHHB3x", 1, 8, stun.COOKIE, b"t" * 12, 0x0024, 1, 7),
            Drop.STUN_MALFORMED,
        ),
        # A user name that is not UTF-8.
        (
            struct.pack("!HHI12sHH2s2x", 1, 8, stun.COOKIE, b"t" * 12, 0x0006, 2, b"\xff\xfe"),
            Drop.STUN_MALFORMED,
        ),
    ],
)
def test_what_is_no_check_has_a_reason(data, drop):
    assert read_binding_request(data) is drop


@given(st.binary(max_size=200), st.integers(0, 100), st.integers(0, 255))
def test_no_datagram_raises(noise, position, byte):
    read_binding_request(noise)
    data = bytearray(check_bytes())
    data[position % len(data)] = byte
    read_binding_request(bytes(data))
    read_binding_request(bytes(data[:position]))


def plain(software="x" * 40, *, kind=stun.Class.REQUEST, **attributes):
    attributes |= {"SOFTWARE": software} if software else {}
    return bytes(stun.Message(stun.Method.BINDING, kind, attributes=attributes))


@pytest.mark.parametrize("address", [HOME, ("2001:db8::7", 6000)])
def test_a_stranger_learns_its_address(address):
    answer = stun.parse_message(answer_stranger(plain(), address))
    assert answer.message_class is stun.Class.RESPONSE
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == address


def test_a_stranger_is_known_by_the_transaction():
    request = plain()
    answer = answer_stranger(request, HOME)
    assert stun.parse_message(answer).transaction_id == stun.parse_message(request).transaction_id


@pytest.mark.parametrize(
    "data",
    [
        # Shorter than the answer: a forged sender would be sent more than was sent in its name.
        plain(""),
        plain("x" * 4),
        plain(kind=stun.Class.INDICATION),
        plain(USERNAME="a:b"),
        check_bytes(),
        b"",
        bytes(20),
    ],
)
def test_nobody_else_is_answered(data):
    assert answer_stranger(data, HOME) is None


@given(st.binary(max_size=200))
def test_no_stranger_is_sent_more_than_it_sent(data):
    answer = answer_stranger(data, HOME)
    assert answer is None or len(answer) <= len(data)


def test_a_client_whose_address_changed_on_the_way_is_followed_without_a_nomination(agent):
    check(agent, HOME, 0.0, nominate=True)
    # Somewhere else a second path is tried, while this one is in use.
    assert check(agent, ROAD, SILENCE - 0.1).bind == (ROAD, HOME)
    assert check(agent, ROAD, SILENCE).bind == (ROAD,)
    assert agent.selected == ROAD
    # What was left is no rival, unless the new path goes silent in turn.
    assert check(agent, HOME, SILENCE + 1.0).bind == ()
    assert agent.selected == ROAD


def test_a_nominated_change_is_followed_at_once(agent):
    check(agent, HOME, 0.0, nominate=True)
    assert check(agent, ROAD, 0.1, nominate=True).bind == (ROAD,)
    assert agent.selected == ROAD


def test_who_only_stands_for_a_client_is_bound_and_the_client_is_told_its_own_address(agent):
    request = read_binding_request(check_bytes())
    result = agent.check(request, ("127.0.0.1", 4000), 0.0, ROAD)
    assert result.bind == (("127.0.0.1", 4000),)
    assert stun.parse_message(result.response).attributes["XOR-MAPPED-ADDRESS"] == ROAD


def test_a_path_that_ended_is_left_for_the_newest_other(agent):
    for at, address in enumerate((HOME, ROAD, ("203.0.113.1", 1))):
        check(agent, address, at, nominate=address == HOME)
    agent.forget(("203.0.113.1", 1))
    assert agent.selected == HOME
    agent.forget(HOME)
    assert agent.selected == ROAD
    agent.forget(ROAD)
    agent.forget(ROAD)
    assert agent.selected is None
    assert check(agent, HOME, 5.0).bind == (HOME,)
