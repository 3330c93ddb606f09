"""The times that docs/architecture.md gives are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from auth import database
from sfu import reports
from sfu.config import MediaConfig
from sfu.net import server
from signaling.settings import RoomSettings

ROOT = Path(__file__).parents[2]
CHATTER_JS = ROOT / "web" / "static" / "chatter"
DOCUMENT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

MEDIA, ROOMS = MediaConfig(), RoomSettings()


def milliseconds(file: str, name: str) -> float:
    """A constant of the web client, in seconds."""
    found = re.search(rf"^const {name} = ([\d_]+);", (CHATTER_JS / file).read_text(), re.MULTILINE)
    assert found is not None, f"{file} has no {name}"
    return int(found[1].replace("_", "")) / 1000


TIMERS = {
    "media's tick": [server.TICK],
    "ICE and DTLS must be done; consent without a check": [MEDIA.connect_timeout, MEDIA.consent_timeout],
    "RTCP reports": [reports.INTERVAL],
    "DTLS goodbye at the end": [server.STOP_TIMEOUT],
    "WebSocket: ping after silence; then time to answer": [ROOMS.heartbeat, ROOMS.heartbeat / 2],
    "WebSocket: answer to a close": [ROOMS.close_timeout],
    "rooms: unused after creation; after the last participant; look for such": [
        ROOMS.created_grace,
        ROOMS.empty_grace,
        ROOMS.sweep_interval,
    ],
    "web client: answer to an offer; connecting; between tries": [
        milliseconds("sfu.js", "ANSWER_TIMEOUT_MS"),
        milliseconds("signaling.js", "CONNECT_TIMEOUT_MS"),
        milliseconds("backoff.js", "FIRST_MS") / 2,
        milliseconds("backoff.js", "LONGEST_MS"),
    ],
    "web client: direct media after the switch; at the most": [
        milliseconds("call.js", "PEER_GRACE_MS"),
        milliseconds("call.js", "HANDOVER_LIMIT_MS"),
    ],
    "database: connect; statement; SQLite's lock; all that a request does in PostgreSQL": [
        database.CONNECT_TIMEOUT,
        database.COMMAND_TIMEOUT,
        database.BUSY_TIMEOUT,
        database.TRANSACTION_TIMEOUT,
    ],
}


def documented() -> dict[str, list[float]]:
    table = DOCUMENT.partition("| timer | seconds |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:3]] for line in table.splitlines()[2:]]
    return {name: [float(number) for number in re.findall(r"[\d.]+", times)] for name, times in rows}


def test_all_timers_are_compared() -> None:
    assert set(documented()) == set(TIMERS)


@pytest.mark.parametrize("name", TIMERS)
def test_timer(name: str) -> None:
    assert documented()[name] == pytest.approx(TIMERS[name])


def test_the_time_that_a_dead_connection_takes() -> None:
    protocol = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    found = re.search(r"finds a dead connection\s+by itself after (\d+) to (\d+) s", protocol)
    assert found is not None
    assert [int(number) for number in found.groups()] == [ROOMS.heartbeat, 1.5 * ROOMS.heartbeat]
