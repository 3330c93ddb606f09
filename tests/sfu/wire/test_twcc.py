"""Transport-wide feedback: bytes written out, what fits there and back, and what is wrong with the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfu.wire import rtcp
from sfu.wire.twcc import TransportFeedback, parse_feedback, parse_packet

N = None

MESSAGES: list[tuple[str, TransportFeedback, str]] = [
    (
        "one packet: a run of one small delta",
        TransportFeedback(1, 2, 0xFFFF, 3, 4, (5,)),
        "8fcd0005 00000001 00000002 ffff0001 00000304 20010500",
    ),
    (
        "all lost but the last: a vector of one bit each",
        TransportFeedback(1, 2, 7, 0, 0, (N, N, 1)),
        "8fcd0005 00000001 00000002 00070003 00000000 88000100",
    ),
    (
        "a run of lost ones, then one that took long: a large delta",
        TransportFeedback(1, 2, 7, 0, 0, (*[N] * 14, 256)),
        "8fcd0006 00000001 00000002 0007000f 00000000 000e4001 01000000",
    ),
    (
        "out of order: a delta below zero, two bits each",
        TransportFeedback(1, 2, 7, 0, 0, (300, 299, N)),
        "8fcd0006 00000001 00000002 00070003 00000000 e800012c ffff0000",
    ),
    (
        "a reference time below zero",
        TransportFeedback(1, 2, 7, -1, 255, (0, 0)),
        "8fcd0005 00000001 00000002 00070002 ffffffff 20020000",
    ),
    (
        "a run of the same that ends the message is a run",
        TransportFeedback(1, 2, 7, 0, 0, (0, N, N, N)),
        "8fcd0005 00000001 00000002 00070004 00000000 a0000000",
    ),
]


@pytest.mark.parametrize(("message", "data"), [row[1:] for row in MESSAGES], ids=[row[0] for row in MESSAGES])
def test_bytes_both_ways(message: TransportFeedback, data: str) -> None:
    assert bytes(message).hex() == data.replace(" ", "")
    assert rtcp.parse(bytes.fromhex(data)) == [message]
    assert parse_packet(bytes.fromhex(data), len(message.arrivals)) == message


def test_what_libwebrtc_sends() -> None:
    """It pads up to the word with the padding bit, which whole words alone would be allowed for."""
    data = bytes.fromhex("afcd0007 fa17fa17 43032fa0 009b0006 0000 0a01 2006 0102 03040506 00000004")
    assert rtcp.parse(data) == [TransportFeedback(0xFA17FA17, 0x43032FA0, 0x9B, 10, 1, (1, 3, 6, 10, 15, 21))]
    odd = bytes.fromhex("afcd0005 fa17fa17 43032fa0 009b0001 00000a01 20010101")
    report = bytes.fromhex("80c90001 00000007")
    assert rtcp.parse(odd + report) == [
        TransportFeedback(0xFA17FA17, 0x43032FA0, 0x9B, 10, 1, (1,)),
        rtcp.ReceiverReport(7),
    ]


READ_ALONE = [
    ("a run of none is passed over", "00000000 2002 0102", (1, 3)),
    ("a run longer than the count is cut", "00000000 3fff 0102", (1, 3)),
    ("a vector longer than the count is cut", "00000000 bfff 0102", (1, 3)),
    ("two bits each", "00000000 d000 0102 00", (1, None)),
]


@pytest.mark.parametrize(
    ("rest", "arrivals"), [row[1:] for row in READ_ALONE], ids=[r[0] for r in READ_ALONE]
)
def test_other_ways_to_write_it(rest: str, arrivals: tuple[int | None, ...]) -> None:
    head = "00000001 00000002 0007 0002"
    assert parse_feedback(bytes.fromhex(head + rest)).arrivals == arrivals


MALFORMED = [
    ("00" * 15, "RTCP transport-wide feedback has a body of 15 bytes, it takes at least 16"),
    ("00" * 16, "RTCP transport-wide feedback tells of no packet, expected at least one"),
    (
        "00000001 00000002 0007 0003 00000000 2002",
        "RTCP transport-wide feedback tells of 3 packets and ends after 2",
    ),
    (
        "00000001 00000002 0007 0003 00000000 2003 0101",
        "RTCP transport-wide feedback ends within its arrival times",
    ),
    (
        "00000001 00000002 0007 0001 00000000 4001 01",
        "RTCP transport-wide feedback ends within its arrival times",
    ),
    (
        "00000001 00000002 0007 0001 00000000 6001 0101",
        "RTCP transport-wide feedback has a packet of the reserved status 3",
    ),
]


@pytest.mark.parametrize(("body", "message"), MALFORMED)
def test_malformed(body: str, message: str) -> None:
    with pytest.raises(ValueError, match="RTCP transport-wide") as caught:
        parse_feedback(bytes.fromhex(body))
    assert str(caught.value) == message


def test_bounds_of_a_packet() -> None:
    data = bytes(TransportFeedback(1, 2, 7, 0, 0, (1, 2, 3)))
    with pytest.raises(ValueError, match="tells of 3 packets, expected at most 2"):
        parse_packet(data, 2)
    with pytest.raises(ValueError, match="of 28 bytes has 0 of padding"):
        parse_packet(b"\xaf" + data[1:-1] + b"\0", 3)


UNWRITABLE = [
    (TransportFeedback(1, 2, 7, 0, 0, ()), "transport-wide feedback tells of 0 packets, 1 to 65535 fit"),
    (TransportFeedback(1, 2, 7, 0, 0, (0x8000,)), "arrival times are 32768 steps apart, -32768 to 32767 fit"),
    (TransportFeedback(1, 2, 7, 1 << 23, 0, (1,)), "reference time is 8388608, it should fit in 24 bits"),
    (TransportFeedback(1, 2, 7, 0, 256, (1,)), "feedback count is 256, it should be 0 to 255"),
    (TransportFeedback(1, 2, -1, 0, 0, (1,)), "transport-wide feedback field out of range"),
]


@pytest.mark.parametrize(("message", "error"), UNWRITABLE)
def test_what_cannot_be_written(message: TransportFeedback, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        bytes(message)


def runs(draw: st.DrawFn) -> tuple[int | None, ...]:
    """Arrivals in runs of one kind, as links make them."""
    arrivals: list[int | None] = []
    at = 0
    for _ in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(["lost", "small", "large", "any"]))
        for _ in range(draw(st.sampled_from([1, 1, 2, 6, 7, 8, 13, 14, 15, 40, 9000]))):
            if len(arrivals) == 0xFFFF:
                break
            if kind == "lost" or (kind == "any" and draw(st.booleans())):
                arrivals.append(None)
                continue
            at += 3 if kind == "small" else 700 if kind == "large" else draw(st.integers(-0x8000, 0x7FFF))
            arrivals.append(at)
    return tuple(arrivals)


@given(
    st.builds(
        TransportFeedback,
        st.integers(0, 2**32 - 1),
        st.integers(0, 2**32 - 1),
        st.integers(0, 0xFFFF),
        st.integers(-(1 << 23), (1 << 23) - 1),
        st.integers(0, 255),
        st.composite(runs)(),
    )
)
def test_round_trip(message: TransportFeedback) -> None:
    data = bytes(message)
    assert len(data) % 4 == 0
    assert rtcp.parse(data) == [message]


@given(st.binary(max_size=80))
def test_any_bytes(body: bytes) -> None:
    try:
        message = parse_feedback(body)
    except ValueError:
        return
    assert parse_feedback(bytes(message)[4:]) == message


@given(st.binary(min_size=16, max_size=60), st.integers(1, 40))
def test_chunks_of_any_kind(body: bytes, count: int) -> None:
    body = body[:10] + count.to_bytes(2, "big") + body[12:]
    try:
        message = parse_feedback(body)
    except ValueError:
        return
    assert len(message.arrivals) == count
    assert parse_feedback(bytes(message)[4:]) == message
