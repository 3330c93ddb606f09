from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest
from rich.console import Console

from benchmarks import __main__ as command
from benchmarks.join import Step, _report_rate
from benchmarks.report import Progress, Report, Table, save, show


def make():
    report = Report("join", {"joins": 3})
    report.tables.append(Table("times [ms]", ["stage", "median"], [["welcome", "2.5"]]))
    report.notes.append("p95 is [below] the aim")
    report.line["first_frame_ms"] = 93.1
    report.data["bot"] = {"welcome": {"median_ms": 2.5}}
    return report


def printed(report):
    console = Console(file=io.StringIO(), width=80)
    show(report, console)
    return console.file.getvalue()


def test_the_last_line_is_for_machines():
    lines = printed(make()).splitlines()
    name, benchmark, figures = lines[-1].split(" ", 2)
    assert (name, benchmark, json.loads(figures)) == ("BENCHMARK", "join", {"first_frame_ms": 93.1})
    assert "p95 is [below] the aim" in lines[-2]
    assert any("welcome" in line and "2.5" in line for line in lines)


def test_the_json_file_has_all_of_it(tmp_path):
    save(make(), tmp_path / "join.json")
    found = json.loads((tmp_path / "join.json").read_text())
    assert found["figures"] == {"first_frame_ms": 93.1}
    assert found["data"]["bot"]["welcome"]["median_ms"] == 2.5
    assert found["machine"]["cores"] >= 1
    assert json.loads(make().to_json(datetime(2026, 1, 2, tzinfo=UTC)))["at"] == "2026-01-02T00:00:00+00:00"


@pytest.mark.parametrize(
    ("steps", "held", "found", "note"),
    [
        ([Step(2, [0.1]), Step(3, [0.3])], 2, True, "2.0 joins per second held; at 3.0: the p95 doubled"),
        (
            [Step(2, [0.1]), Step(3, [0.1])],
            3,
            False,
            "3.0 joins per second held, the highest rate that was tried",
        ),
        ([Step(2, [0.1]), Step(3, [], ["full"])], 2, True, "2.0 joins per second held; at 3.0: full"),
        ([Step(2, [], ["full"])], 0, True, "0.0 joins per second held; at 2.0: full"),
    ],
)
def test_the_rate_that_was_held(steps, held, found, note):
    report = make()
    _report_rate(report, steps, 0.1)
    assert report.line["joins_per_second"] == held
    assert report.line["joins_per_second_limit_found"] is found
    assert note in report.notes
    assert len(report.data["rate"]) == len(steps)
    printed(report)


def test_progress_counts_up():
    console = Console(file=io.StringIO(), width=80)
    with Progress(console).step("joins", 2) as advance:
        advance()
        advance()


def test_help_says_what_is_measured(capsys):
    with pytest.raises(SystemExit) as exited:
        command.main(["join", "--help"])
    assert exited.value.code == 0
    shown = capsys.readouterr().out
    for word in ("--url", "--joins", "--no-browser", "--json", "first decoded frame"):
        assert word in shown


def test_a_server_that_is_not_there(capsys):
    assert command.main(["join", "--url", "http://127.0.0.1:9", "--no-browser"]) == command.FAILED
    assert "http://127.0.0.1:9 cannot be reached" in capsys.readouterr().err
