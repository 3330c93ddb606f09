"""Typed routes: what a handler gets, what a client is told, and what is described."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

import api.routes
from api import openapi
from api.errors import ApiError, ErrorKind, error_middleware
from api.models import Answer, Body, Parameters, Timestamp
from api.pages import Page, PageQuery, cursor_of, page_of
from api.routes import Authentication, Routes, json_answer
from api.validation import read_json

INVALID_NAME = ErrorKind(400, "invalid_name", "The name is not allowed")
MISSING_NAME = ErrorKind(400, "missing_name", "There is no name")
NO_KEY = ErrorKind(401, "no_key", "A key is needed")
TAKEN = ErrorKind(409, "taken", "It is taken")


class Colour(Body):
    red: int = Field(ge=0, le=255, description="0 to 255")


class NewThing(Body):
    name: str = Field(min_length=1, max_length=3, description="1 to 3 characters")
    colours: list[Colour] = Field(default=[], description="a list of colours")
    size_limit: int | None = Field(None, description="a whole number")


NEW = NewThing(name="new")


class ThingPath(Parameters):
    thing_id: int = Field(description="a whole number")


class ThingAnswer(Answer):
    """A thing."""

    name: str
    size_limit: int | None
    made_at: Timestamp | None = None


async def identify(request: web.Request) -> str:
    if "X-Key" not in request.headers:
        raise NO_KEY("The header X-Key is needed.")
    return request.headers["X-Key"]


KEY = Authentication(
    {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}, identify=identify, errors=[NO_KEY]
)

routes = Routes("things")


@routes.post("/things", status=201, errors=[INVALID_NAME, MISSING_NAME, TAKEN], max_body=1000)
async def make_thing(_request: web.Request, *, body: NewThing) -> ThingAnswer:
    """Make a thing.

    It may be taken.
    """
    if body.name == "old":
        raise TAKEN("The name is taken; choose another.", {"Retry-After": "1"})
    return ThingAnswer(name=body.name, size_limit=body.size_limit)


@routes.put("/things/{thingId}", authentication=KEY)
async def put_thing(
    _request: web.Request, *, identity: str, path: ThingPath, body: NewThing = NEW
) -> ThingAnswer:
    """Put a thing."""
    return ThingAnswer(name=f"{identity}-{body.name}", size_limit=path.thing_id)


@routes.get("/things")
async def list_things(_request: web.Request, *, query: PageQuery) -> Page[ThingAnswer]:
    """List things."""
    after = query.after(int)
    numbers = range(0 if after is None else after[0] + 1, 5)[: query.limit + 1]
    return page_of(
        numbers, query, lambda n: ThingAnswer(name=str(n), size_limit=n), key=lambda number: (number,)
    )


@routes.get("/names")
async def names(_request: web.Request) -> list[ThingAnswer]:
    """List names."""
    return [ThingAnswer(name="a", size_limit=None)]


@routes.delete("/things/{thingId}")
async def delete_thing(_request: web.Request, *, path: ThingPath) -> None:
    """Delete a thing."""


@routes.post("/cookies", answer=ThingAnswer)
async def cookies(_request: web.Request) -> web.Response:
    """Set a cookie."""
    response = json_answer(ThingAnswer(name="a", size_limit=1))
    response.set_cookie("a", "b")
    return response


@pytest.fixture
async def client():
    app = web.Application(middlewares=[error_middleware])
    routes.add_to(app)
    async with TestClient(TestServer(app)) as running:
        yield running


async def test_a_body_becomes_a_model_and_an_answer_json(client):
    answer = await client.post("/things", json={"name": "abc", "sizeLimit": 5, "unknown": 1})
    assert answer.status == 201
    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert await answer.json() == {"name": "abc", "sizeLimit": 5, "madeAt": None}


@pytest.mark.parametrize(
    ("body", "status", "code", "pointers", "words"),
    [
        (b"{", 400, "invalid_json", [], "not valid JSON"),
        (b"\xff", 400, "invalid_json", [], "not valid JSON"),
        (b'"text"', 400, "invalid_body", [], 'a JSON object {"name": …}'),
        (b"null", 400, "invalid_body", [], "a JSON object"),
        (b"{}", 400, "missing_name", ["#/name"], '"name" is missing: it must be 1 to 3 characters.'),
        (b'{"name": ""}', 400, "invalid_name", ["#/name"], '"name" must be 1 to 3 characters.'),
        (b'{"name": 5}', 400, "invalid_name", ["#/name"], '"name" must be 1 to 3 characters.'),
        (
            b'{"name": "a", "sizeLimit": "5"}',
            400,
            "invalid_request",
            ["#/sizeLimit"],
            '"sizeLimit" must be a whole number.',
        ),
        (
            b'{"name": "a", "colours": [{"red": 1}, {"red": 256}]}',
            400,
            "invalid_request",
            ["#/colours/1/red"],
            '"colours.1.red" must be 0 to 255.',
        ),
        (
            b'{"name": "long", "sizeLimit": []}',
            400,
            "invalid_name",
            ["#/name", "#/sizeLimit"],
            '"name" must be 1 to 3 characters.',
        ),
        (b'{"name": "old"}', 409, "taken", [], "The name is taken; choose another."),
        (b" " * 1001, 413, "body_too_large", [], "at most 1000 bytes"),
    ],
)
async def test_a_refusal_names_what_was_wrong_and_what_would_be_right(
    client, body, status, code, pointers, words
):
    answer = await client.post("/things", data=body, headers={"Content-Type": "application/json"})
    assert answer.status == status
    assert answer.content_type == "application/problem+json"
    problem = await answer.json()
    assert words in problem["detail"]
    assert [error["pointer"] for error in problem.get("errors", [])] == pointers
    assert (problem["code"], problem["status"]) == (code, status)
    assert problem["type"] == f"/docs#error-{code}"
    assert problem["title"]
    assert problem["error"] == {"code": code, "message": problem["detail"]}
    assert ("Retry-After" in answer.headers) is (code == "taken")


async def test_few_of_many_faults_are_told(client):
    body = json.dumps({"name": "a", "colours": [{}] * 100})
    answer = await client.post("/things", data=body, headers={"Content-Type": "application/json"})
    assert len((await answer.json())["errors"]) == 10


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded"])
async def test_a_body_of_another_type_is_refused(client, content_type):
    answer = await client.post("/things", data=b'{"name": "a"}', headers={"Content-Type": content_type})
    assert (answer.status, (await answer.json())["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("data", "headers", "name"),
    [(None, {}, "k-new"), (b" ", {"Content-Type": "application/json"}, "k-new")],
)
async def test_a_body_with_a_default_may_be_left_out(client, data, headers, name):
    answer = await client.put("/things/7", data=data, headers={"X-Key": "k", **headers})
    assert await answer.json() == {"name": name, "sizeLimit": 7, "madeAt": None}


async def test_who_asks_comes_before_what_is_asked(client):
    answer = await client.put("/things/x", data=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status, (await answer.json())["code"]) == (401, "no_key")


@pytest.mark.parametrize(
    ("method", "path", "pointer"),
    [
        ("DELETE", "/things/x", "path:thingId"),
        ("GET", "/things?limit=0", "query:limit"),
        ("GET", "/things?limit=", "query:limit"),
        ("GET", "/things?limit=101", "query:limit"),
        ("GET", "/things?Limit=10", "query:Limit"),
    ],
)
async def test_a_parameter_that_is_wrong_is_named(client, method, path, pointer):
    answer = await client.request(method, path)
    problem = await answer.json()
    assert (answer.status, problem["code"]) == (400, "invalid_request")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


async def test_answers_without_a_body_lists_and_cookies(client):
    assert (await client.delete("/things/7")).status == 204
    assert await (await client.get("/names")).json() == [{"name": "a", "sizeLimit": None, "madeAt": None}]
    assert (await client.post("/cookies")).cookies["a"].value == "b"


@pytest.mark.parametrize(("limit", "pages"), [(1, 5), (2, 3), (4, 2), (5, 1), (100, 1)])
async def test_pages_hold_everything_once(client, limit, pages):
    seen, cursor, count = [], None, 0
    while count == 0 or cursor is not None:
        params = {"limit": str(limit)} | ({"cursor": cursor} if cursor else {})
        page = await (await client.get("/things", params=params)).json()
        seen += [item["name"] for item in page["items"]]
        cursor, count = page["nextCursor"], count + 1
    assert (seen, count) == (["0", "1", "2", "3", "4"], pages)


def cursor_outcome(text):
    try:
        return [type(part) for part in PageQuery(cursor=text).after(int, str)]
    except ApiError as error:
        return error.code


@given(st.text(max_size=60))
def test_any_cursor_is_a_key_or_is_refused(text):
    assert cursor_outcome(text) in ("invalid_cursor", [int, str])


@pytest.mark.parametrize("key", [(2**63, "a"), (1, "\0"), (True, "a"), ("1", "a"), (1,)])
def test_a_cursor_that_no_database_takes_is_refused(key):
    with pytest.raises(ApiError, match="nextCursor"):
        PageQuery(cursor=cursor_of(*key)).after(int, str)


def body_outcome(raw):
    try:
        return type(read_json(raw, NewThing, {}))
    except ApiError as error:
        return error.status


@given(st.binary(max_size=200))
def test_any_bytes_are_a_model_or_are_refused(raw):
    assert body_outcome(raw) in (NewThing, 400)


def test_the_document_says_what_is_checked():
    described = openapi.document(routes.operations, title="T", version="1", description="D")
    made = described["paths"]["/things"]["post"]
    assert (made["operationId"], made["summary"], made["description"]) == (
        "makeThing",
        "Make a thing",
        "It may be taken.",
    )
    schemas = described["components"]["schemas"]
    body = made["requestBody"]
    assert body["required"]
    assert body["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/NewThing"}
    assert schemas["NewThing"]["properties"]["name"] == {
        "description": "1 to 3 characters",
        "maxLength": 3,
        "minLength": 1,
        "type": "string",
    }
    assert made["responses"]["201"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/ThingAnswer"
    }
    assert made["responses"]["409"]["x-codes"] == ["taken"]
    assert made["security"] == []
    put = described["paths"]["/things/{thingId}"]["put"]
    assert not put["requestBody"]["required"]
    assert put["security"] == [{"key": []}]
    assert put["parameters"] == [
        {
            "name": "thingId",
            "in": "path",
            "required": True,
            "description": "a whole number",
            "schema": {"type": "integer"},
        }
    ]
    assert "401" in put["responses"]
    assert described["components"]["securitySchemes"] == {
        "key": {"type": "apiKey", "in": "header", "name": "X-Key"}
    }


def test_a_handler_that_cannot_be_described_is_refused():
    table = Routes("t")

    async def silent(_request: web.Request) -> None:
        pass

    async def strange(_request: web.Request, *, weather: str) -> None:
        """Do."""

    async def unknown(_request: web.Request, *, identity: str) -> None:
        """Do."""

    for handler, words in ((silent, "docstring"), (strange, "weather"), (unknown, "authentication")):
        with pytest.raises(TypeError, match=words):
            table.get("/t")(handler)


async def test_a_body_that_does_not_come_is_not_waited_for(client, monkeypatch):
    monkeypatch.setattr(api.routes, "BODY_LIMIT", 0.05)

    async def drip():
        yield b'{"name": '
        await asyncio.Event().wait()

    reply = await client.post("/things", data=drip(), headers={"Content-Type": "application/json"})
    assert (reply.status, (await reply.json())["code"]) == (408, "body_too_slow")
    assert reply.headers["Connection"] == "close"
