"""Packets as clients and attackers make them, from dice that a test throws."""

import random
import struct

from sfu.wire.twcc import TransportFeedback

# First bytes of payloads, by codec: keyframes, what follows them, and what looks like either (see sfu.wire).
CODECS: dict[str, list[bytes]] = {
    "VP8": [
        b"\x10\x00",
        b"\x10\x01",
        b"\x00\x00",
        b"\x11\x00",
        b"\x90\x80\x01\x00",
        b"\x90\x80\x81\x01\x00",
        b"\x90\xf0\x81\x01\x22\x33\x00",
        b"\x90\x60\x01\x02\x00",
        b"\x90\x80",
        b"\x90\x80\x81",
        b"\x90\xf0\x81\x01",
        b"\x90",
        b"\x10",
    ],
    "VP9": [
        b"\x08\x00",
        b"\x28\x00",
        b"\x28\x02",
        b"\xa8\x01\x00",
        b"\xa8\x81\x01\x00",
        b"\xa8\x81\x01\x04",
        b"\xa8\x01\x08",
        b"\xa8\x81",
        b"\x48\x00",
        b"\x0c\x00",
        b"\x80\x00",
        b"\x08",
    ],
    "H264": [
        b"\x67\x42",
        b"\x65\x88",
        b"\x41\x9a",
        b"\x78\x00\x02\x67\x42\x00\x01\x68",
        b"\x78\x00\x02\x41\x42\x00\x01\x67",
        b"\x78\x00\x00\x67",
        b"\x78\x00\x09\x67",
        b"\x78\x00\x01",
        b"\x78\x00\x01\x67",
        b"\x7c\x85",
        b"\x18",
    ],
    "AV1": [b"\x08\x0a", b"\x18\x0a", b"\x88\x0a", b"\x00\x0a", b"\x08"],
    "opus": [b"\xfc\xff\xfe"],
}
_SIZES = [0, 0, 1, 2, 8, 30, 200, 1000, 1150, 1300, 1340, 1400]


def _one_byte(dice: random.Random) -> bytes:
    block = b""
    for _ in range(dice.randrange(6)):
        choice = dice.random()
        if choice < 0.1:
            block += b"\0"
        else:
            size = dice.choice([1, 1, 2, 3, 16])
            # 15 and 0 end the block.
            identifier = dice.choice([1, 2, 3, 4, 14] if choice < 0.9 else [15, 15, 0])
            block += bytes((identifier << 4 | size - 1,)) + dice.randbytes(size)
    return block


def _two_byte(dice: random.Random) -> bytes:
    block = b""
    for _ in range(dice.randrange(5)):
        if dice.random() < 0.1:
            block += b"\0"
        else:
            size = dice.choice([0, 1, 2, 16, 17, 40, 255])
            block += bytes((dice.choice([1, 2, 3, 14, 15, 16, 255]), size)) + dice.randbytes(size)
    return block


def extension_block(dice: random.Random) -> bytes:
    """A header extension (RFC 8285), seldom one that is none."""
    choice = dice.random()
    if choice < 0.45:
        profile, data = 0xBEDE, _one_byte(dice)
    elif choice < 0.8:
        profile, data = 0x1000 | dice.choice([0, 0, 7, 15]), _two_byte(dice)
    elif choice < 0.9:
        profile, data = dice.choice([0x1010, 0xBEDF, 0, 0xABCD]), dice.randbytes(8)
    else:
        profile, data = dice.choice([0xBEDE, 0x1000]), dice.randbytes(dice.randrange(12))
    data += bytes(-len(data) % 4)
    return struct.pack("!HH", profile, len(data) // 4) + data


def random_packet(
    dice: random.Random, ssrc: int, sequence: int, timestamp: int, payload_type: int, codec: str | None
) -> bytes:
    """An RTP packet, valid but for some of its extension blocks and paddings."""
    contributors = dice.choice([0, 0, 0, 0, 1, 2, 15])
    extension = extension_block(dice) if dice.random() < 0.5 else b""
    heads = CODECS.get(codec or "", [b""])
    payload = dice.choice(heads) if dice.random() < 0.85 else dice.randbytes(dice.randrange(12))
    payload += bytes(dice.choice(_SIZES))
    padding = dice.choice([0, 0, 0, 0, 0, 1, 2, 4, 200])
    tail = bytes(padding - 1) + bytes((padding,)) if padding else b""
    first = 0x80 | contributors | (0x10 if extension else 0) | (0x20 if padding else 0)
    if dice.random() < 0.02:
        tail, first = b"", first | 0x20
    header = struct.pack("!BBHII", first, dice.choice([0, 128]) | payload_type, sequence, timestamp, ssrc)
    # The largest that can be protected, and now and then one that cannot.
    return (header + dice.randbytes(4 * contributors) + extension + payload + tail)[
        : 1356 + dice.choice([0] * 9 + [1])
    ]


def random_rtcp(dice: random.Random) -> bytes:
    """A compound RTCP packet by its header; the plane looks no further."""
    words = dice.choice([1, 1, 6, 7, 12, 200, 337, 338])
    ssrc = dice.choice([1, 2, 3, 0xFFFFFFFF, dice.randrange(400)])
    return struct.pack(
        "!BBHI", 0x80, dice.choice([200, 201, 205, 206, 192, 223]), words, ssrc
    ) + dice.randbytes(4 * words - 4)


def corrupt(data: bytes, dice: random.Random) -> bytes:
    """The datagram with a part cut off, added or changed."""
    changed = bytearray(data)
    choice = dice.randrange(5)
    if choice == 0:
        del changed[dice.randrange(len(changed) + 1) :]
    elif choice == 1:
        changed += dice.randbytes(dice.randrange(1, 20))
    elif choice == 2 and changed:
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    elif choice == 3 and changed:
        changed[dice.randrange(min(len(changed), 24))] = dice.randrange(256)
    else:
        changed = changed[dice.randrange(len(changed) + 1) :]
    return bytes(changed)


def random_feedback(dice: random.Random) -> bytes:
    """Transport-wide feedback about the first numbers that a transport gives, mostly sound."""
    count = dice.choice([1, 2, 7, 14, 30, 200])
    arrivals: list[int | None] = []
    at = 0
    for _ in range(count):
        if dice.random() < 0.2:
            arrivals.append(None)
        else:
            at += dice.choice([0, 1, 4, 40, 120, 300, -2])
            arrivals.append(at)
    message = bytes(
        TransportFeedback(
            dice.randrange(400),
            1000,
            dice.choice([0, 1, 1, 5, 40, 100, 65535]),
            dice.choice([0, 100, 101, 102, 110, 2**23 - 1, -(2**23)]),
            dice.randrange(256),
            tuple(arrivals),
        )
    )
    choice = dice.random()
    if choice < 0.1:
        # One byte more, with the padding bit, as libwebrtc has it.
        message = bytes((message[0] | 0x20,)) + message[1:] + bytes((0, 0, 0, dice.choice([0, 1, 4, 200])))
        message = message[:2] + struct.pack("!H", len(message) // 4 - 1) + message[4:]
    elif choice < 0.2:
        place = dice.randrange(4, len(message))
        message = message[:place] + bytes((dice.randrange(256),)) + message[place + 1 :]
    return message
