"""What was found, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "fault"]

MARKS: dict[Level, str] = {"ok": "ok  ", "warning": "warn", "fault": "FAIL"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    """What was looked at, in a word or two."""
    level: Level
    """ok; warning: some people may have trouble; fault: calls or the server do not work."""
    text: str
    """What is the case, as a sentence."""
    advice: str = ""
    """What to change; empty where all is well."""


def ok(check: str, text: str) -> Finding:
    return Finding(check, "ok", text)


def warning(check: str, text: str, advice: str) -> Finding:
    return Finding(check, "warning", text, advice)


def fault(check: str, text: str, advice: str) -> Finding:
    return Finding(check, "fault", text, advice)


def lines(findings: Iterable[Finding]) -> Iterator[str]:
    """Return the lines to print, the advice under each finding."""
    for finding in findings:
        yield f"{MARKS[finding.level]}  {finding.check}: {finding.text}"
        if finding.advice:
            yield f"      → {finding.advice}"


def summary(findings: Iterable[Finding]) -> str:
    """Return the last line."""
    levels = [finding.level for finding in findings]
    faults, warnings = levels.count("fault"), levels.count("warning")
    if not faults and not warnings:
        return "Everything that was looked at is well."
    return f"{faults} to mend, {warnings} to think about."
