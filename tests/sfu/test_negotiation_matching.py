"""Which payload types, header extensions and sources of two sides belong together."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sfu.errors import NegotiationError
from sfu.negotiation import assign_sources, compatible_payload_types, extension_map, read_offer
from sfu.negotiation.extensions import MID, REPAIRED_RTP_STREAM_ID, RTP_STREAM_ID
from sfu.parameters import Codec, HeaderExtension, MediaLine, Source
from tests.sfu.offers import AUDIO_LEVEL, CONFIG, ORIENTATION, TIMING, load, read


def line(mid: str, kind: str = "video", sends: bool = True, rejected: str = "") -> MediaLine:
    return MediaLine(index=0, mid=mid, kind=kind, sends=sends, rejected=rejected)  # type: ignore[arg-type]


FOUR = (line("0", "audio"), line("1"), line("2"), line("3", "audio"))


@pytest.mark.parametrize(
    ("media", "publish", "previous", "assigned"),
    [
        (FOUR, {}, {}, {"0": "microphone", "1": "camera", "2": "screen", "3": "screen-audio"}),
        (FOUR[1:3], {"1": "screen"}, {}, {"1": "screen", "2": "camera"}),
        (FOUR[1:3], {"2": "camera"}, {}, {"1": "screen", "2": "camera"}),
        ((*FOUR, line("4")), {}, {}, {"0": "microphone", "1": "camera", "2": "screen", "3": "screen-audio"}),
        # The camera stopped: the screen stays the screen.
        ((line("1", sends=False), line("2")), {}, {"1": "camera", "2": "screen"}, {"2": "screen"}),
        (
            (line("1", rejected="x"), line("2"), line("5")),
            {},
            {"2": "screen"},
            {"2": "screen", "5": "camera"},
        ),
        (FOUR[1:3], {"1": "screen"}, {"2": "screen"}, {"1": "screen", "2": "camera"}),
        # The mid carries another kind now.
        ((line("1", "audio"),), {}, {"1": "camera"}, {"1": "microphone"}),
    ],
)
def test_sources(
    media: tuple[MediaLine, ...],
    publish: dict[str, Source],
    previous: dict[str, Source],
    assigned: dict[str, Source],
) -> None:
    assert assign_sources(media, publish, previous) == assigned


@pytest.mark.parametrize(
    ("publish", "sentence"),
    [
        ({"7": "camera"}, "publish names mid '7', expected one of the offer's audio and video lines"),
        ({"0": "camera"}, "publish says 'camera' of mid '0' (audio), expected microphone or screen-audio"),
        ({"1": "hat"}, "publish says 'hat' of mid '1' (video), expected camera or screen"),
        (
            {"1": "camera", "2": "camera"},
            "publish says 'camera' of two lines, expected one line for each source",
        ),
    ],
)
def test_bad_sources(publish: dict[str, Source], sentence: str) -> None:
    with pytest.raises(NegotiationError) as error:
        read_offer(load("firefox-screen"), publish=publish, config=CONFIG)
    assert error.value.code == "invalid_field"
    assert str(error.value) == sentence


def h264(payload_type: int, **parameters: str) -> Codec:
    return codec("H264", payload_type, **parameters)


def codec(name: str, payload_type: int, **parameters: str) -> Codec:
    pairs = tuple((key.replace("_", "-"), value) for key, value in parameters.items())
    return Codec(name, payload_type, 90_000, parameters=pairs)


OPUS = Codec("opus", 111, 48_000, 2)


@pytest.mark.parametrize(
    ("producer", "consumer", "mapping"),
    [
        ([OPUS], [replace(OPUS, payload_type=109)], {111: 109}),
        ([OPUS], [replace(OPUS, name="OPUS", parameters=(("stereo", "1"),))], {111: 111}),
        ([OPUS], [replace(OPUS, channels=1)], {}),
        ([OPUS], [replace(OPUS, clock_rate=16_000)], {}),
        ([codec("VP8", 96)], [codec("VP8", 120, max_fs="12288"), codec("VP8", 121)], {96: 120}),
        ([codec("VP8", 96)], [codec("H264", 96)], {}),
        ([], [codec("VP8", 96)], {}),
        # H264: the packetization mode and the profile count, the level does not.
        ([h264(1, packetization_mode="1")], [h264(2, packetization_mode="1")], {1: 2}),
        ([h264(1)], [h264(2, packetization_mode="0")], {1: 2}),
        ([h264(1, packetization_mode="1")], [h264(2)], {}),
        ([h264(1, profile_level_id="42e01f")], [h264(2, profile_level_id="42E034")], {1: 2}),
        ([h264(1, profile_level_id="42e01f")], [h264(2, profile_level_id="42001f")], {}),
        ([h264(1, profile_level_id="42001f")], [h264(2)], {1: 2}),
        ([h264(1, profile_level_id="42c01f")], [h264(2, profile_level_id="4de01f")], {1: 2}),
        ([h264(1, profile_level_id="42e01f")], [h264(2, profile_level_id="58f01f")], {1: 2}),
        ([h264(1, profile_level_id="4d001f")], [h264(2, profile_level_id="4d0028")], {1: 2}),
        ([h264(1, profile_level_id="64001f")], [h264(2, profile_level_id="640c1f")], {}),
        ([h264(1, profile_level_id="f4001f")], [h264(2, profile_level_id="f40034")], {1: 2}),
        ([h264(1, profile_level_id="f4001f")], [h264(2, profile_level_id="f4101f")], {}),
        ([h264(1, profile_level_id="zz")], [h264(2, profile_level_id="zz")], {1: 2}),
        ([h264(1, profile_level_id="zz")], [h264(2, profile_level_id="42001f")], {}),
        ([codec("VP9", 98)], [codec("VP9", 121, profile_id="0")], {98: 121}),
        ([codec("VP9", 100, profile_id="2")], [codec("VP9", 121)], {}),
        ([codec("AV1", 45, profile="0", tier="0", level_idx="5")], [codec("AV1", 99)], {45: 99}),
        ([codec("AV1", 47, profile="1")], [codec("AV1", 99)], {}),
    ],
)
def test_compatible_payload_types(
    producer: list[Codec], consumer: list[Codec], mapping: dict[int, int]
) -> None:
    assert compatible_payload_types(producer, consumer) == mapping


def test_payload_types_between_browsers() -> None:
    chromium, firefox, bot = (
        read(f"{name}-sendrecv").media[1].codecs for name in ("chromium", "firefox", "aiortc")
    )
    assert compatible_payload_types(chromium, firefox) == {96: 120, 98: 121, 45: 99}
    assert compatible_payload_types(firefox, chromium) == {120: 96, 121: 98, 99: 45}
    assert compatible_payload_types(bot, chromium) == {97: 96, 99: 102, 101: 108}
    assert compatible_payload_types(bot, firefox) == {97: 120}


@pytest.mark.parametrize(
    ("publisher", "subscriber", "mapping"),
    [
        ([HeaderExtension(AUDIO_LEVEL, 1)], [HeaderExtension(AUDIO_LEVEL, 2)], {1: 2}),
        ([HeaderExtension(AUDIO_LEVEL, 1)], [HeaderExtension(ORIENTATION, 1)], {}),
        ([HeaderExtension(u, i) for i, u in enumerate((MID, RTP_STREAM_ID, REPAIRED_RTP_STREAM_ID), 1)],) * 2
        + ({},),
        ([HeaderExtension(TIMING, 1, "recvonly")], [HeaderExtension(TIMING, 2)], {}),
        ([HeaderExtension(TIMING, 1, "sendonly")], [HeaderExtension(TIMING, 2, "recvonly")], {1: 2}),
        ([HeaderExtension(TIMING, 1)], [HeaderExtension(TIMING, 2, "sendonly")], {}),
    ],
)
def test_extension_map(
    publisher: list[HeaderExtension], subscriber: list[HeaderExtension], mapping: dict[int, int]
) -> None:
    assert extension_map(publisher, subscriber) == mapping


def test_extensions_between_browsers() -> None:
    chromium, firefox = (read(f"{name}-sendrecv").media for name in ("chromium", "firefox"))
    assert extension_map(chromium[0].extensions, firefox[0].extensions) == {1: 1}
    assert extension_map(chromium[1].extensions, firefox[1].extensions) == {5: 6}
    # Firefox only receives playout-delay.
    assert extension_map(firefox[1].extensions, chromium[1].extensions) == {}
