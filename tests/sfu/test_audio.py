"""Microphones through a Worker, on both planes: who is told to speak, and who is forwarded."""

import pytest

from sfu.events import SpeakersChanged
from sfu.offer import UNRESTRICTED, Permissions
from sfu.plane.interface import Drop
from tests.sfu.world import LEVEL_ID, Line, World

OPUS = 111


@pytest.fixture(params=["reference", "fast"])
def plane(request):
    return request.param


class Call:
    """Everybody has a microphone and hears all others."""

    def __init__(self, plane, names, *, levels=True, permissions=UNRESTRICTED, **config):
        self.world = World(plane, **config)
        self.clients = {}
        self.timestamp = 0
        self.ssrcs = {name: 100 + number for number, name in enumerate(names)}
        for name in names:
            self.join(name, levels)

    def join(self, name, levels=True):
        client = self.clients[name] = self.world.client(name)
        self.offer(name, levels)
        client.connect()

    def offer(self, name, levels=True, permissions=UNRESTRICTED):
        others = [other for other in self.ssrcs if other != name]
        lines = [Line("0", "audio", "sendonly", self.ssrcs[name], levels=levels)]
        lines += [Line(str(1 + at), "audio", "recvonly", levels=True) for at in range(len(others))]
        subscribe = {str(1 + at): f"{other}:microphone" for at, other in enumerate(others)}
        self.clients[name].offer(*lines, subscribe=subscribe, permissions=permissions)

    def talk(self, seconds, **levels):
        """Everybody sends each 20 ms, at the level given or of silence; None tells none."""
        for _ in range(round(seconds / 0.02)):
            self.timestamp += 960
            for name, client in self.clients.items():
                client.send(
                    self.ssrcs[name],
                    name.encode(),
                    payload_type=OPUS,
                    timestamp=self.timestamp,
                    level=levels.get(name, 127),
                )
            self.world.run(0.02, step=0.02)

    def told(self):
        return [
            [speaker.track_id.split(":")[0] for speaker in event.speakers]
            for event in self.world.taken_events(SpeakersChanged)
        ]

    def heard(self, name):
        """Whom a client has got anything from."""
        return {payload.decode() for payload in self.clients[name].taken_payloads()}


def test_levels_are_negotiated_and_passed_on(plane):
    call = Call(plane, "ab")
    assert f"a=extmap:{LEVEL_ID} urn:ietf:params:rtp-hdrext:ssrc-audio-level" in call.clients["a"].answer.sdp
    call.offer("a")
    call.talk(0.1, b=33)
    assert {packet.level for packet in call.clients["a"].rtp} == {bytes((0x80 | 33,))}


def test_who_speaks_is_told_and_who_stops_too(plane):
    call = Call(plane, "abc")
    call.talk(1)
    assert call.told() == []
    call.talk(1, b=25)
    assert call.told() == [["b"]]
    call.talk(1, b=30, c=10)
    assert call.told()[-1] == ["c", "b"]
    call.talk(2)
    assert call.told()[-1] == []


def test_who_tells_no_level_is_no_speaker(plane):
    call = Call(plane, "ab", levels=False)
    call.talk(1, a=10)
    assert call.told() == []


def test_who_is_muted_at_the_server_is_no_speaker(plane):
    call = Call(plane, "ab")
    call.talk(1, a=20)
    assert call.told() == [["a"]]
    muted = Permissions(muted=frozenset({"microphone"}))
    call.world.worker.permit("room", "a", muted, call.world.now)
    call.talk(1, a=20)
    assert call.told() == [[]]


def mute(call, name, muted):
    permissions = Permissions(muted=frozenset({"microphone"})) if muted else UNRESTRICTED
    call.world.worker.permit("room", name, permissions, call.world.now)


@pytest.mark.parametrize("while_muted", [20, 127])
def test_who_is_silent_once_unmuted_is_no_speaker(plane, while_muted):
    call = Call(plane, "ab")
    call.talk(2, a=20)
    mute(call, "a", True)
    call.talk(2, a=while_muted)
    call.talk(0.2)
    assert call.told() == [["a"], []]
    mute(call, "a", False)
    call.talk(2)
    call.world.run(1, step=0.1)
    assert call.told() == []


def test_who_is_silent_once_unmuted_takes_no_place_among_the_loudest(plane):
    call = Call(plane, "abc", audio_room_size=2, audio_loudest=1)
    for name in "abc":
        call.offer(name)
    call.talk(2, a=10)
    mute(call, "a", True)
    call.talk(3, a=10, b=40)
    call.talk(0.2, b=40)
    mute(call, "a", False)
    # Who is new to the choice is held back from the next look on.
    call.talk(0.12, b=40)
    call.clients["c"].taken_payloads()
    call.talk(2, b=40)
    assert call.heard("c") == {"b"}


def test_who_leaves_is_no_speaker(plane):
    call = Call(plane, "ab")
    call.talk(1, a=20)
    call.world.worker.close_transport("room", "a", "left", call.world.now)
    del call.clients["a"]
    call.talk(0.5)
    assert call.told() == [["a"], []]


def test_in_a_small_room_everybody_is_forwarded(plane):
    call = Call(plane, "abcd", audio_room_size=4, audio_loudest=1)
    for name in "abcd":
        call.offer(name)
    call.talk(2, a=20)
    assert call.heard("d") == set("abc")
    assert Drop.NOT_LOUDEST not in call.world.plane.drops()


def test_in_a_large_room_the_loudest_are_forwarded_without_gaps(plane):
    call = Call(plane, "abcd", audio_room_size=3, audio_loudest=2)
    for name in "abcd":
        call.offer(name)
    call.talk(3, a=20, b=30)
    for client in call.clients.values():
        client.taken_payloads()
    call.talk(2, a=20, b=30)
    assert call.heard("d") == {"a", "b"}
    assert call.heard("a") == {"b"}
    call.talk(4, a=20, c=30)
    call.clients["d"].rtp.clear()
    call.talk(2, a=20, c=30)
    assert call.heard("d") == {"a", "c"}
    assert call.world.plane.drops()[Drop.NOT_LOUDEST] > 0


def test_numbers_are_contiguous_over_a_hold(plane):
    call = Call(plane, "abc", audio_room_size=2, audio_loudest=1)
    for name in "abc":
        call.offer(name)
    for speaker in "abab":
        call.talk(4, **{speaker: 20})
    by_ssrc = {}
    for packet in call.clients["c"].rtp:
        by_ssrc.setdefault(packet.ssrc, []).append(packet.sequence_number)
    assert len(by_ssrc) == 2
    for numbers in by_ssrc.values():
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_who_tells_no_level_is_forwarded_all_the_same(plane):
    call = Call(plane, "abc", audio_room_size=3, audio_loudest=1)
    call.ssrcs["d"] = 200
    call.join("d", levels=False)
    for name in "abc":
        call.offer(name)
    call.talk(3, a=20)
    for client in call.clients.values():
        client.taken_payloads()
    call.talk(1, a=20)
    assert call.heard("c") == {"a", "d"}


def test_a_room_that_has_become_small_forwards_all(plane):
    call = Call(plane, "abcd", audio_room_size=3, audio_loudest=1)
    for name in "abcd":
        call.offer(name)
    call.talk(3, a=20)
    call.world.worker.close_transport("room", "d", "left", call.world.now)
    del call.clients["d"]
    call.talk(0.2, a=20)
    call.clients["c"].taken_payloads()
    call.talk(0.5, a=20)
    assert call.heard("c") == {"a", "b"}


def test_who_was_muted_while_held_back_is_heard_when_it_may_speak(plane):
    call = Call(plane, "abc", audio_room_size=2, audio_loudest=1)
    for name in "abc":
        call.offer(name)
    call.talk(3, a=20)
    worker, now = call.world.worker, call.world.now
    worker.permit("room", "b", Permissions(muted=frozenset({"microphone"})), now)
    call.talk(3)
    worker.permit("room", "b", UNRESTRICTED, call.world.now)
    call.talk(3, b=20)
    call.clients["c"].taken_payloads()
    call.talk(1, b=20)
    assert "b" in call.heard("c")
