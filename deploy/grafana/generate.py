"""Chatter's dashboards. `python deploy/grafana/generate.py` writes them into deploy/grafana/dashboards."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from panels import AMBER, GREEN, RED, YELLOW, Variable, dashboard, graph, logs, stat, table, traces

FOLDER = Path(__file__).parent / "dashboards"

TROUBLE = ((None, GREEN), (0.25, YELLOW), (0.5, AMBER), (0.9, RED))
LOSS = ((None, GREEN), (0.02, YELLOW), (0.1, RED))
ROUND_TRIP = ((None, GREEN), (0.3, YELLOW), (0.8, RED))

# Whatever Loki's collector calls the stream: Docker's driver and Compose give the service's name.
LOGS = '{compose_service="chatter"} | json'


SERVER_ERRORS = '{status=~"5.."}'
# Without WebSockets, which last as long as the call.
ANSWERED = '{status!="101"}'


def link(title: str, uid: str, *variables: str) -> dict[str, Any]:
    """A link from a row of a table to a dashboard, with the row's labels as its variables."""
    values = "&".join(f"var-{name}=${{__data.fields.{name}}}" for name in variables)
    return {"title": title, "url": f"/d/{uid}?{values}&${{__url_time_range}}"}


def quantile(share: float, metric: str, by: str = "", where: str = "") -> str:
    """A quantile of a histogram over the interval of the panel."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket{where}[$__rate_interval])))"


def rate(metric: str, by: str = "", where: str = "") -> str:
    """The increase per second, summed up."""
    group = f" by ({by})" if by else ""
    return f"sum{group} (rate({metric}{where}[$__rate_interval]))"


OVERVIEW = dashboard(
    "chatter-overview",
    "Chatter: overview",
    "Is everybody served well? If not, the tables below lead to the room and the track.",
    [
        stat("Participants", "sum(chatter_participants)"),
        stat("Rooms", "sum(chatter_rooms)"),
        stat("Subscriptions", "sum(chatter_subscriptions)", help="Tracks that are sent to somebody"),
        stat(
            "Poor or bad",
            'sum(chatter_subscriptions_by_quality{grade=~"poor|bad"}) / '
            "clamp_min(sum(chatter_subscriptions), 1)",
            "percentunit",
            steps=((None, GREEN), (0.02, YELLOW), (0.1, RED)),
            help="Part of the subscriptions that do not arrive as they should",
        ),
        stat("Sent", "sum(chatter_media_sent_bps)", "bps"),
        stat("Servers up", 'sum(up{job="chatter"})'),
        graph(
            "People",
            "short",
            ("sum(chatter_participants)", "participants"),
            ("sum(chatter_rooms)", "rooms"),
        ),
        graph(
            "Subscriptions by quality",
            "short",
            ("sum by (grade) (chatter_subscriptions_by_quality)", "{{grade}}"),
            stacked=True,
        ),
        graph(
            "Media",
            "bps",
            ("sum(chatter_media_received_bps)", "received"),
            ("sum(chatter_media_sent_bps)", "sent"),
        ),
        graph(
            "Joins by outcome",
            "ops",
            (rate("chatter_joins_finished_total", "outcome"), "{{outcome}}"),
            help="failed and incomplete: somebody sees nobody",
        ),
        graph(
            "Time to the first frame",
            "s",
            (quantile(0.5, "chatter_join_stage_seconds", where='{stage="total"}'), "median"),
            (quantile(0.95, "chatter_join_stage_seconds", where='{stage="total"}'), "95 %"),
        ),
        graph(
            "Join by stage, mean",
            "s",
            (
                f"{rate('chatter_join_stage_seconds_sum', 'stage')} / "
                f"{rate('chatter_join_stage_seconds_count', 'stage')}",
                "{{stage}}",
            ),
        ),
        table(
            "Rooms in trouble",
            "topk(10, chatter_room_trouble)",
            steps=TROUBLE,
            links=[link("Open the room", "chatter-room", "room")],
        ),
        table(
            "Subscriptions in trouble",
            "topk(10, chatter_subscription_trouble)",
            steps=TROUBLE,
            links=[link("Why is it bad", "chatter-track", "room", "track", "participant")],
        ),
        graph("Drops by reason", "pps", (rate("chatter_media_drops_total", "reason"), "{{reason}}")),
        graph(
            "Refused joins and messages",
            "ops",
            (rate("chatter_joins_refused_total", "code") + " or vector(0)", "join: {{code}}"),
            (rate("chatter_messages_refused_total", "code") + " or vector(0)", "message: {{code}}"),
        ),
        graph(
            "WebSockets that ended",
            "ops",
            (rate("chatter_connections_closed_total", "reason") + " or vector(0)", "{{reason}}"),
            ("sum(chatter_participants_detached)", "waiting to be resumed"),
        ),
    ],
)

ROOM_VARIABLE = Variable("room", "Room", "chatter_room_participants", "room")
IN_ROOM = '{room="$room"}'

ROOM = dashboard(
    "chatter-room",
    "Chatter: room",
    "One room: who is in it, what it carries, and which of its tracks are in trouble.",
    [
        stat("Participants", f"max(chatter_room_participants{IN_ROOM})"),
        stat("Tracks", f"max(chatter_room_tracks{IN_ROOM})"),
        stat("Subscriptions", f"max(chatter_room_subscriptions{IN_ROOM})"),
        stat("Trouble", f"max(chatter_room_trouble{IN_ROOM})", steps=TROUBLE),
        stat("Joined so far", f"max(chatter_room_joins_total{IN_ROOM})"),
        stat("Sent", f"8 * {rate('chatter_room_bytes_sent_total', where=IN_ROOM)}", "bps"),
        graph(
            "Media",
            "bps",
            (f"8 * {rate('chatter_room_bytes_received_total', where=IN_ROOM)}", "received"),
            (f"8 * {rate('chatter_room_bytes_sent_total', where=IN_ROOM)}", "sent"),
        ),
        graph(
            "Round trip by participant",
            "s",
            (f"chatter_transport_rtt_seconds{IN_ROOM}", "{{participant}}"),
            steps=ROUND_TRIP,
        ),
        graph(
            "Connection by participant",
            "short",
            (f"chatter_transport_state{IN_ROOM}", "{{participant}}"),
            maximum=3,
            help="0 new, 1 ICE checked, 2 DTLS begun, 3 connected",
        ),
        graph(
            "Loss from publishers",
            "percentunit",
            (f"chatter_track_loss_ratio{IN_ROOM}", "{{track}}"),
            steps=LOSS,
        ),
        graph(
            "Loss to subscribers",
            "percentunit",
            (f"chatter_subscription_loss_ratio{IN_ROOM}", "{{track}} → {{participant}}"),
            steps=LOSS,
        ),
        graph(
            "Packets not sent, by reason",
            "pps",
            (f"{rate('chatter_room_drops_total', 'reason', IN_ROOM)} or vector(0)", "{{reason}}"),
        ),
        table(
            "Tracks",
            f"chatter_track_trouble{IN_ROOM}",
            steps=TROUBLE,
            links=[link("Why is it bad", "chatter-track", "room", "track")],
        ),
        table(
            "Subscriptions",
            f"chatter_subscription_trouble{IN_ROOM}",
            steps=TROUBLE,
            links=[
                link("Why is it bad", "chatter-track", "room", "track", "participant"),
                link("Open the participant", "chatter-participant", "room", "participant"),
            ],
        ),
        logs("Logs of the room", f'{LOGS} | room="$room"'),
        traces("Joins", '{ name = "join" && span.chatter.room = "$room" }'),
    ],
    [ROOM_VARIABLE],
)

ONE = '{room="$room", participant="$participant"}'

PARTICIPANT = dashboard(
    "chatter-participant",
    "Chatter: participant",
    "One person: their connection, what they send and what they get.",
    [
        stat("Connection", f"max(chatter_transport_state{ONE})", help="3 is connected"),
        stat("Round trip", f"max(chatter_transport_rtt_seconds{ONE})", "s", steps=ROUND_TRIP),
        stat("Tracks sent", f"count(chatter_track_packets_total{ONE}) or vector(0)"),
        stat("Tracks received", f"count(chatter_subscription_packets_total{ONE}) or vector(0)"),
        stat("Worst sent", f"max(chatter_track_trouble{ONE}) or vector(0)", steps=TROUBLE),
        stat("Worst received", f"max(chatter_subscription_trouble{ONE}) or vector(0)", steps=TROUBLE),
        graph("Sends", "bps", (f"chatter_track_bitrate_bps{ONE} or vector(0)", "{{source}}")),
        graph(
            "Loss of what they send",
            "percentunit",
            (f"chatter_track_loss_ratio{ONE} or vector(0)", "{{source}}"),
            steps=LOSS,
        ),
        graph(
            "Jitter of what they send", "s", (f"chatter_track_jitter_seconds{ONE} or vector(0)", "{{source}}")
        ),
        graph("Gets", "bps", (f"chatter_subscription_bitrate_bps{ONE}", "{{track}}")),
        graph(
            "Loss of what they get",
            "percentunit",
            (f"chatter_subscription_loss_ratio{ONE}", "{{track}}"),
            steps=LOSS,
        ),
        graph("Round trip", "s", (f"chatter_transport_rtt_seconds{ONE}", "round trip"), steps=ROUND_TRIP),
        graph(
            "Freezes",
            "s",
            (f"increase(chatter_subscription_frozen_seconds_total{ONE}[$__rate_interval])", "{{track}}"),
            help="Seconds per interval in which nothing was sent although the publisher sent",
        ),
        graph(
            "Keyframe requests",
            "ops",
            (f"rate(chatter_subscription_pli_received_total{ONE}[$__rate_interval])", "{{track}}"),
        ),
        graph(
            "Packets not sent",
            "pps",
            (f"rate(chatter_subscription_packets_dropped_total{ONE}[$__rate_interval])", "{{track}}"),
        ),
        logs("Logs", f'{LOGS} | client="$participant"'),
        traces("Joins", '{ name = "join" && span.chatter.client_id = "$participant" }'),
    ],
    [
        ROOM_VARIABLE,
        Variable("participant", "Participant", 'chatter_transport_state{room="$room"}', "participant"),
    ],
)

SENT = '{room="$room", track="$track"}'
GOT = '{room="$room", track="$track", participant=~"$participant"}'
TO = '{room="$room", participant=~"$participant"}'

TRACK = dashboard(
    "chatter-track",
    "Chatter: track",
    "Why is it bad? From top to bottom the way of the packets: the publisher, the server, the subscribers; "
    "all on one time axis.",
    [
        stat("Trouble at the publisher", f"max(chatter_track_trouble{SENT})", steps=TROUBLE, width=6),
        stat(
            "Trouble at the worst subscriber",
            f"max(chatter_subscription_trouble{GOT})",
            steps=TROUBLE,
            width=6,
        ),
        stat("Muted", f"max(chatter_track_muted{SENT})", width=6),
        stat("Subscribers", f"max(chatter_track_subscriptions{SENT})", width=6),
        graph(
            "Bitrate",
            "bps",
            (f"chatter_track_bitrate_bps{SENT}", "from the publisher"),
            (f"chatter_subscription_bitrate_bps{GOT}", "to {{participant}}"),
            (
                f"chatter_transport_available_outgoing_bitrate_bps{TO} or vector(0)",
                "estimate for {{participant}}",
            ),
            width=24,
        ),
        graph(
            "Loss",
            "percentunit",
            (f"chatter_track_loss_ratio{SENT}", "from the publisher"),
            (f"chatter_subscription_loss_ratio{GOT}", "to {{participant}}"),
            steps=LOSS,
            width=24,
        ),
        graph(
            "Round trip and jitter",
            "s",
            (f"chatter_transport_rtt_seconds{TO}", "round trip {{participant}}"),
            (f"chatter_track_jitter_seconds{SENT}", "jitter from the publisher"),
            (f"chatter_subscription_jitter_seconds{GOT}", "jitter at {{participant}}"),
            width=24,
        ),
        graph(
            "Layer",
            "short",
            (f"chatter_subscription_spatial_layer{GOT}", "spatial to {{participant}}"),
            (f"chatter_subscription_temporal_layer{GOT}", "temporal to {{participant}}"),
            width=24,
            height=6,
        ),
        graph(
            "Keyframes",
            "ops",
            (
                f"rate(chatter_subscription_pli_received_total{GOT}[$__rate_interval])",
                "asked for by {{participant}}",
            ),
            (f"rate(chatter_track_pli_sent_total{SENT}[$__rate_interval])", "asked of the publisher"),
            (f"rate(chatter_track_keyframes_total{SENT}[$__rate_interval])", "came"),
            width=24,
        ),
        graph(
            "What the server holds back",
            "short",
            (f"chatter_subscription_paused{GOT}", "paused by {{participant}}"),
            (f"chatter_subscription_awaiting_keyframe{GOT}", "waits for a keyframe for {{participant}}"),
            (f"chatter_track_silence_seconds{SENT} > 1 or vector(0)", "silence of the publisher, seconds"),
            width=12,
        ),
        graph(
            "Freezes and packets not sent",
            "short",
            (
                f"increase(chatter_subscription_frozen_seconds_total{GOT}[$__rate_interval])",
                "frozen s: {{participant}}",
            ),
            (
                f"rate(chatter_subscription_packets_dropped_total{GOT}[$__rate_interval])",
                "not sent/s: {{participant}}",
            ),
            width=12,
        ),
        logs("Logs of the room", f'{LOGS} | room="$room"', width=24),
    ],
    [
        ROOM_VARIABLE,
        Variable("track", "Track", 'chatter_track_packets_total{room="$room"}', "track"),
        Variable(
            "participant",
            "Subscriber",
            'chatter_subscription_packets_total{room="$room", track="$track"}',
            "participant",
            all_values=True,
        ),
    ],
)

NODE = dashboard(
    "chatter-node",
    "Chatter: node",
    "The process: what it costs, how late it is, and what it drops.",
    [
        stat("CPU", rate("process_cpu_seconds_total"), "percentunit", help="100 % is one core"),
        stat("Memory", "sum(process_resident_memory_bytes)", "bytes"),
        stat("File descriptors", "max(process_open_fds / process_max_fds)", "percentunit"),
        stat("Packets sent", rate("chatter_plane_packets_sent_total"), "pps"),
        stat(
            "Time per packet",
            f"{rate('chatter_plane_busy_seconds_total')} / {rate('chatter_plane_packets_sent_total')}",
            "s",
            help="Work of the packet threads for each packet sent",
        ),
        stat("Loop lag 99 %", quantile(0.99, "chatter_event_loop_lag_seconds"), "s"),
        graph(
            "CPU",
            "percentunit",
            (rate("process_cpu_seconds_total", "instance"), "{{instance}}"),
            (rate("chatter_plane_busy_seconds_total", "instance"), "packets: {{instance}}"),
        ),
        graph("Memory", "bytes", ("process_resident_memory_bytes", "{{instance}}")),
        graph(
            "Packets",
            "pps",
            (rate("chatter_plane_packets_received_total"), "received"),
            (rate("chatter_plane_packets_sent_total"), "sent"),
        ),
        graph(
            "Time per packet sent",
            "s",
            (
                f"{rate('chatter_plane_busy_seconds_total', 'instance')} / "
                f"{rate('chatter_plane_packets_sent_total', 'instance')}",
                "{{instance}}",
            ),
        ),
        graph(
            "Batch size",
            "short",
            (quantile(0.5, "chatter_plane_batch_size"), "median"),
            (quantile(0.99, "chatter_plane_batch_size"), "99 %"),
            help="Datagrams that were read at once; near 64 the node is behind",
        ),
        graph(
            "Sent in runs",
            "percentunit",
            (
                f"{rate('chatter_plane_packets_segmented_total')} / "
                f"{rate('chatter_plane_packets_sent_total')}",
                "segmented",
            ),
            (
                f"{rate('chatter_plane_runs_refused_total')} / {rate('chatter_plane_send_calls_total')}",
                "refused by the kernel",
            ),
            maximum=1,
        ),
        graph(
            "Event loop lag",
            "s",
            (quantile(0.5, "chatter_event_loop_lag_seconds"), "median"),
            (quantile(0.99, "chatter_event_loop_lag_seconds"), "99 %"),
            help="Signaling waits for so long; media does not",
        ),
        graph("Drops by reason", "pps", (rate("chatter_media_drops_total", "reason"), "{{reason}}")),
        graph(
            "Database connections",
            "short",
            ("sum by (state) (chatter_database_connections)", "{{state}}"),
            ("sum(chatter_database_connections_limit)", "limit"),
        ),
        graph(
            "What is held",
            "short",
            ("sum by (what) (chatter_media_held)", "{{what}}"),
            ("sum(chatter_tasks)", "tasks"),
        ),
        graph("Rows with series", "short", ("sum by (what) (chatter_rows_exposed)", "{{what}}")),
        graph("Work of a look at the calls", "s", ("max(chatter_snapshot_seconds)", "seconds")),
        logs("Warnings and errors", f'{LOGS} | level=~"warning|error"', width=24),
    ],
)

HTTP = dashboard(
    "chatter-http",
    "Chatter: HTTP",
    "Requests by route and status.",
    [
        stat("Requests", rate("http_requests_total"), "reqps", width=6),
        stat(
            "Server errors",
            f"({rate('http_requests_total', where=SERVER_ERRORS)} or vector(0)) / "
            f"{rate('http_requests_total')}",
            "percentunit",
            steps=((None, GREEN), (0.01, YELLOW), (0.05, RED)),
            width=6,
        ),
        stat(
            "Mean duration",
            f"{rate('http_request_duration_ms_total', where=ANSWERED)} / "
            f"{rate('http_requests_total', where=ANSWERED)}",
            "ms",
            help="Without WebSockets, which last as long as the call",
            width=6,
        ),
        stat("Sent", rate("http_response_size_bytes_total"), "Bps", width=6),
        graph(
            "Requests by route",
            "reqps",
            (rate("http_requests_total", "method, path"), "{{method}} {{path}}"),
            width=12,
        ),
        graph(
            "Requests by status",
            "reqps",
            (rate("http_requests_total", "status"), "{{status}}"),
            width=12,
            stacked=True,
        ),
        graph(
            "Mean duration by route",
            "ms",
            (
                f"{rate('http_request_duration_ms_total', 'path', ANSWERED)} / "
                f"({rate('http_requests_total', 'path', ANSWERED)} > 0)",
                "{{path}}",
            ),
            width=12,
        ),
        graph(
            "Bytes by route", "Bps", (rate("http_response_size_bytes_total", "path"), "{{path}}"), width=12
        ),
        logs("Failed requests", f'{LOGS} | logger="chatter.access" | status>=500', width=12),
        traces(
            "Slow requests", '{ resource.service.name = "chatter" && duration > 500ms && name != "join" }'
        ),
    ],
)

DASHBOARDS = {
    "overview": OVERVIEW,
    "room": ROOM,
    "participant": PARTICIPANT,
    "track": TRACK,
    "node": NODE,
    "http": HTTP,
}


def text_of(name: str) -> str:
    """Return the file of a dashboard."""
    return json.dumps(DASHBOARDS[name], indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for name in DASHBOARDS:
        (FOLDER / f"{name}.json").write_text(text_of(name), encoding="utf-8")
