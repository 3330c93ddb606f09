"""The whole app describes itself, and docs/api.md agrees."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import api
import auth
import chatter
import rooms
import signaling
from api.errors import GONE, ErrorKind
from api.openapi import kinds_of
from api.routes import OPERATIONS
from chatter.app import create_app

DOCUMENT = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")

ROW = re.compile(r"^\| `(\w+)` \| (\d+) \| (.+) \|$", re.MULTILINE)


def kinds_in_code() -> set[ErrorKind]:
    """Every kind that is a constant of a module."""
    found = set()
    for package in (api, auth, chatter, rooms, signaling):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            values = vars(importlib.import_module(module.name)).values()
            found |= {value for value in values if isinstance(value, ErrorKind)}
    return found


def test_every_error_is_documented_and_nothing_else():
    documented = [(code, int(status), title) for code, status, title in ROW.findall(DOCUMENT)]
    assert documented == sorted(documented)
    in_code = {(kind.code, kind.status, kind.title) for kind in kinds_in_code() - {GONE}}
    assert set(documented) == in_code


def test_a_code_has_one_meaning():
    codes = [kind.code for kind in kinds_in_code()]
    assert len(codes) == len(set(codes))


def test_every_operation_has_a_name_of_its_own(make_settings):
    operations = create_app(make_settings())[OPERATIONS]
    names = [operation.handler.__name__ for operation in operations]
    assert len(names) == len(set(names))
    assert kinds_of(operations)


async def test_protected_routes_want_a_token(client):
    protected = [operation for operation in client.app[OPERATIONS] if operation.authentication is not None]
    assert protected
    for operation in protected:
        path = re.sub(r"\{\w+\}", "a1b2c3d4", operation.path)
        answer = await client.request(operation.method, path)
        assert answer.status == 401, (operation.method, operation.path)
        assert "WWW-Authenticate" in answer.headers


async def test_the_document_is_served(client):
    answer = await client.get("/openapi.json")
    described = await answer.json()
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert described["openapi"].startswith("3.1")
    assert {"/auth/login", "/rooms", "/health"} <= set(described["paths"])


@pytest.mark.parametrize("word", ["/auth/login", "X-Device-ID", "error-username_taken", "roomId", "bearer"])
async def test_the_page_is_served(client, word):
    answer = await client.get("/docs")
    assert (answer.status, answer.content_type) == (200, "text/html")
    text = await answer.text()
    assert word in text
    assert "<script" not in text
    assert "style=" not in text
    assert "unsafe" not in answer.headers["Content-Security-Policy"]


async def test_every_link_of_the_page_leads_somewhere(client):
    text = await (await client.get("/docs")).text()
    ids = re.findall(r'id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    links = re.findall(r'href="#([^"]+)"', text)
    assert links
    assert set(links) <= set(ids)
