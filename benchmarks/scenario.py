"""Who joins and what they send: the loads that servers are measured with. No IO."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.clients.adapter import Member
from benchmarks.clients.load import Traffic

BROADCAST: Mapping[str, Traffic] = {"video": Traffic("video", rate=300, burst=10, size=1100)}
MEETING: Mapping[str, Traffic] = {
    "video": Traffic("video", rate=250, burst=10, size=1100),
    "audio": Traffic("audio", rate=50, burst=1, size=120),
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """A load. All its rooms are alike."""

    name: str
    rooms: int
    waves: Sequence[Sequence[Member]]
    """Of one room: who joins, and who joins when those before have."""
    traffic: Mapping[str, Traffic]
    fanout: int
    """How many receive each packet that is sent."""

    @property
    def people(self) -> int:
        """In all rooms."""
        return self.rooms * sum(len(wave) for wave in self.waves)


def broadcast(subscribers: int, traffic: Mapping[str, Traffic] = BROADCAST) -> Scenario:
    """One sends a video, the others receive it."""
    viewers = [Member(receives={"video": 1})] * subscribers
    return Scenario(f"broadcast 1 → {subscribers}", 1, [[Member(["video"])], viewers], traffic, subscribers)


def meeting(size: int, rooms: int = 1, traffic: Mapping[str, Traffic] = MEETING) -> Scenario:
    """Everybody sends a video and a sound and receives those of all others."""
    others = size - 1
    member = Member(["video", "audio"], {"video": others, "audio": others})
    name = f"meeting of {size}" if rooms == 1 else f"{rooms} meetings of {size}"
    return Scenario(name, rooms, [[member] * size], traffic, others)


def steps(step: int, most: int) -> list[int]:
    """Of a ramp: `step`, twice that and so on, up to `most`."""
    return list(range(step, most + 1, step)) or [most]
