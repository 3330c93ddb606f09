"""Each codec as real encoders send it goes through a room byte for byte."""

from pathlib import Path

import pytest

from sfu.wire import rtp
from tests.sfu.world import Line, World

DATA = Path(__file__).parents[1] / "data" / "rtp"
SSRC = 0x1111

# Publisher and subscriber number the codec differently, and both have another one first.
STREAMS = [
    ("chromium-vp8", "VP8/90000", "H264/90000"),
    ("chromium-vp9", "VP9/90000", "VP8/90000"),
    ("chromium-h264", "H264/90000", "VP8/90000"),
    ("chromium-av1", "AV1/90000", "VP8/90000"),
    ("ffmpeg-vp8", "VP8/90000", "H264/90000"),
    ("ffmpeg-h264", "H264/90000", "VP8/90000"),
    ("ffmpeg-av1", "AV1/90000", "VP8/90000"),
]
SOUND = "opus/48000/2"


def packets_of(name: str) -> list[tuple[int, bytes]]:
    """(Timestamp, payload) of each packet of a file that carries something."""
    data, found = (DATA / f"{name}.bin").read_bytes(), []
    while data:
        size = int.from_bytes(data[:2], "big")
        packet, data = data[2 : 2 + size], data[2 + size :]
        _, start = rtp.payload_offset(packet)
        payload = packet[start : rtp.payload_end(packet, start)]
        if payload:
            found.append((int.from_bytes(packet[4:8], "big"), payload))
    return found


@pytest.mark.parametrize(("name", "codec", "other"), STREAMS, ids=[row[0] for row in STREAMS])
def test_video_goes_through_untouched(name: str, codec: str, other: str) -> None:
    world = World()
    ann, bob = world.client("ann"), world.client("bob")
    ann.offer(Line("0", "video", "sendonly", SSRC, codecs=(f"100 {other}", f"101 {codec}")))
    bob.offer(Line("v", "video", "recvonly", codecs=(f"120 {codec}",)), subscribe={"v": "ann:camera"})
    ann.connect()
    bob.connect()
    sent = packets_of(name)
    assert len(sent) > 8
    for timestamp, payload in sent:
        ann.send(SSRC, payload, payload_type=101, timestamp=timestamp)
    assert {packet.payload_type for packet in bob.rtp} == {120}
    assert bob.taken_payloads() == [payload for _, payload in sent]

    # What has been carried can be read: with fixed headers, and for the subscriber its MID in 8 bytes more.
    size = sum(rtp.FIXED_HEADER.size + len(payload) for _, payload in sent)
    stats = world.worker.stats("room")
    assert stats is not None
    (stream,), (consumer,) = stats.producers[0].streams, stats.consumers
    assert (stream.packets_received, stream.bytes_received) == (len(sent), size)
    assert (consumer.packets_sent, consumer.bytes_sent) == (len(sent), size + 8 * len(sent))


def test_sound_goes_through_untouched() -> None:
    world = World()
    ann, bob = world.client("ann"), world.client("bob")
    ann.offer(Line("0", "audio", "sendonly", SSRC, codecs=(f"109 {SOUND}",)))
    bob.offer(Line("a", "audio", "recvonly", codecs=(f"111 {SOUND}",)), subscribe={"a": "ann:microphone"})
    ann.connect()
    bob.connect()
    payloads = [bytes([number]) * (number + 1) for number in range(100)]
    for number, payload in enumerate(payloads):
        ann.send(SSRC, payload, payload_type=109, timestamp=960 * number)
    assert {packet.payload_type for packet in bob.rtp} == {111}
    assert bob.taken_payloads() == payloads


def test_opus_may_pause_and_carry_its_own_redundancy() -> None:
    world = World()
    ann, bob = world.client("ann"), world.client("bob")
    opus = "minptime=10;useinbandfec=1;usedtx=1"
    ann.offer(Line("0", "audio", "sendonly", SSRC, codecs=(f"109 {SOUND}",), parameters=(f"109 {opus}",)))
    bob.offer(Line("a", "audio", "recvonly", codecs=(f"111 {SOUND}",), parameters=(f"111 {opus}",)))
    # Without these in the answer no sender does either (RFC 7587 section 6.1).
    assert f"a=fmtp:109 {opus}" in ann.answer.sdp
    assert f"a=fmtp:111 {opus}" in bob.answer.sdp
    ann.connect()
    bob.connect()
    # Speech, then comfort noise every 400 ms, then speech: the numbers go on, the timestamps leap.
    timestamps = [960 * number for number in (*range(50), *range(70, 170, 20), *range(180, 200))]
    for timestamp in timestamps:
        ann.send(SSRC, timestamp.to_bytes(4, "big"), payload_type=109, timestamp=timestamp)
    received = bob.rtp
    assert [packet.payload for packet in received] == [t.to_bytes(4, "big") for t in timestamps]
    assert {(packet.timestamp - t) % 2**32 for packet, t in zip(received, timestamps, strict=True)} == {
        (received[0].timestamp - timestamps[0]) % 2**32
    }
    assert [packet.sequence_number - received[0].sequence_number for packet in received] == list(
        range(len(timestamps))
    )
