"""How one participant's join went, stage by stage. Pure: times are seconds of the server's monotonic
clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sfu.stats import JoinMarks

Stage = Literal["token", "websocket", "negotiation", "ice", "dtls", "first_packet", "first_keyframe"]

Outcome = Literal["joining", "complete", "alone", "direct", "incomplete", "failed", "left"]
"""Not over yet; the first frame was sent; there was nobody to see or hear; media takes the direct way;
something was awaited and did not come in time; the connection to the media server failed; the participant
went before."""

# What has not come by then is not coming: ICE and DTLS have 30 s, but nobody waits so long.
LIMIT = 20.0


@dataclass(frozen=True, slots=True)
class Span:
    """A stage, from when to when."""

    stage: Stage
    begin: float
    end: float

    @property
    def seconds(self) -> float:
        return max(self.end - self.begin, 0.0)


@dataclass(slots=True)
class Timeline:
    """One join."""

    room: str
    participant: str
    requested: float
    """The WebSocket request came."""
    welcomed: float
    token_seconds: float = 0.0
    """What the client says that it took until then, since the person wanted to join."""
    answered: float | None = None
    """The first offer to the media server was answered."""
    marks: JoinMarks | None = None
    outcome: Outcome = "joining"
    reason: str = ""
    """Why it failed."""
    direct: bool = False
    """The room used no media server when the participant came."""

    @property
    def begin(self) -> float:
        """When the person wanted to join."""
        return self.requested - self.token_seconds

    @property
    def end(self) -> float:
        """The last thing that is known."""
        return max((span.end for span in self.spans), default=self.welcomed)

    @property
    def seconds(self) -> float:
        """From the wish to the end."""
        return self.end - self.begin

    @property
    def spans(self) -> list[Span]:
        """The stages that are over, in order."""
        spans = [Span("websocket", self.requested, self.welcomed)]
        if self.token_seconds:
            spans.insert(0, Span("token", self.begin, self.requested))
        marks = self.marks
        if marks is None:
            return spans
        answered = self.answered if self.answered is not None else marks.offered
        spans.append(Span("negotiation", marks.offered, answered))
        if marks.checked is None:
            return spans
        spans.append(Span("ice", answered, marks.checked))
        if marks.connected is None:
            return spans
        spans.append(Span("dtls", marks.checked, marks.connected))
        if marks.first_packet is not None:
            spans.append(Span("first_packet", marks.connected, marks.first_packet))
        if marks.first_keyframe is not None:
            spans.append(Span("first_keyframe", marks.connected, marks.first_keyframe))
        return spans

    def advance(self, marks: JoinMarks | None, present: bool, now: float) -> bool:
        """Take note of how far it has come; True when it is over."""
        if self.outcome != "joining":
            return True
        if marks is not None:
            self.marks = marks
        outcome = self._outcome(present, now)
        if outcome is not None:
            self.outcome = outcome
        return outcome is not None

    def fail(self, reason: str) -> None:
        """The connection to the media server ended before media flowed."""
        if self.outcome == "joining":
            self.outcome, self.reason = "failed", reason

    def _outcome(self, present: bool, now: float) -> Outcome | None:
        marks = self.marks
        if not present:
            return "left"
        if marks is not None and marks.connected is not None:
            awaited = marks.first_keyframe if marks.awaits_keyframe else marks.first_packet
            if awaited is not None:
                return "complete"
            if not marks.awaits_packet:
                return "alone"
        if now - self.requested < LIMIT:
            return None
        return "direct" if marks is None and self.direct else "incomplete"
