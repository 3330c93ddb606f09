"""The compiled half of the clients (benchmarks/native), built when a benchmark starts."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pylibsrtp

from sfu.plane.srtp import functions, pointer

NATIVE = Path(__file__).parent.parent / "native"
FLAGS = ("-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-pthread")

_MAX_SAMPLES = 1 << 21
# counters_t, in its order.
_COUNTERS = (
    "sent",
    "received",
    "rtcp",
    "other",
    "errors",
    "expected",
    "missing",
    "samples",
    "bursts",
    "late",
)


class BuildFailed(RuntimeError):  # noqa: N818
    """The compiled half of the clients could not be built."""


class _Counters(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in _COUNTERS)


class _FloorRun(ctypes.Structure):
    _fields_ = (
        ("fd", ctypes.c_int),
        ("count", ctypes.c_int),
        ("burst", ctypes.c_int),
        ("size", ctypes.c_int),
        ("bursts", ctypes.c_int),
        ("protect", ctypes.c_int),
        ("send", ctypes.c_int),
        ("segment", ctypes.c_int),
        ("period_ns", ctypes.c_uint64),
        ("sessions", ctypes.POINTER(ctypes.c_void_p)),
        ("addresses", ctypes.c_void_p),
        ("address_length", ctypes.c_uint32),
        ("cpu_ns", ctypes.c_uint64),
        ("packets", ctypes.c_uint64),
    )


@dataclass(frozen=True, slots=True)
class Counters:
    """What the clients did in a window of time."""

    sent: int
    """RTP packets."""
    received: int
    """RTP packets, by all sinks."""
    rtcp: int
    other: int
    """Datagrams that are neither RTP nor RTCP."""
    errors: int
    """Packets that could not be protected, sent or unprotected."""
    expected: int
    """RTP packets by the sequence numbers seen."""
    missing: int
    """Gaps among them."""
    samples: int
    bursts: int
    """That were sent."""
    late: int
    """Those that went out a millisecond or more after their time: the client was too busy."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """How a source sends."""

    kind: str
    """`audio` or `video`."""
    rate: float
    """Packets per second."""
    burst: int
    """Packets at once, as the frames of a video are."""
    size: int
    """Bytes of an RTP packet before protection, its header included."""

    @property
    def period_ns(self) -> int:
        """Between bursts."""
        return round(self.burst / self.rate * 1e9)


def build() -> ctypes.CDLL:
    """Compile and load it. Raises BuildFailed."""
    compiler = shutil.which(os.environ.get("CC", "cc")) or shutil.which("gcc")
    if compiler is None:
        raise BuildFailed("the clients' media is written in C: install gcc")
    with tempfile.TemporaryDirectory(prefix="chatter-benchmark-") as folder:
        target = Path(folder) / "load.so"
        sources = [str(path) for path in sorted(NATIVE.glob("*.c"))]
        done = subprocess.run(
            [compiler, *FLAGS, *sources, "-o", str(target)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise BuildFailed(f"{compiler} failed:\n{done.stderr[-2000:]}")
        library = ctypes.CDLL(str(target))
    _declare(library)
    return library


def _declare(library: ctypes.CDLL) -> None:
    pointer_type, size, u64, i32 = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64, ctypes.c_int
    signatures: dict[str, tuple[object, list[object]]] = {
        "load_new": (pointer_type, [pointer_type, pointer_type, size, size, i32]),
        "load_sink": (i32, [pointer_type, i32, pointer_type]),
        "load_source": (
            i32,
            [pointer_type, i32, pointer_type, ctypes.c_uint32, i32, i32, i32, u64, u64, i32],
        ),
        "load_start": (i32, [pointer_type]),
        "load_pause": (None, [pointer_type, i32]),
        "load_mark": (None, [pointer_type]),
        "load_read": (None, [pointer_type, ctypes.POINTER(_Counters)]),
        "load_samples": (size, [pointer_type, ctypes.POINTER(ctypes.c_int64), size]),
        "load_stop": (None, [pointer_type]),
        "load_free": (None, [pointer_type]),
        "floor_measure": (i32, [pointer_type, ctypes.POINTER(_FloorRun)]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments


class Load:
    """Sources and sinks on two threads of their own."""

    def __init__(self, library: ctypes.CDLL, sinks: int, sources: int, *, whole_runs: bool = False) -> None:
        """Room for so many of them. Raises OSError.

        `whole_runs`: what a server sent by UDP_SEGMENT reaches a sink uncut (UDP_GRO).
        """
        self._library = library
        srtp = functions()
        self._load = library.load_new(
            srtp["srtp_protect"], srtp["srtp_unprotect"], sinks, sources, whole_runs
        )
        if not self._load:
            raise OSError("no memory for the clients")
        # The C side has pointers into these.
        self._sessions: list[pylibsrtp.Session] = []
        self._sources = 0

    def add_sink(self, descriptor: int, session: pylibsrtp.Session | None) -> None:
        """Count what comes to a connected socket; with a session measure its latency, too. Raises OSError."""
        if self._library.load_sink(self._load, descriptor, self._pointer(session)):
            raise OSError("more sinks than there is room for")

    def add_source(
        self, descriptor: int, session: pylibsrtp.Session, ssrc: int, payload_type: int, traffic: Traffic
    ) -> None:
        """Send on a connected socket from now on. Raises OSError."""
        # The golden ratio spreads any number of sources evenly over the period.
        phase = int(self._sources * 0.6180339887 % 1 * traffic.period_ns)
        self._sources += 1
        if self._library.load_source(
            self._load,
            descriptor,
            self._pointer(session),
            ssrc,
            payload_type,
            traffic.size,
            traffic.burst,
            traffic.period_ns,
            phase,
            traffic.kind == "video",
        ):
            raise OSError("more sources than there is room for, or packets of an impossible size")

    def start(self) -> None:
        """Raises OSError."""
        error = self._library.load_start(self._load)
        if error:
            raise OSError(error, os.strerror(error))

    def pause(self, paused: bool) -> None:
        """Sources rest, or go on."""
        self._library.load_pause(self._load, paused)

    def mark(self) -> None:
        """A window of time begins."""
        self._library.load_mark(self._load)

    def counters(self) -> Counters:
        """Those of the window."""
        found = _Counters()
        self._library.load_read(self._load, ctypes.byref(found))
        return Counters(**{name: int(getattr(found, name)) for name in _COUNTERS})

    def latencies(self) -> list[float]:
        """Seconds from a packet's sending to its arrival, of the sinks that measure, sorted."""
        room = min(self.counters().samples, _MAX_SAMPLES)
        samples = (ctypes.c_int64 * room)()
        count = self._library.load_samples(self._load, samples, room)
        return [sample / 1e9 for sample in sorted(samples[:count])]

    def close(self) -> None:
        """End the threads. Idempotent."""
        if self._load:
            self._library.load_stop(self._load)
            self._library.load_free(self._load)
            self._load = None

    def _pointer(self, session: pylibsrtp.Session | None) -> int | None:
        if session is None:
            return None
        self._sessions.append(session)
        return pointer(session)


@dataclass(frozen=True, slots=True)
class Floor:
    """What is done per packet: the least of forwarding, or a part of it."""

    protect: bool
    send: bool
    segment: bool
    """Send by UDP_SEGMENT."""


def measure_floor(
    library: ctypes.CDLL,
    floor: Floor,
    sessions: Sequence[pylibsrtp.Session],
    descriptor: int,
    ports: Sequence[int],
    traffic: Traffic,
    bursts: int,
    *,
    paced: bool = True,
) -> float:
    """Seconds of this thread's CPU per packet sent to `ports` of 127.0.0.1, at the traffic's pace.

    Raises OSError.
    """
    run = _FloorRun(
        fd=descriptor,
        count=len(ports),
        burst=traffic.burst,
        size=traffic.size,
        bursts=bursts,
        protect=floor.protect,
        send=floor.send,
        segment=floor.segment,
        period_ns=traffic.period_ns if paced else 0,
    )
    pointers = (ctypes.c_void_p * len(ports))(*(pointer(session) for session in sessions))
    run.sessions = ctypes.cast(pointers, ctypes.POINTER(ctypes.c_void_p))
    # sockaddr_in in places of sockaddr_storage.
    addresses = bytearray(128 * len(ports))
    for at, port in enumerate(ports):
        family = (2).to_bytes(2, "little")
        addresses[128 * at : 128 * at + 8] = family + port.to_bytes(2, "big") + bytes((127, 0, 0, 1))
    buffer = (ctypes.c_char * len(addresses)).from_buffer(addresses)
    run.addresses = ctypes.addressof(buffer)
    run.address_length = 16
    error = library.floor_measure(functions()["srtp_protect"], ctypes.byref(run))
    if error:
        raise OSError(error, os.strerror(error))
    return float(run.cpu_ns / 1e9 / run.packets)
