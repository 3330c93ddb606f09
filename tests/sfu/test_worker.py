"""Behaviour of a room, from offers and datagrams to packets and events."""

import pytest
from aioice import stun
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sfu.errors import MediaError, NegotiationError
from sfu.events import Encoding, TrackPublished, TrackUnpublished, TransportClosed, TransportConnected
from sfu.wire import rtcp
from tests.sfu.world import H264, VP8_DELTA, VP8_KEYFRAME, Line, World, ntp

CAMERA, MICROPHONE = 0x1111, 0x2222
EMPTY = {
    "rooms": 0,
    "connections": 0,
    "ufrags": 0,
    "transports": 0,
    "addresses": 0,
    "sources": 0,
    "routes": 0,
}


@pytest.fixture
def world():
    return World()


def publisher(world, name="ann", *, connect=True, ssrcs=True, direction="sendonly"):
    client = world.client(name)
    client.offer(
        Line("0", "audio", direction, MICROPHONE if ssrcs else None),
        Line("1", "video", direction, CAMERA if ssrcs else None),
    )
    if connect:
        client.connect()
    return client


def subscriber(world, name="bob", *, connect=True, tracks=("ann:microphone", "ann:camera")):
    client = world.client(name)
    audio, video = tracks
    client.offer(
        Line("a", "audio", "recvonly"), Line("v", "video", "recvonly"), subscribe={"a": audio, "v": video}
    )
    if connect:
        client.connect()
    return client


# Publishing and subscribing


def test_what_one_sends_the_other_gets_under_its_own_numbers(world):
    ann, bob = publisher(world), subscriber(world)
    assert ann.answer.publish == {"0": "ann:microphone", "1": "ann:camera"}
    assert bob.answer.subscribe == {"a": "ann:microphone", "v": "ann:camera"}
    ann.send(CAMERA, VP8_KEYFRAME, timestamp=5000)
    ann.send(CAMERA, VP8_DELTA, timestamp=8000)
    ann.send(MICROPHONE, b"opus", payload_type=111)
    assert bob.taken_payloads() == [VP8_KEYFRAME, VP8_DELTA, b"opus"]
    ann.send(CAMERA, VP8_DELTA, timestamp=11000)
    (packet,) = bob.rtp
    assert packet.ssrc == bob.ssrc_on("v")
    assert packet.mid == "v"
    assert packet.timestamp == 11000


def test_publishing_is_announced_and_connecting_too(world):
    publisher(world)
    events = world.taken_events()
    assert [(type(event), getattr(event, "track_id", None)) for event in events] == [
        (TrackPublished, "ann:microphone"),
        (TrackPublished, "ann:camera"),
        (TransportConnected, None),
    ]
    assert events[1].encodings[0].codec == "VP8"


def test_publish_names_win_over_the_order(world):
    ann = world.client("ann")
    ann.offer(Line("0", "video", "sendonly"), publish={"0": "screen"})
    assert ann.answer.publish == {"0": "ann:screen"}


def test_an_ssrc_that_the_offer_does_not_tell_is_found_by_mid(world):
    ann, bob = publisher(world, ssrcs=False), subscriber(world)
    ann.send(0x77, VP8_KEYFRAME, mid="1")
    assert bob.taken_payloads() == [VP8_KEYFRAME]


def test_or_by_a_payload_type_that_one_line_alone_has(world):
    ann, bob = publisher(world, ssrcs=False), subscriber(world)
    ann.send(0x77, b"opus", payload_type=111)
    assert bob.taken_payloads() == [b"opus"]


@pytest.mark.parametrize("what", [{"payload_type": 50}, {"mid": "9"}, {"payload_type": 50, "mid": "1"}])
def test_an_ssrc_of_nobody_is_dropped_with_a_reason(world, what):
    ann, bob = publisher(world, ssrcs=False), subscriber(world)
    ann.send(0x77, VP8_KEYFRAME, **what)
    assert bob.rtp == []
    assert world.worker.drops() == {"unknown_ssrc": 1}


def test_a_new_ssrc_on_the_same_line_goes_on_under_the_old_number(world):
    ann, bob = publisher(world), subscriber(world)
    ann.send(CAMERA, VP8_KEYFRAME, mid="1")
    world.now += 1
    ann.send(0x99, VP8_KEYFRAME, mid="1", sequence_number=40000)
    first, second = bob.rtp
    assert first.ssrc == second.ssrc
    assert second.sequence_number == first.sequence_number + 1
    assert second.timestamp == first.timestamp + 90000


def test_ssrcs_of_one_line_are_bounded(world):
    ann = publisher(world)
    for ssrc in range(1, 50):
        ann.send(ssrc, VP8_DELTA, mid="1")
    assert world.worker.sizes()["sources"] <= 8 + 1


def test_codecs_are_carried_only_where_both_have_them(world):
    publisher(world)
    bob = world.client("bob")
    bob.offer(Line("v", "video", "recvonly", codecs=H264), subscribe={"v": "ann:camera"})
    assert bob.answer.subscribe == {"v": None}
    assert bob.direction("v") == "inactive"


# Unnamed lines


def test_unnamed_lines_get_free_tracks_now_and_later_and_never_ones_own(world):
    ann = publisher(world, direction="sendrecv")
    cat = world.client("cat")
    cat.offer(Line("a", "audio", "recvonly"), Line("v", "video", "recvonly"), Line("w", "video", "recvonly"))
    cat.connect()
    assert [cat.direction(mid) for mid in "avw"] == ["sendonly"] * 3
    ann.send(CAMERA, VP8_KEYFRAME)
    assert [packet.mid for packet in cat.rtp] == ["v"]
    assert ann.rtp == []
    cat.rtp.clear()

    bob = publisher(world, "bob", direction="sendrecv")
    bob.send(CAMERA, VP8_KEYFRAME)
    assert [packet.mid for packet in cat.rtp] == ["w"]
    assert [packet.mid for packet in ann.rtp] == ["1"]
    assert bob.rtp == []


def test_an_unnamed_line_gets_another_track_when_its_own_goes(world):
    ann, bob = publisher(world), publisher(world, "bob")
    cat = world.client("cat")
    cat.offer(Line("v", "video", "recvonly"))
    cat.connect()
    ann.send(CAMERA, VP8_KEYFRAME)
    bob.send(CAMERA, VP8_KEYFRAME)
    assert len(cat.rtp) == 1
    world.worker.close_transport("room", "ann", "left", world.now)
    bob.send(CAMERA, VP8_DELTA)
    assert len(cat.rtp) == 1
    bob.send(CAMERA, VP8_KEYFRAME)
    first, second = cat.rtp
    assert (second.ssrc, second.sequence_number) == (first.ssrc, first.sequence_number + 1)


# Named lines


def test_a_named_track_that_is_absent_is_null_and_can_be_named_again(world):
    bob = subscriber(world)
    assert bob.answer.subscribe == {"a": None, "v": None}
    assert bob.direction("v") == "inactive"
    publisher(world)
    assert bob.rtp == []
    bob.offer(Line("v", "video", "recvonly"), subscribe={"v": "ann:camera"})
    assert bob.answer.subscribe == {"v": "ann:camera"}
    assert bob.direction("v") == "sendonly"


def test_a_named_track_that_comes_back_is_carried_without_a_new_offer(world):
    publisher(world)
    bob = subscriber(world)
    world.worker.close_transport("room", "ann", "consent-expired", world.now)
    ann = publisher(world)
    ann.send(CAMERA, VP8_KEYFRAME)
    assert bob.taken_payloads() == [VP8_KEYFRAME]


def test_a_line_changes_its_track_with_the_offer(world):
    publisher(world)
    ben = publisher(world, "ben")
    bob = subscriber(world)
    bob.offer(
        Line("a", "audio", "recvonly"),
        Line("v", "video", "recvonly"),
        subscribe={"a": "ann:microphone", "v": "ben:camera"},
    )
    ben.send(CAMERA, VP8_KEYFRAME)
    assert [packet.mid for packet in bob.rtp] == ["v"]


def test_two_lines_swap_their_sources(world):
    ann = world.client("ann")
    lines = Line("0", "video", "sendonly", 1), Line("1", "video", "sendonly", 2)
    ann.offer(*lines, publish={"0": "camera", "1": "screen"})
    ann.offer(*lines, publish={"0": "screen", "1": "camera"})
    assert ann.answer.publish == {"0": "ann:screen", "1": "ann:camera"}


def test_nobody_is_given_their_own_track(world):
    ann = world.client("ann")
    ann.offer(Line("0", "video", "sendonly"), Line("1", "video", "recvonly"), subscribe={"1": "ann:camera"})
    assert ann.answer.subscribe == {"1": None}


def test_stopping_to_send_takes_the_track_away(world):
    ann, bob = publisher(world), subscriber(world)
    world.taken_events()
    ann.offer(Line("0", "audio", "sendonly", MICROPHONE), Line("1", "video", "inactive"))
    assert world.taken_events() == [TrackUnpublished("room", "ann", "ann:camera")]
    ann.send(MICROPHONE, b"opus", payload_type=111)
    assert bob.taken_payloads() == [b"opus"]


# Keyframes


def test_a_subscriber_starts_with_a_keyframe_and_asks_for_one(world):
    ann = publisher(world)
    ann.send(CAMERA, VP8_KEYFRAME)
    world.run(1)
    bob = subscriber(world, connect=False)
    assert ann.taken_rtcp(rtcp.PictureLossIndication) == []
    bob.connect()
    (request,) = ann.taken_rtcp(rtcp.PictureLossIndication)
    assert request.media_ssrc == CAMERA
    ann.send(CAMERA, VP8_DELTA)
    assert bob.rtp == []
    ann.send(CAMERA, VP8_KEYFRAME)
    ann.send(CAMERA, VP8_DELTA)
    assert bob.taken_payloads() == [VP8_KEYFRAME, VP8_DELTA]


def test_many_subscribers_are_one_request(world):
    ann = publisher(world)
    ann.send(CAMERA, VP8_KEYFRAME)
    world.run(1)
    ann.rtcp.clear()
    for number in range(20):
        subscriber(world, f"bob{number}")
    assert len(ann.taken_rtcp(rtcp.PictureLossIndication)) == 1


def test_a_request_is_repeated_until_the_keyframe_comes(world):
    ann = publisher(world)
    subscriber(world)
    assert len(ann.taken_rtcp(rtcp.PictureLossIndication)) == 1
    world.run(0.6)
    assert len(ann.taken_rtcp(rtcp.PictureLossIndication)) == 1
    ann.send(CAMERA, VP8_KEYFRAME)
    world.run(5)
    assert ann.taken_rtcp(rtcp.PictureLossIndication) == []


def test_a_keyframe_that_came_too_early_for_a_subscriber_does_not_end_its_request(world):
    ann, bob = publisher(world), subscriber(world, connect=False)
    ann.send(CAMERA, VP8_DELTA)
    bob.check()
    # A plane with threads of its own forwards first and tells later.
    world.plane.receive(ann.protected(CAMERA, VP8_KEYFRAME), ann.address, world.now)
    bob.handshake()
    world.worker.handle_punts(world.now)
    assert bob.taken_payloads() == []
    assert len(ann.taken_rtcp(rtcp.PictureLossIndication)) == 1
    world.run(0.6)
    assert len(ann.taken_rtcp(rtcp.PictureLossIndication)) == 1
    ann.send(CAMERA, VP8_KEYFRAME, timestamp=3000)
    assert bob.taken_payloads() == [VP8_KEYFRAME]
    world.run(5)
    assert ann.taken_rtcp(rtcp.PictureLossIndication) == []


@pytest.mark.parametrize("kind", ["pli", "fir"])
def test_a_subscribers_request_reaches_the_publisher(world, kind):
    ann, bob = publisher(world), subscriber(world)
    ann.send(CAMERA, VP8_KEYFRAME)
    world.run(1)
    ann.rtcp.clear()
    ssrc = bob.ssrc_on("v")
    if kind == "pli":
        request = rtcp.PictureLossIndication(sender_ssrc=1, media_ssrc=ssrc)
    else:
        request = rtcp.FullIntraRequest(1, (rtcp.FullIntraRequestEntry(ssrc, 0),))
    bob.send_rtcp(rtcp.ReceiverReport(ssrc=1), request)
    assert len(ann.taken_rtcp(rtcp.PictureLossIndication)) == 1
    assert world.worker.stats("room").consumers[1].keyframe_requests == 1


def test_a_request_for_audio_or_for_nobody_reaches_nobody(world):
    ann, bob = publisher(world), subscriber(world)
    ann.send(CAMERA, VP8_KEYFRAME)
    world.run(1)
    ann.rtcp.clear()
    for ssrc in (bob.ssrc_on("a"), 424242):
        bob.send_rtcp(rtcp.PictureLossIndication(sender_ssrc=1, media_ssrc=ssrc))
    assert ann.taken_rtcp(rtcp.PictureLossIndication) == []


def test_pausing_stops_a_track_and_resuming_waits_for_a_keyframe(world):
    ann, bob = publisher(world), subscriber(world)
    ann.send(CAMERA, VP8_KEYFRAME)
    world.run(1)
    world.worker.pause("room", "bob", "ann:camera", True, world.now)
    ann.send(CAMERA, VP8_KEYFRAME)
    assert bob.taken_payloads() == [VP8_KEYFRAME]
    ann.rtcp.clear()
    world.worker.pause("room", "bob", "ann:camera", False, world.now)
    world.pump()
    assert len(ann.taken_rtcp(rtcp.PictureLossIndication)) == 1
    ann.send(CAMERA, VP8_DELTA)
    ann.send(CAMERA, VP8_KEYFRAME)
    assert bob.taken_payloads() == [VP8_KEYFRAME]


# Reports


def test_the_publishers_clock_reaches_subscribers_in_their_timestamps(world):
    ann, bob = publisher(world), subscriber(world)
    other = publisher(world, "ben")
    ann.send(CAMERA, VP8_KEYFRAME, timestamp=1000)
    ann.send(MICROPHONE, b"opus", payload_type=111, timestamp=48000)
    ann.send_rtcp(rtcp.SenderReport(CAMERA, ntp(5000), 1000, 1, 1))
    ann.send_rtcp(rtcp.SenderReport(MICROPHONE, ntp(5000), 48000, 1, 1))
    world.run(1.5)
    reports = {report.ssrc: report for report in bob.rtcp if isinstance(report, rtcp.SenderReport)}
    names = {packet.ssrc: packet.cname for packet in bob.rtcp if isinstance(packet, rtcp.SourceDescription)}
    video, audio = reports[bob.ssrc_on("v")], reports[bob.ssrc_on("a")]
    # Both lines of the publisher's clock meet at one moment, so a receiver aligns them.
    assert (video.rtp_timestamp - 1000) / 90000 == pytest.approx((video.ntp >> 32) - 5000, abs=1)
    elapsed = (video.ntp - ntp(5000)) / (1 << 32)
    assert (video.rtp_timestamp - 1000) / 90000 == pytest.approx(elapsed, abs=0.001)
    assert (audio.rtp_timestamp - 48000) / 48000 == pytest.approx(
        (audio.ntp - ntp(5000)) / (1 << 32), abs=0.001
    )
    assert set(names.values()) == {"ann"}
    assert (video.packet_count, video.octet_count) == (1, len(VP8_KEYFRAME))
    assert [packet for packet in other.rtcp if isinstance(packet, rtcp.SenderReport)] == []


def test_a_sender_report_keeps_to_the_line_after_a_change_of_source(world):
    ann, bob = publisher(world), subscriber(world)
    ann.send(CAMERA, VP8_KEYFRAME, timestamp=1000)
    world.now += 1
    ann.send(0x99, VP8_KEYFRAME, mid="1", timestamp=777)
    shift = bob.rtp[-1].timestamp - 777
    ann.send_rtcp(rtcp.SenderReport(0x99, ntp(6000), 777, 1, 1))
    bob.rtcp.clear()
    world.run(1.1)
    report = bob.taken_rtcp(rtcp.SenderReport)[-1]
    elapsed = (report.ntp - ntp(6000)) / (1 << 32)
    assert (report.rtp_timestamp - 777 - shift) / 90000 == pytest.approx(elapsed, abs=0.001)


def test_publishers_get_receiver_reports_and_the_bandwidth_limit(world):
    ann = publisher(world)
    for number in (10, 11, 12, 14):
        ann.send(CAMERA, VP8_DELTA, sequence_number=number)
    ann.send_rtcp(rtcp.SenderReport(CAMERA, 0x1111_2222_3333_4444, 1000, 1, 1))
    ann.rtcp.clear()
    world.run(1.05)
    (report,) = [packet for packet in ann.rtcp if isinstance(packet, rtcp.ReceiverReport) and packet.reports]
    (block,) = report.reports
    assert (block.ssrc, block.packets_lost, block.highest_sequence & 0xFFFF) == (CAMERA, 1, 14)
    assert block.last_sr == 0x2222_3333
    assert block.delay_since_last_sr > 0
    (limit,) = ann.taken_rtcp(rtcp.ReceiverEstimatedMaximumBitrate)
    assert limit.bitrate == pytest.approx(2_628_000, rel=0.001)
    assert set(limit.ssrcs) == {CAMERA, MICROPHONE}


def test_round_trip_and_loss_of_a_subscriber_are_known(world):
    ann, bob = publisher(world), subscriber(world)
    ann.send(CAMERA, VP8_KEYFRAME)
    ann.send_rtcp(rtcp.SenderReport(CAMERA, ntp(5000), 0, 1, 1))
    world.run(0.05)
    (report,) = bob.taken_rtcp(rtcp.SenderReport)
    world.now += 0.08
    block = rtcp.ReportBlock(
        ssrc=report.ssrc,
        fraction_lost=64,
        packets_lost=3,
        highest_sequence=9,
        jitter=0,
        last_sr=(report.ntp >> 16) & 0xFFFFFFFF,
        delay_since_last_sr=round(0.05 * 65536),
    )
    bob.send_rtcp(rtcp.ReceiverReport(ssrc=1, reports=(block,)))
    stats = {stats.mid: stats for stats in world.worker.stats("room").consumers}["v"]
    assert stats.fraction_lost == 0.25
    assert stats.round_trip_time == pytest.approx(0.03, abs=0.001)


def test_packets_in_times_routes_is_packets_out_and_drops(world):
    ann = publisher(world)
    bobs = [subscriber(world, f"bob{number}") for number in range(3)]
    for number in range(50):
        ann.send(CAMERA, VP8_KEYFRAME if number % 10 == 5 else VP8_DELTA)
    stats = world.worker.stats("room")
    (packets,) = [
        stream.packets_received
        for producer in stats.producers
        if producer.kind == "video"
        for stream in producer.streams
    ]
    routes = [consumer for consumer in stats.consumers if consumer.kind == "video"]
    assert packets == 50
    assert sum(route.packets_offered for route in routes) == packets * len(bobs)
    for route in routes:
        assert route.packets_offered == route.packets_sent + sum(route.drops.values())
        assert route.drops == {"awaiting_keyframe": 5}


# Life and death


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda world: world.worker.close_transport("room", "ann", "left", world.now), "left"),
        (lambda world: world.worker.close_room("room", world.now), "server-closed"),
        (lambda world: world.run(31, step=1), "consent-expired"),
        (
            lambda world: world.worker.dtls_closed(
                next(iter(world.dtls.open.values())), "dtls-closed", world.now
            ),
            "dtls-closed",
        ),
    ],
)
def test_every_end_frees_everything(world, end, reason):
    ann = publisher(world)
    ann.send(CAMERA, VP8_KEYFRAME)
    world.taken_events()
    end(world)
    assert world.worker.sizes() == EMPTY
    assert world.dtls.open == {}
    assert world.taken_events(TrackUnpublished, TransportClosed) == [
        TrackUnpublished("room", "ann", "ann:microphone"),
        TrackUnpublished("room", "ann", "ann:camera"),
        TransportClosed("room", "ann", reason),
    ]


def test_who_never_connects_is_let_go(world):
    publisher(world, connect=False).check()
    for _ in range(31):
        world.now += 1
        next(iter(world.clients.values())).check()
        world.worker.tick(world.now)
        if not world.worker.rooms:
            break
    assert world.taken_events(TransportClosed) == [TransportClosed("room", "ann", "never-connected")]
    assert world.worker.sizes() == EMPTY


def test_checks_keep_consent(world):
    ann = publisher(world)
    for _ in range(100):
        world.now += 1
        ann.check()
        world.worker.tick(world.now)
    assert world.worker.rooms == ("room",)


def test_200_joins_and_leaves_leave_nothing(world):
    publisher(world)
    before = world.worker.sizes()
    for number in range(200):
        client = world.client(f"guest{number}")
        client.offer(
            Line("0", "video", "sendrecv", 7), Line("1", "video", "recvonly"), subscribe={"1": "ann:camera"}
        )
        client.connect()
        client.send(7, VP8_KEYFRAME)
        world.worker.close_transport("room", client.participant_id, "left", world.now)
    assert world.worker.sizes() == before


def test_a_new_fingerprint_is_a_new_connection(world):
    ann = publisher(world)
    world.taken_events()
    ann.offer(Line("0", "video", "sendonly", CAMERA), fingerprint="CC", ufrag="other")
    assert world.taken_events() == [
        TrackUnpublished("room", "ann", "ann:microphone"),
        TrackUnpublished("room", "ann", "ann:camera"),
        TransportClosed("room", "ann", "replaced"),
        TrackPublished("room", "ann", "ann:camera", "video", "camera", (Encoding(rid="", codec="VP8"),)),
    ]
    assert world.worker.sizes()["connections"] == 1


def test_an_ice_restart_keeps_the_media(world):
    ann, bob = publisher(world), subscriber(world)
    ann.send(CAMERA, VP8_KEYFRAME)
    old = ann.answer.sdp
    ann.offer(
        Line("0", "audio", "sendonly", MICROPHONE), Line("1", "video", "sendonly", CAMERA), ufrag="restarted"
    )
    assert ann.answer.sdp.split("a=ice-pwd:")[1][:10] != old.split("a=ice-pwd:")[1][:10]
    moved = world.client("ann")
    moved.answer = ann.answer
    moved.check()
    assert world.worker.stats("room").transports[0].address == moved.address
    moved.send_session, moved.sequence_number = ann.send_session, ann.sequence_number
    moved.send(CAMERA, VP8_DELTA)
    assert bob.taken_payloads() == [VP8_KEYFRAME, VP8_DELTA]
    assert world.worker.sizes()["ufrags"] == 2


def test_the_number_of_connections_is_limited():
    world = World(max_transports=1)
    ann = publisher(world)
    with pytest.raises(MediaError, match="at its limit of 1 connections"):
        publisher(world, "bob")
    ann.offer(Line("0", "audio", "sendonly"), Line("1", "video", "sendonly"))


def test_an_offer_that_is_refused_changes_nothing(world):
    ann, bob = publisher(world), subscriber(world)
    for bad in (Line("0", "video", "sendonly"), Line("0", "audio", "sendonly")):
        with pytest.raises(NegotiationError):
            ann.offer(bad, publish={"0": "screen-audio" if bad.kind == "video" else "screen"})
    ann.send(CAMERA, VP8_KEYFRAME)
    assert bob.taken_payloads() == [VP8_KEYFRAME]
    with pytest.raises(NegotiationError):
        world.client("eve").offer(Line("0", "video", "sendonly"), publish={"7": "camera"}, ufrag="eveeve")
    assert world.worker.sizes()["connections"] == 2


# What the network brings


def test_media_before_dtls_and_from_strangers_is_dropped_with_a_reason(world):
    ann = publisher(world, connect=False)
    packet = b"\x80\x60" + bytes(30)
    ann.datagram(packet)
    assert world.worker.drops() == {"unbound_address": 1}
    ann.check()
    ann.datagram(packet)
    assert world.worker.drops() == {"unbound_address": 1, "before_dtls": 1}


def test_a_check_with_a_wrong_password_binds_nothing(world):
    ann = publisher(world, connect=False)
    ann.check(pwd="wrong" * 6)
    assert ann.stun == []
    assert world.worker.drops() == {"stun_integrity": 1}
    assert world.worker.sizes()["addresses"] == 0
    ann.check()
    assert ann.stun[0].message_class is stun.Class.RESPONSE


def test_dtls_waits_for_a_check_and_its_queue_is_bounded(world):
    ann = publisher(world, connect=False)
    record = b"\x16\xfe\xfd" + bytes(40)
    ann.datagram(record)
    assert world.dtls.datagrams == []
    ann.check()
    for _ in range(5):
        ann.datagram(record)
    assert world.worker.drops() == {"unbound_address": 1, "dtls_queue_full": 2}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=80),
            st.builds(
                lambda head, rest: bytes([head]) + rest,
                st.sampled_from([0, 1, 20, 22, 128, 144, 191]),
                st.binary(max_size=80),
            ),
            st.builds(
                lambda kind, rest: bytes([0x80, kind]) + rest, st.integers(192, 223), st.binary(max_size=80)
            ),
        ),
        max_size=20,
    ),
    st.booleans(),
)
def test_no_datagram_harms_a_running_call(noise, inside):
    world = World()
    ann, bob = publisher(world), subscriber(world)
    eve = world.client("eve")
    ann.send(CAMERA, VP8_KEYFRAME)
    for data in noise:
        (ann if inside else eve).datagram(data)
        ann.send(CAMERA, VP8_DELTA)
    assert bob.taken_payloads() == [VP8_KEYFRAME] + [VP8_DELTA] * len(noise)


@given(st.binary(min_size=4, max_size=60))
def test_no_rtcp_of_a_client_harms_its_room(body):
    world = World()
    ann, bob = publisher(world), subscriber(world)
    ann.send(CAMERA, VP8_KEYFRAME)
    for kind in (200, 201, 202, 203, 205, 206):
        words = len(body) // 4
        packet = bytes([0x80 | body[0] & 0x1F, kind]) + words.to_bytes(2, "big") + body[: words * 4]
        bob.datagram(bob.send_session.protect_rtcp(packet))
    ann.send(CAMERA, VP8_DELTA)
    assert bob.taken_payloads() == [VP8_KEYFRAME, VP8_DELTA]
