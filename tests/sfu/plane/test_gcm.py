"""AES-GCM of what the compiled plane sends: libsrtp's bytes, and no index twice."""

import ctypes
import os
import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger import Ledger
from packets import random_packet
from plane_world import World, rtp_packet

from sfu.plane import srtp
from sfu.plane._fast import FastPlane
from sfu.plane.interface import Drop, SrtpProfile
from sfu.streams.sequence import SEND_WINDOW

NATIVE = Path(srtp.__file__).parent / "native"
GCM = [SrtpProfile.AEAD_AES_128_GCM, SrtpProfile.AEAD_AES_256_GCM]


def sent(seed: int, profile: SrtpProfile) -> list[bytes]:
    """What the plane makes of a stream that wraps, with late packets and repeated ones."""
    dice = random.Random(seed)
    world = World(FastPlane(), profile)
    world.join(1)
    world.join(2)
    world.publish(10, 1)
    world.subscribe(20, 2, 10, first=32767)
    number, datagrams = 0, []
    for _ in range(400):
        number += dice.choice([1, 1, 1, 2, 100, 900])
        late = dice.choice([0, 0, 0, 1, 5, 127, 511, 512])
        packet = random_packet(dice, 1, number - late & 0xFFFF, number * 10, 96, None)
        world.plane.replay(1, packet, 0.0)
        datagrams += [data for data, _ in world.plane.take_datagrams()]
    return datagrams


@pytest.mark.parametrize("profile", GCM, ids=lambda profile: profile.openssl_name)
@pytest.mark.parametrize("seed", range(5))
def test_byte_equal_to_libsrtp(
    monkeypatch: pytest.MonkeyPatch, ledger: Ledger, profile: SrtpProfile, seed: int
) -> None:
    ours = sent(seed, profile)
    contexts = len(ledger.nonces)
    assert contexts == len(ours) > 200
    functions = srtp.functions()
    monkeypatch.setattr(srtp, "functions", lambda: {**functions, "EVP_EncryptUpdate": 0})
    theirs = sent(seed, profile)
    assert len(ledger.nonces) == contexts
    assert ours == theirs


def test_the_ledger_finds_a_nonce_that_comes_again(ledger: Ledger) -> None:
    ledger.begin(1)
    for packet in (rtp_packet(1), rtp_packet(1), rtp_packet(2)):
        ledger.encrypted(1, bytes(12), packet)
    assert ledger.repeats == ["nonce 000000000000000000000000 has two plaintexts"]
    ledger.repeats.clear()


@pytest.mark.parametrize("name", ["EVP_EncryptFinal_ex", "EVP_CIPHER_CTX_ctrl"])
def test_what_openssl_refuses_is_not_sent(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    functions = srtp.functions()
    refuse = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 4)(lambda *_: 0)
    refusing = {**functions, name: ctypes.cast(refuse, ctypes.c_void_p).value}
    monkeypatch.setattr(srtp, "functions", lambda: refusing)
    world = World(FastPlane())
    world.join(1)
    world.join(2)
    world.publish(10, 1)
    world.subscribe(20, 2, 10)
    world.replay(1, rtp_packet(1))
    assert world.plane.take_datagrams() == []
    assert world.drops() == {Drop.SRTP_PROTECT: 1}


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    library = tmp_path_factory.mktemp("window") / "window.so"
    sources = [NATIVE / "srtp.c", NATIVE / "gcm.c"]
    subprocess.run(
        ["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-shared", "-fPIC", *sources, "-o", library],
        check=True,
        timeout=60,
        # The compiler is not what is looked into, where these tests run under a sanitizer.
        env={name: value for name, value in os.environ.items() if name != "LD_PRELOAD"},
    )
    loaded = ctypes.CDLL(str(library))
    loaded.send_window_take.argtypes = [ctypes.c_void_p, ctypes.c_int64]
    loaded.send_window_take.restype = ctypes.c_bool
    return loaded


@given(
    first=st.integers(0, 2**48 - 1),
    steps=st.lists(
        st.sampled_from(
            [0, 1, 1, 1, -1, -2, -63, -64, -127, -511, -512, -513, 63, 64, 127, 511, 512, 513, 2**20]
        )
    ),
)
def test_no_index_is_taken_twice(window: ctypes.CDLL, first: int, steps: list[int]) -> None:
    state = ctypes.create_string_buffer(8 + SEND_WINDOW // 8)
    taken: set[int] = set()
    index = first
    for step in [0, *steps]:
        index += step
        newest = max(taken, default=None)
        fresh = newest is None or (index > newest - SEND_WINDOW and index not in taken)
        expected = 0 <= index < 2**48 and fresh
        assert window.send_window_take(state, index) == expected, (index, newest)
        if expected:
            taken.add(index)
