"""`plane`: what forwarding costs on the reference plane and the compiled one, and the floor under both."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from statistics import median

from benchmarks.clients.load import Floor, Load, Traffic, build, measure_floor
from benchmarks.clients.plane_host import HOST, PAYLOAD_TYPE, PUBLISHER, SSRC, Configuration, keys, program
from benchmarks.cpu import process_seconds
from benchmarks.plot import Plot
from benchmarks.report import Progress, Report, Table
from benchmarks.server import ProcessFailed
from sfu.plane import create_plane
from sfu.plane.interface import SrtpKeys
from sfu.plane.srtp import send_session

FANOUTS = (1, 10, 50, 200)
AIM_REFERENCE = 0.25
AIM_FLOOR = 1.5
SETTLE = 0.5
STOP_TIMEOUT = 5.0
MEMORY_PACKETS = 20_000
SOCKET_BUFFER = 1 << 20

PLANES = ("reference", "fast")
FLOORS = {
    "floor": Floor(protect=True, send=True, segment=True),
    "protect": Floor(protect=True, send=False, segment=False),
    "sendmmsg": Floor(protect=False, send=True, segment=False),
    "gso": Floor(protect=False, send=True, segment=True),
}
"""Names in the table, and what is done per packet."""


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table."""

    fanout: int
    profile: str
    traffic: Traffic

    @property
    def name(self) -> str:
        return f"1 → {self.fanout}, {self.profile}, {self.traffic.size} B, bursts of {self.traffic.burst}"


@dataclass(slots=True)
class Result:
    """Seconds of CPU per packet, by what was measured, of each window."""

    case: Case
    samples: dict[str, list[float]] = field(default_factory=dict)

    def middle(self, name: str) -> float:
        """The median; 0.0 where it was not measured."""
        return median(self.samples[name]) if self.samples.get(name) else 0.0


def cases(fanouts: list[int], vary: bool, rate: float) -> list[Case]:
    """Fan-outs at 1.1 kB, AES-GCM and bursts of 10; and at 50 what else a packet's cost may depend on."""
    plain = Traffic("video", rate=rate, burst=10, size=1100)
    found = [Case(fanout, "gcm", plain) for fanout in fanouts]
    if vary:
        found.append(Case(50, "cm", plain))
        found += [Case(50, "gcm", replace(plain, size=size)) for size in (200, 600)]
        found += [Case(50, "gcm", replace(plain, burst=burst)) for burst in (1, 3, 30)]
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `plane`."""
    parser.add_argument("--windows", type=int, default=3, help="windows to measure (default: 3)")
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds of each (default: 5)")
    parser.add_argument(
        "--fan-out",
        type=int,
        action="append",
        metavar="N",
        help="subscribers, may be repeated (default: 1, 10, 50 and 200)",
    )
    parser.add_argument(
        "--vary",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="vary SRTP profile, packet size and burst, too",
    )
    parser.add_argument("--rate", type=float, default=300.0, help="packets/s that are sent (default: 300)")


async def run(args: argparse.Namespace, progress: Progress) -> Report:
    """Measure. Raises ProcessFailed, BuildFailed, OSError."""
    planned = cases(args.fan_out or list(FANOUTS), args.vary, args.rate)
    report = Report("plane", parameters={"windows": args.windows, "seconds": args.seconds, "rate": args.rate})
    library = build()
    results = []
    for case in planned:
        with progress.step(case.name, args.windows * (len(PLANES) + len(FLOORS))) as advance:
            result = await _measure(library, case, args.windows, args.seconds, advance)
        for plane in PLANES:
            result.samples[f"{plane} in memory"] = [in_memory(plane, case)]
        results.append(result)
    _tell(report, results)
    return report


async def _measure(
    library: ctypes.CDLL, case: Case, windows: int, seconds: float, advance: Callable[[], None]
) -> Result:
    result = Result(case)
    async with AsyncExitStack() as stack:
        viewers = [stack.enter_context(_socket()) for _ in range(case.fanout)]
        ports = [int(viewer.getsockname()[1]) for viewer in viewers]
        sinks = Load(library, case.fanout, 0)
        stack.callback(sinks.close)
        for viewer in viewers:
            sinks.add_sink(viewer.fileno(), None)
        sinks.start()
        hosts = []
        for plane in PLANES:
            publisher = stack.enter_context(_socket())
            configuration = Configuration(plane, case.profile, int(publisher.getsockname()[1]), ports)
            port, pid = await stack.enter_async_context(_host(configuration))
            publisher.connect((HOST, port))
            source = Load(library, 0, 1)
            stack.callback(source.close)
            source.pause(True)
            # The publisher protects with the keys that its transport receives with.
            session = send_session(_turned(keys(case.profile, PUBLISHER)))
            source.add_source(publisher.fileno(), session, SSRC, PAYLOAD_TYPE, case.traffic)
            source.start()
            hosts.append((plane, pid, source))
        sender = stack.enter_context(_socket())
        sender.setblocking(True)
        for _ in range(windows):
            for plane, pid, source in hosts:
                source.pause(False)
                await asyncio.sleep(SETTLE)
                sinks.mark()
                used = process_seconds(pid)
                await asyncio.sleep(seconds)
                used = process_seconds(pid) - used
                received = sinks.counters().received
                source.pause(True)
                if not received:
                    raise ProcessFailed(f"the {plane} plane forwards nothing")
                result.samples.setdefault(plane, []).append(used / received)
                await asyncio.sleep(SETTLE)
                advance()
            for name, floor in FLOORS.items():
                # New ones, as no sequence number is sent twice.
                sessions = [send_session(keys(case.profile, at + 1)) for at in range(case.fanout)]
                bursts = max(10, round(seconds * case.traffic.rate / case.traffic.burst))
                cpu = await asyncio.to_thread(
                    measure_floor, library, floor, sessions, sender.fileno(), ports, case.traffic, bursts
                )
                result.samples.setdefault(name, []).append(cpu)
                advance()
    return result


def in_memory(plane: str, case: Case) -> float:
    """Seconds of CPU per forwarded packet without a socket; on the compiled plane most of it is handing
    datagrams to Python, which its port does not do."""
    found = create_plane("fast" if plane == "fast" else "reference")
    subscribers = list(range(20_001, 20_001 + case.fanout))
    program(found, Configuration(plane, case.profile, 20_000, subscribers))
    session = send_session(_turned(keys(case.profile, PUBLISHER)))
    count = max(10, MEMORY_PACKETS // case.fanout)
    payload = bytes((0x10, 0x11)) + bytes(case.traffic.size - 14)
    packets = [
        session.protect(struct.pack("!BBHII", 0x80, PAYLOAD_TYPE, at & 0xFFFF, at * 300, SSRC) + payload)
        for at in range(count)
    ]
    used, forwarded = 0.0, 0
    for at, packet in enumerate(packets):
        began = time.thread_time()
        found.receive(packet, (HOST, 20_000), at / 300)
        datagrams = found.take_datagrams()
        used += time.thread_time() - began
        forwarded += len(datagrams)
        found.take_punts()
    return used / forwarded


def _turned(side: SrtpKeys) -> SrtpKeys:
    """The other end's keys."""
    return SrtpKeys(side.profile, receive=side.send, send=side.receive)


def _socket() -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    found.setblocking(False)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
    found.bind((HOST, 0))
    return found


@asynccontextmanager
async def _host(configuration: Configuration) -> AsyncIterator[tuple[int, int]]:
    """A process with a plane; its port and process id. Raises ProcessFailed."""
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.clients.plane_host",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert running.stdin is not None
    assert running.stdout is not None
    try:
        running.stdin.write(configuration.to_json().encode() + b"\n")
        await running.stdin.drain()
        line = await running.stdout.readline()
        if not line:
            raise ProcessFailed(f"the {configuration.plane} plane did not start")
        yield int(line), running.pid
    finally:
        running.stdin.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                await running.wait()
        except TimeoutError:
            running.kill()
            await running.wait()


def _tell(report: Report, results: list[Result]) -> None:
    names = [*PLANES, *FLOORS, "reference in memory", "fast in memory"]
    rows = []
    for result in results:
        fast = result.middle("fast")
        cells = [f"{result.middle(name) * 1e6:.2f}" for name in names]
        spread = result.samples["fast"]
        rows.append(
            [
                result.case.name,
                *cells,
                f"{min(spread) * 1e6:.2f}–{max(spread) * 1e6:.2f}",
                f"{fast / result.middle('reference'):.3f}",
                f"{fast / result.middle('floor'):.2f}",
            ]
        )
    columns = ["case", *names, "fast min–max", "fast/reference", "fast/floor"]
    report.tables.append(Table("µs CPU per forwarded packet", columns, rows))
    report.data["cases"] = [
        {
            "fanout": result.case.fanout,
            "profile": result.case.profile,
            "size": result.case.traffic.size,
            "burst": result.case.traffic.burst,
            "seconds_per_packet": result.samples,
        }
        for result in results
    ]
    by_fanout = [result for result in results if result.case.profile == "gcm" and _is_plain(result.case)]
    for result in by_fanout:
        fast, fanout = result.middle("fast"), result.case.fanout
        report.line[f"fast_{fanout}_us"] = round(fast * 1e6, 3)
        report.line[f"fast_to_reference_{fanout}"] = round(fast / result.middle("reference"), 3)
        report.line[f"fast_to_floor_{fanout}"] = round(fast / result.middle("floor"), 3)
    report.notes.append(
        f"aims at 1 → 50: fast/reference {AIM_REFERENCE:g}, fast/floor {AIM_FLOOR:g}. floor: protect and "
        "send by UDP_SEGMENT, at the same pace; protect, sendmmsg and gso (UDP_SEGMENT): that alone."
    )
    report.plots.append(
        Plot(
            "CPU per forwarded packet",
            "subscribers",
            "µs",
            {
                name: [(str(result.case.fanout), result.middle(name) * 1e6) for result in by_fanout]
                for name in (*PLANES, *FLOORS)
            },
            logarithmic=True,
        )
    )


def _is_plain(case: Case) -> bool:
    return case.traffic.size == 1100 and case.traffic.burst == 10
