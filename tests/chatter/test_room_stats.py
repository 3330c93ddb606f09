import json
from dataclasses import replace

import pytest

from chatter.app import SAMPLER
from chatter.monitoring.quality_messages import QualityMessages
from chatter.monitoring.sampling import RoomSampling
from chatter.monitoring.snapshot import Snapshot
from chatter.room_stats import room_answer
from signaling.outbox import Outbox
from signaling.rooms import Rooms
from signaling.settings import RoomSettings
from tests.chatter.monitoring.figures import consumer, producer, stats
from tests.signaling.signaling_fakes import connected


def lossy(packets):
    return consumer(packets_sent=packets, fraction_lost=0.06, packets_lost=3)


def a_room():
    rooms = Rooms(RoomSettings(mode="sfu"), new_id=iter(("ann", "bob", "cleo")).__next__)
    room = rooms.create(0.0)
    return rooms, room


def join(rooms, room, name):
    return rooms.join(room.id, connected(Outbox(1000, 10**6)), 0.0, display_name=name)[1]


def told(participant, kind="quality"):
    messages = []
    while (frame := participant.outbox.take()) is not None:
        message = json.loads(frame)
        if message["type"] == kind:
            del message["seq"]
            messages.append(message)
    return messages


def test_everybody_is_told_the_scores_and_only_oneself_the_cause():
    rooms, room = a_room()
    ann, bob = join(rooms, room, "Ann"), join(rooms, room, "Bob")
    messages, sampling = QualityMessages(rooms), RoomSampling()

    def look(at, line):
        figures = stats([producer(packets_received=int(100 * at), last_packet=at)], [line])
        messages.update(Snapshot(at=at, rooms=(sampling.sample(room, figures, 2, at),)))

    look(10.0, lossy(10))
    scores = [
        {"clientId": "ann", "score": 100, "grade": "good"},
        {"clientId": "bob", "score": 38, "grade": "poor"},
    ]
    cause = {"code": "downlink_loss", "text": "your downlink loses 6 % of packets", "trackId": None}
    assert told(ann) == [{"type": "quality", "participants": [{**scores[0], "cause": None}, scores[1]]}]
    assert told(bob) == [{"type": "quality", "participants": [scores[0], {**scores[1], "cause": cause}]}]
    look(15.0, lossy(150))
    assert told(ann) == told(bob) == []
    cleo = join(rooms, room, "Cleo")
    look(20.0, lossy(200))
    assert told(ann) == told(bob) == []
    assert told(cleo) == [{"type": "quality", "participants": scores}]
    for at in (25.0, 30.0, 35.0):
        look(at, consumer(packets_sent=int(at * 10)))
    assert [p["score"] for message in told(ann) for p in message["participants"]] == [100]


def test_a_participant_is_shown_what_concerns_it():
    rooms, room = a_room()
    for name in ("Ann", "Bob", "Cleo"):
        join(rooms, room, name)
    producers = [producer("ann", last_packet=10.0), producer("cleo", last_packet=10.0)]
    lines = [lossy(50), consumer(participant_id="ann", track_id="cleo:camera")]
    look = RoomSampling().sample(room, stats(producers, lines, ("ann", "bob", "cleo")), 3, 10.0)
    everything, bobs = room_answer(look), room_answer(look, "bob")
    assert [p.track_id for p in everything.producers] == ["ann:camera", "cleo:camera"]
    assert [c.client_id for c in everything.consumers] == ["bob", "ann"]
    assert everything.consumers[0].cause.text == "your downlink loses 6 % of packets"
    assert everything.consumers[1].cause is None
    assert [p.track_id for p in bobs.producers] == ["ann:camera"]
    assert [(c.client_id, c.fraction_lost, c.packets_lost) for c in bobs.consumers] == [("bob", 0.06, 3)]
    assert [(p.client_id, p.score, p.connection_state) for p in bobs.participants] == [
        ("ann", 100, ""),
        ("bob", 38, "connected"),
        ("cleo", 100, ""),
    ]


async def test_the_figures_are_for_people_in_the_room(client, accounts_of):
    ann, eve = await accounts_of("ann", "eve")
    room_id = (await (await client.post("/rooms", headers=ann)).json())["roomId"]
    token = ann["Authorization"].removeprefix("Bearer ")
    ws = await client.ws_connect(f"/ws/{room_id}?token={token}")
    client_id = (await ws.receive_json())["clientId"]
    await client.app[SAMPLER].take()
    answer = await client.get(f"/rooms/{room_id}/stats", headers=ann)
    body = await answer.json()
    assert (answer.status, body["roomId"], body["consumerCount"]) == (200, room_id, 0)
    assert [p["clientId"] for p in body["participants"]] == [client_id]
    assert body["age"] >= 0
    await ws.send_json({"type": "stats", "id": 7})
    while (message := await ws.receive_json())["type"] != "stats":
        pass
    assert (message["id"], [p["clientId"] for p in message["participants"]]) == (7, [client_id])
    for headers, path, status, code in [
        (eve, room_id, 403, "not_in_room"),
        (ann, "nowhere", 404, "no_such_room"),
        ({}, room_id, 401, "token_missing"),
    ]:
        answer = await client.get(f"/rooms/{path}/stats", headers=headers)
        assert (answer.status, (await answer.json())["code"]) == (status, code)


@pytest.fixture
def accounts_of(client):
    async def register(*names):
        headers = []
        for name in names:
            body = {"username": name, "password": "securepassword"}
            answer = await client.post("/auth/register", json=body, headers={"X-Device-ID": "x"})
            headers.append({"Authorization": f"Bearer {(await answer.json())['token']}"})
        return headers

    return register


def test_the_hidden_are_shown_to_operators_and_to_themselves():
    rooms, room = a_room()
    ann, bob = join(rooms, room, "Ann"), join(rooms, room, "Bob")
    bob.grants = replace(bob.grants, hidden=True)
    look = RoomSampling().sample(room, stats([producer(last_packet=10.0)], [lossy(50)]), 2, 10.0)

    def shown(*args, **options):
        answer = room_answer(look, *args, **options)
        return [p.client_id for p in answer.participants], [c.client_id for c in answer.consumers]

    assert shown() == (["ann"], [])
    assert shown("ann") == (["ann"], [])
    assert shown("bob") == (["ann", "bob"], ["bob"])
    assert shown(hidden=True) == (["ann", "bob"], ["bob"])
    QualityMessages(rooms).update(Snapshot(at=10.0, rooms=(look,)))
    assert [p["clientId"] for m in told(ann) for p in m["participants"]] == ["ann"]
    assert [p["clientId"] for m in told(bob) for p in m["participants"]] == ["ann", "bob"]
