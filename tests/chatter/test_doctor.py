"""What `chatter doctor` makes of what it sees. tests/system/test_doctor.py lets it look at real servers."""

from __future__ import annotations

import resource
from datetime import UTC, datetime

import pytest

from chatter.address import ListenAddress
from chatter.doctor import data, front, machine, media
from chatter.doctor.finding import fault, lines, ok, summary, warning
from chatter.settings import MediaSettings

PUBLIC, PRIVATE = "203.0.114.5", "192.168.1.7"


@pytest.mark.parametrize(
    ("offered", "announced", "interfaces", "public", "level", "words"),
    [
        ([PUBLIC], [], [PUBLIC], None, "ok", "Clients are told 203.0.114.5."),
        ([PUBLIC], [PUBLIC], [PRIVATE], None, "ok", "a NAT"),
        ([PUBLIC], [PUBLIC], [PRIVATE], PUBLIC, "ok", PUBLIC),
        ([PRIVATE], [], [PRIVATE], None, "warning", "nobody outside"),
        ([PRIVATE], [], [PRIVATE], PUBLIC, "fault", "the Internet sees this machine as 203.0.114.5"),
        (["198.51.101.9"], ["198.51.101.9"], [PRIVATE], PUBLIC, "warning", "sees this machine as"),
        ([PRIVATE, PUBLIC], [PRIVATE, PUBLIC], [PRIVATE], PUBLIC, "ok", "told"),
        ([], [], [], None, "warning", "none"),
    ],
)
def test_announced_addresses(offered, announced, interfaces, public, level, words):
    finding = media.judge_addresses(offered, announced, interfaces, public)
    assert (finding.level, words in finding.text) == (level, True)
    assert (finding.advice == "") is (level == "ok")


async def test_the_media_port_is_asked_at_each_address():
    async def ask(host, port):
        if host == "bad":
            raise OSError(113, "No route to host")
        return ("192.0.2.9", 5) if host == PUBLIC else None

    found = await media.answers(MediaSettings(port=10_001), (PUBLIC, PRIVATE, "bad"), ask)
    assert [finding.level for finding in found] == ["ok", "fault", "fault"]
    assert "UDP port 10001" in found[1].advice
    assert "No route to host" in found[2].text


def test_a_port_that_is_taken(unused_port):
    taken = media.free(MediaSettings(host="127.0.0.1", port=unused_port))
    assert taken.level == "fault"
    assert "MEDIA_PORT" in taken.advice
    assert media.free(MediaSettings(host="127.0.0.1", port=0)).level == "ok"


@pytest.fixture
def unused_port():
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        yield other.getsockname()[1]


@pytest.mark.parametrize(
    ("servers", "found"),
    [
        ([], []),
        ([{"urls": ["stun:a.example:3479", "turn:t.example"]}], [("a.example", 3479)]),
        ([{"urls": "stun:a.example"}], [("a.example", 3478)]),
    ],
)
def test_stun_servers(servers, found):
    assert media.stun_servers(servers) == found


@pytest.mark.parametrize(
    ("soft", "level"), [(65_536, "ok"), (resource.RLIM_INFINITY, "ok"), (356, "ok"), (355, "warning")]
)
def test_open_files(soft, level):
    finding = machine.file_limit(soft, 4096, 100)
    assert finding.level == level
    assert ("LimitNOFILE" in finding.advice) is (level == "warning")


@pytest.mark.parametrize(("most", "level"), [(4_194_304, "ok"), (212_992, "warning")])
def test_socket_buffers(most, level):
    finding = machine.buffers("net.core.rmem_max", most)
    assert finding.level == level
    assert ("sysctl -w net.core.rmem_max=4194304" in finding.advice) is (level == "warning")


def test_the_machine_is_looked_at():
    checks = {finding.check for finding in machine.examine(100)}
    assert {"file limit", "clock"} <= checks


@pytest.mark.parametrize(("state", "level"), [(0, "ok"), (5, "warning")])
def test_the_kernels_clock(state, level):
    assert machine.synchronised(state).level == level


@pytest.mark.parametrize(("apart", "level"), [(0, "ok"), (-4, "ok"), (90, "fault"), (-90, "fault")])
def test_the_databases_clock(apart, level):
    assert data.skew(datetime.fromtimestamp(1_700_000_000 + apart, UTC), 1_700_000_000.0).level == level


@pytest.mark.parametrize(
    ("pending", "embedded", "level", "words"),
    [
        ([], False, "ok", "up to date"),
        (["00003"], True, "ok", "adds when it starts"),
        (["00003"], False, "fault", "lacks the versions 00003"),
    ],
)
def test_the_schema(pending, embedded, level, words):
    finding = data.migrated(pending, "postgresql://me:***@db/chatter", embedded=embedded)
    assert (finding.level, words in finding.text) == (level, True)


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "data").write_text("")
    finding = data.folder(tmp_path / "data")
    assert finding.level == "fault"
    assert "DATA_DIR" in finding.advice
    assert data.folder(tmp_path / "new" / "er").level == "ok"
    assert list(tmp_path.iterdir()) == [tmp_path / "data"]


@pytest.mark.parametrize(
    ("addr", "url"),
    [
        (":8080", "http://127.0.0.1:8080"),
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("[::1]:9000", "http://[::1]:9000"),
        ("192.0.2.1:9000", "http://192.0.2.1:9000"),
    ],
)
def test_where_the_server_is(addr, url):
    assert front.local_url(ListenAddress.parse(addr)) == url


@pytest.mark.parametrize(("days", "level"), [(60, "ok"), (14, "ok"), (13.9, "warning"), (0.5, "warning")])
def test_a_certificate_ends(days, level):
    assert front.valid_for("chat.example.com", days * 86400).level == level


def test_what_is_printed():
    found = [
        ok("HTTP", "It answers."),
        fault("TURN", "It does not.", "Start it."),
        warning("clock", "Off.", "Set."),
    ]
    assert list(lines(found)) == [
        "ok    HTTP: It answers.",
        "FAIL  TURN: It does not.",
        "      → Start it.",
        "warn  clock: Off.",
        "      → Set.",
    ]
    assert summary(found) == "1 to mend, 1 to think about."
    assert summary(found[:1]) == "Everything that was looked at is well."
