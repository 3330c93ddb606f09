"""What receivers are told."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from signaling.room_event import RoomEvent, RoomEventType
from tests.webhooks.webhook_receiver import KEY, SECRET
from webhooks.message import TOLD, Message
from webhooks.signature import signed_headers

ANN = {
    "participantId": "a1",
    "displayName": "Ann",
    "userId": 7,
    "role": "owner",
    "hidden": False,
    "bot": False,
}
TRACK = {"trackId": "a1:screen-audio", "participantId": "a1", "source": "screen-audio"}


@pytest.mark.parametrize(
    ("kind", "data", "rest"),
    [
        ("room.started", {}, {}),
        ("room.ended", {}, {}),
        (
            "participant.joined",
            ANN,
            {
                "participant": {
                    "id": "a1",
                    "displayName": "Ann",
                    "userId": 7,
                    "role": "owner",
                    "hidden": False,
                    "bot": False,
                }
            },
        ),
        (
            "track.published",
            TRACK,
            {
                "participant": {"id": "a1"},
                "track": {"id": "a1:screen-audio", "source": "screen-audio", "kind": "audio"},
            },
        ),
    ],
)
def test_body(kind: RoomEventType, data: dict[str, object], rest: dict[str, Any]) -> None:
    at = datetime(2026, 2, 7, 13, 0, 0, 123_456, timezone(timedelta(hours=1)))
    assert json.loads(Message("msg_1", at, RoomEvent(kind, "r", "s", data)).body) == {
        "type": kind,
        "time": "2026-02-07T12:00:00.123Z",
        "room": {"id": "r", "sessionId": "s"},
        **rest,
    }


def test_a_body_stays_the_same() -> None:
    message = Message("msg_1", datetime.now(UTC), RoomEvent("participant.left", "r", "s", ANN))
    assert message.body == message.body


DOCUMENT = Path(__file__).parents[2] / "docs" / "webhooks.md"


@pytest.mark.parametrize(
    ("secret", "age", "body", "passes"),
    [
        (SECRET, 0, b"{}", True),
        (SECRET, 299, b"{}", True),
        (SECRET, 310, b"{}", False),
        (SECRET, -310, b"{}", False),
        (SECRET, 0, b"{ }", False),
        ("whsec_" + "A" * 43 + "=", 0, b"{}", False),
    ],
)
def test_the_check_of_the_document(secret: str, age: int, body: bytes, passes: bool) -> None:
    code = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1], names)
    headers = signed_headers((b"o" * 32, KEY), "msg_1", int(time.time()) - age, "{}")
    assert names["verify"](secret, headers, body) is passes


def test_the_document_names_what_is_told() -> None:
    rows = re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(TOLD)
