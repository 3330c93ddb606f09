import logging

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from prometheus_client import CollectorRegistry

from chatter.monitoring import joins as joins_module
from chatter.monitoring.joins import Joins
from observability.tracing import Tracing
from sfu.events import TransportClosed, TransportConnected
from signaling.observer import Arrival
from tests.chatter.monitoring.figures import make_room
from tests.chatter.monitoring.test_timeline import NOT_YET, marks

PARENT = SpanContext(0xABC, 0x123, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def joins(registry, exporter):
    tracing = Tracing("chatter", SimpleSpanProcessor(exporter))
    return Joins(registry, tracing, clock=lambda: 1.1, wall_clock=lambda: 1001.1)


def arrive(joins, **said):
    room = make_room("ann")
    within = trace.set_span_in_context(NonRecordingSpan(PARENT), context.Context())
    for name, value in said.items():
        within = baggage.set_baggage(f"chatter.{name}", value, within)
    token = context.attach(within)
    joins.arrived(Arrival(room, room.participants[0], 0.5, 0.6))
    context.detach(token)
    return room


def follow(joins, found, present=True, now=2.0):
    joins.follow(lambda room, participant: found, lambda room, participant: present, now)


def test_a_join_is_one_trace_from_the_wish_to_the_first_frame(joins, exporter, registry):
    room = arrive(joins, elapsed_ms="250", client="web")
    joins.answered(room.id, "ann")
    joins.answered(room.id, "ann")
    follow(joins, marks())
    *stages, join = exporter.get_finished_spans()
    assert join.name == "join"
    assert join.context.trace_id == PARENT.trace_id
    assert join.parent.span_id == PARENT.span_id
    assert {stage.parent.span_id for stage in stages} == {join.context.span_id}
    assert {stage.name: (stage.start_time, stage.end_time) for stage in stages} == {
        f"join.{name}": (round((1000 + begin) * 1e9), round((1000 + end) * 1e9))
        for name, begin, end in [
            ("token", 0.25, 0.5),
            ("websocket", 0.5, 0.6),
            ("negotiation", 1.0, 1.1),
            ("ice", 1.1, 1.2),
            ("dtls", 1.2, 1.3),
            ("first_packet", 1.3, 1.35),
            ("first_keyframe", 1.3, 1.5),
        ]
    }
    assert dict(join.attributes) == {
        "chatter.room": room.id,
        "chatter.client_id": "ann",
        "chatter.outcome": "complete",
        "chatter.client": "web",
    }
    assert registry.get_sample_value("chatter_joins_finished_total", {"outcome": "complete"}) == 1
    assert registry.get_sample_value("chatter_join_stage_seconds_sum", {"stage": "total"}) == 1.25
    assert [done.timeline.outcome for done in joins.finished] == ["complete"]
    assert joins.following == ()


@pytest.mark.parametrize(
    "said", [{}, {"elapsed_ms": "soon"}, {"elapsed_ms": "-5"}, {"elapsed_ms": "9" * 400}]
)
def test_clients_need_not_say_anything_sensible(joins, said):
    arrive(joins, **said)
    assert joins.following[0].timeline.token_seconds == 0


def test_a_failed_connection_is_told_with_its_reason(joins, exporter, caplog):
    caplog.set_level(logging.INFO)
    room = arrive(joins)
    follow(joins, marks(**NOT_YET))
    joins.media_event(TransportClosed(room.id, "ann", "dtls-failed"))
    follow(joins, None)
    join = exporter.get_finished_spans()[-1]
    assert (join.attributes["chatter.outcome"], join.attributes["chatter.reason"]) == (
        "failed",
        "dtls-failed",
    )
    assert not join.status.is_ok
    ended = next(record for record in caplog.records if record.message == "Media has ended")
    assert (ended.room, ended.client, ended.reason) == (room.id, "ann", "dtls-failed")
    assert ended.trace_id == f"{PARENT.trace_id:032x}"


@pytest.mark.parametrize(
    ("reason", "found"),
    [("left", marks(**NOT_YET)), ("replaced", marks(**NOT_YET)), ("dtls-closed", marks(first_keyframe=None))],
)
def test_ends_that_are_no_failure_of_the_join(joins, reason, found):
    room = arrive(joins)
    follow(joins, found)
    joins.media_event(TransportConnected(room.id, "ann"))
    joins.media_event(TransportClosed(room.id, "ann", reason))
    assert joins.following[0].timeline.outcome == "joining"


def test_a_trace_is_named_as_long_as_somebody_is_there(joins, caplog):
    caplog.set_level(logging.INFO)
    room = arrive(joins)
    follow(joins, marks())
    joins.media_event(TransportClosed(room.id, "ann", "consent-expired"))
    joins.forget_absent({room.id}, set())
    joins.media_event(TransportClosed(room.id, "ann", "consent-expired"))
    first, second = [record for record in caplog.records if record.message == "Media has ended"]
    assert first.trace_id == f"{PARENT.trace_id:032x}"
    assert not hasattr(second, "trace_id")


def test_how_many_are_followed_is_bounded(joins, monkeypatch):
    monkeypatch.setattr(joins_module, "MAX_FOLLOWED", 3)
    rooms = [arrive(joins) for _ in range(5)]
    assert [join.timeline.room for join in joins.following] == [room.id for room in rooms[2:]]
    assert {done.timeline.outcome for done in joins.finished} == {"incomplete"}
    joins.forget_absent({rooms[0].id}, {(rooms[0].id, "ann")})
    assert dict(joins.by_room) == {rooms[0].id: 1}
