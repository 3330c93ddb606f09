"""The benchmarks of media, small, against a server of their own."""

from __future__ import annotations

import json

import pytest

from benchmarks.__main__ import main

pytestmark = pytest.mark.system


def figures(capsys, *arguments):
    assert main(arguments) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    mark, name, found = line.split(" ", 2)
    assert (mark, name) == ("BENCHMARK", arguments[0])
    return json.loads(found)


def test_a_room_under_load(capsys, tmp_path):
    target = tmp_path / "room.json"
    found = figures(
        capsys,
        "room",
        *("--scenario", "broadcast", "--scenario", "meeting", "--subscribers", "3", "--people", "3"),
        *("--windows", "1", "--seconds", "1", "--json", str(target)),
    )
    assert found["broadcast_us"] > 0
    assert found["meeting_p50_ms"] > 0
    data = json.loads(target.read_text())["data"]
    assert data["broadcast"]["windows"][0]["received"] > 500
    assert data["meeting"]["windows"][0]["errors"] == 0


def test_both_planes_and_the_floor(capsys):
    found = figures(capsys, "plane", "--fan-out", "3", "--no-vary", "--windows", "1", "--seconds", "0.5")
    assert 0 < found["fast_to_reference_3"] < 1
    assert found["fast_to_floor_3"] > 0


def test_media_goes_on_while_the_loop_is_blocked(capsys):
    found = figures(
        capsys,
        "stall",
        *("--windows", "1", "--seconds", "1", "--subscribers", "2", "--joins", "2"),
    )
    # A packet that waited for the loop would have waited up to 200 ms, half of all about 50.
    assert found["blocked_p50_ms"] < 20
