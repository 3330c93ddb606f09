"""What README.md says exists."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import bots
from bots.track import RemoteTrack
from chatter.app import create_app
from tests.conftest import MakeSettings

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README = DOCUMENTS[0].read_text(encoding="utf-8")

# An address that has no page of its own.
ROUTE = re.compile(r"`(?:(GET|POST) )?(/[A-Za-z0-9_{}/-]*)`")


def test_links_lead_to_files() -> None:
    broken = [
        f"{document.name}: {target}"
        for document in DOCUMENTS
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8"))
        if not (document.parent / target).exists()
    ]
    assert broken == []


def test_files_that_the_documents_name_exist() -> None:
    # `native/…` is said where the plane is spoken of.
    bases = [ROOT, ROOT / "sfu", ROOT / "sfu" / "plane"]
    named = {
        (document.name, path)
        for document in DOCUMENTS
        for path in re.findall(
            r"`([\w-]+(?:/[\w.-]+)+\.(?:py|js|c|h|yaml))`", document.read_text(encoding="utf-8")
        )
    }
    assert ("architecture.md", "signaling/outbox.py") in named
    # Of the reader's own making.
    named.discard(("configuration.md", "config/config.yaml"))
    assert [name for name in named if not any((base / name[1]).exists() for base in bases)] == []


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").replace("\\:", ":")
    targets = set(re.findall(r"^([a-z:]+): ", makefile, re.MULTILINE))
    table = README.partition("## Commands")[2].partition("## ")[0]
    named = set(re.findall(r"`(?:make )?([a-z:]+)`", table)) - {"serve", "migrate", "doctor", "bot"}
    assert {"run", "test", "dev:up", "dev:down", "migrate:status"} <= named
    assert named <= targets


async def test_endpoints_exist(make_settings: MakeSettings) -> None:
    app = create_app(make_settings())
    served = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None
    }
    table = README.partition("## Endpoints")[2].partition("## ")[0]
    method = "GET"
    named = set()
    for given, path in ROUTE.findall(table):
        method = given or method
        named.add((method, path))
    # With the names of the parameters: metrics and spans carry the pattern.
    assert {("POST", "/auth/login"), ("GET", "/ws/{roomId}")} <= named
    assert named <= served


def test_the_bot_uses_what_the_library_has() -> None:
    code = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert code is not None
    tree = ast.parse(code[1])
    join = [node for node in ast.walk(tree) if isinstance(node, ast.keyword)]
    used = {
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    owners = {"bots": bots, "room": bots.Room, "track": RemoteTrack}
    checked = {(name, attribute) for name, attribute in used if name in owners}
    assert ("room", "wait_for_track") in checked
    # A RemoteTrack's client_id is a property, so all of these are on the class.
    assert [pair for pair in checked if not hasattr(owners[pair[0]], pair[1])] == []
    parameters = {
        *inspect.signature(bots.Room.join).parameters,
        *inspect.signature(bots.Room.wait_for_track).parameters,
        *inspect.signature(RemoteTrack.frames).parameters,
    }
    assert {keyword.arg for keyword in join} <= parameters
