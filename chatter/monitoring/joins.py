"""The joins of this node: followed until they are over, then counted, traced and kept for a while."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import get_args

from opentelemetry import baggage, trace
from opentelemetry.trace import SpanContext
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client import Counter as CounterMetric

from chatter.monitoring.timeline import Outcome, Stage, Timeline
from observability.tracing import SpanRecord, Tracing
from sfu.events import Event, TransportClosed, TransportConnected
from sfu.stats import JoinMarks
from signaling.observer import Arrival

LOG = logging.getLogger(__name__)

# Joins that are over and still shown.
KEPT = 200
# Joins that are followed at once; the oldest of more is given up.
MAX_FOLLOWED = 5_000

# Baggage of clients, see docs/protocol.md: milliseconds since the person wanted to join, and what the client
# is.
ELAPSED = "chatter.elapsed_ms"
CLIENT = "chatter.client"
MAX_ELAPSED_SECONDS = 60.0
MAX_CLIENT_CHARACTERS = 32

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20)

Key = tuple[str, str]
"""Room and participant."""


@dataclass(slots=True)
class Join:
    """A join, and what it takes to trace it."""

    timeline: Timeline
    client: str
    parent: SpanContext
    """Of the request for the WebSocket, in the trace that the client began, if it did."""
    epoch: float
    """Seconds to add to the monotonic clock to get those since 1970."""
    name: str

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits; empty without a trace."""
        return trace.format_trace_id(self.parent.trace_id) if self.parent.is_valid else ""


class Joins:
    """Implements signaling.observer.Observer. `now` is seconds of the event loop's clock."""

    def __init__(
        self,
        registry: CollectorRegistry,
        tracing: Tracing,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` is that of the media server, `wall_clock` gives seconds since 1970."""
        self._tracing = tracing
        self._clock = clock
        self._wall_clock = wall_clock
        self._following: dict[Key, Join] = {}
        self.some = asyncio.Event()
        """There are joins that are not over."""
        self._traces: dict[Key, str] = {}
        self.finished: deque[Join] = deque(maxlen=KEPT)
        self.by_room = Counter[str]()
        self._stages = Histogram(
            "chatter_join_stage_seconds",
            "What the stages of joins took; total: from the wish to the first frame",
            ["stage"],
            buckets=BUCKETS,
            registry=registry,
        )
        self._outcomes = CounterMetric(
            "chatter_joins_finished", "Joins by how they ended", ["outcome"], registry=registry
        )
        # There from the start, so that the first of each is seen as an increase.
        for stage in (*get_args(Stage), "total"):
            self._stages.labels(stage)
        for outcome in get_args(Outcome)[1:]:
            self._outcomes.labels(outcome)

    @property
    def following(self) -> tuple[Join, ...]:
        """Those that are not over."""
        return tuple(self._following.values())

    def arrived(self, arrival: Arrival) -> None:
        """Follow a join from now on."""
        room, participant = arrival.room, arrival.participant
        self.by_room[room.id] += 1
        timeline = Timeline(
            room.id,
            participant.id,
            requested=arrival.requested,
            welcomed=arrival.welcomed,
            token_seconds=_elapsed(),
            direct=room.mode == "p2p",
        )
        if len(self._following) >= MAX_FOLLOWED:
            self._finish(next(iter(self._following)), "incomplete")
        self._following[room.id, participant.id] = Join(
            timeline,
            client=str(baggage.get_baggage(CLIENT) or "")[:MAX_CLIENT_CHARACTERS],
            parent=trace.get_current_span().get_span_context(),
            epoch=self._wall_clock() - self._clock(),
            name=participant.display_name,
        )
        self.some.set()
        self._traces[room.id, participant.id] = self._following[room.id, participant.id].trace_id

    def answered(self, room_id: str, participant_id: str) -> None:
        """The media server has answered an offer; the first one counts."""
        join = self._following.get((room_id, participant_id))
        if join is not None and join.timeline.answered is None:
            join.timeline.answered = self._clock()

    def media_event(self, event: Event) -> None:
        """Take note of what became of a connection to the media server, and log it."""
        if not isinstance(event, TransportConnected | TransportClosed):
            return
        key = event.room_id, event.participant_id
        join = self._following.get(key)
        fields = {"room": event.room_id, "client": event.participant_id}
        # Also of what the media server finds by itself, long after the join.
        if trace_id := self._traces.get(key):
            fields["trace_id"] = trace_id
        if isinstance(event, TransportConnected):
            LOG.info("Media is connected", extra=fields)
            return
        LOG.info("Media has ended", extra=fields | {"reason": event.reason})
        marks = join.timeline.marks if join is not None else None
        if join is not None and event.reason not in ("left", "replaced") and not (marks and marks.connected):
            join.timeline.fail(event.reason)

    def follow(
        self,
        marks_of: Callable[[str, str], JoinMarks | None],
        is_present: Callable[[str, str], bool],
        now: float,
    ) -> None:
        """Look how far each has come; what is over is counted and traced."""
        for key, join in tuple(self._following.items()):
            if join.timeline.advance(marks_of(*key), is_present(*key), now):
                self._finish(key)

    def forget_absent(self, rooms: Set[str], people: Set[Key]) -> None:
        """Forget what is of other rooms and people than these."""
        for room in set(self.by_room) - rooms:
            del self.by_room[room]
        for key in set(self._traces) - people:
            del self._traces[key]

    def _finish(self, key: Key, outcome: str | None = None) -> None:
        join = self._following.pop(key)
        if not self._following:
            self.some.clear()
        timeline = join.timeline
        if outcome == "incomplete":
            timeline.outcome = "incomplete"
        self.finished.append(join)
        self._outcomes.labels(timeline.outcome).inc()
        for span in timeline.spans:
            self._stages.labels(span.stage).observe(span.seconds)
        if timeline.outcome == "complete":
            self._stages.labels("total").observe(timeline.seconds)
        self._tracing.record(_record(join), join.parent)
        LOG.info(
            "A join is over",
            extra={
                "room": timeline.room,
                "client": timeline.participant,
                "outcome": timeline.outcome,
                # Milliseconds.
                "duration": round(timeline.seconds * 1000, 1),
                **({"reason": timeline.reason} if timeline.reason else {}),
                **({"trace_id": join.trace_id} if join.trace_id else {}),
            },
        )


def _record(join: Join) -> SpanRecord:
    timeline, epoch = join.timeline, join.epoch
    attributes: dict[str, str] = {
        "chatter.room": timeline.room,
        "chatter.client_id": timeline.participant,
        "chatter.outcome": timeline.outcome,
    }
    if join.client:
        attributes[CLIENT] = join.client
    if timeline.reason:
        attributes["chatter.reason"] = timeline.reason
    return SpanRecord(
        "join",
        timeline.begin + epoch,
        timeline.end + epoch,
        attributes,
        failed=timeline.outcome in ("failed", "incomplete"),
        children=tuple(
            SpanRecord(f"join.{span.stage}", span.begin + epoch, max(span.end, span.begin) + epoch)
            for span in timeline.spans
        ),
    )


def _elapsed() -> float:
    """What the client says in its baggage, in seconds; 0 where it says nothing sensible."""
    try:
        seconds = int(str(baggage.get_baggage(ELAPSED) or "0")[:9]) / 1000
    except ValueError:
        return 0.0
    return seconds if 0 < seconds <= MAX_ELAPSED_SECONDS else 0.0
