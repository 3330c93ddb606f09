"""The server keeps to its own OpenAPI document, whatever it is sent (schemathesis)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.system.conftest import StartServer

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="session")]

# Per operation and mode.
EXAMPLES = 15
TIMEOUT = 10.0

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

# An answer that goes on: its first part is read elsewhere.
STREAMS = {"text/event-stream"}


class Caller:
    """An account that is made anew when an example has ended it."""

    def __init__(self, url: str, username: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.username = username
        self.token = ""
        self.statuses: set[int] = set()
        self.sign_up()

    def sign_up(self) -> None:
        body = {"username": self.username, "password": "correct horse"}
        headers = {"X-Device-ID": "schemathesis"}
        for action in ("login", "register"):
            reply = self.session.post(
                f"{self.url}/auth/{action}", json=body, headers=headers, timeout=TIMEOUT
            )
            if reply.ok:
                self.token = reply.json()["token"]
                return
        raise AssertionError(reply.text)

    def call(self, case: Case, *, is_negative: bool) -> None:
        """Send an example and hold the answer against the document."""
        reply = case.call(
            base_url=self.url,
            session=self.session,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=TIMEOUT,
        )
        if case.operation.path.startswith("/auth/"):
            # It may have ended the session, or the account.
            self.sign_up()
        checks = [*CHECKS, negative_data_rejection] if is_negative else CHECKS
        case.validate_response(reply, checks=checks)
        self.statuses.add(reply.status_code)


def operations(url: str) -> Iterator[APIOperation]:
    document = requests.get(f"{url}/openapi.json", timeout=TIMEOUT).json()
    # Every example comes with a token; that none does without is tested for each route elsewhere.
    for methods in document["paths"].values():
        for described in methods.values():
            del described["security"]
    schema = schemathesis.openapi.from_dict(document)
    for result in schema.get_all_operations():
        operation = result.ok()
        produced = {
            media
            for response in operation.definition.raw["responses"].values()
            for media in response.get("content", ())
        }
        if not produced & STREAMS:
            yield operation


def examples(operation: APIOperation, mode: GenerationMode, call: Callable[[Case], None]) -> None:
    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def run(case: Case) -> None:
        call(case)

    run()


def drive(url: str, username: str) -> dict[str, set[int]]:
    """Send examples of every operation; return which statuses each has answered."""
    answered: dict[str, set[int]] = {}
    for operation in operations(url):
        caller = Caller(url, username)
        examples(operation, GenerationMode.POSITIVE, partial(caller.call, is_negative=False))
        # What takes every text, or nothing at all, cannot be given anything wrong.
        with suppress(Unsatisfiable):
            if has_input(operation):
                examples(operation, GenerationMode.NEGATIVE, partial(caller.call, is_negative=True))
        answered[operation.label] = caller.statuses
    return answered


def has_input(operation: APIOperation) -> bool:
    raw = operation.definition.raw
    return bool(raw.get("parameters") or raw.get("requestBody"))


async def test_every_answer_is_as_the_document_says(start_server: StartServer) -> None:
    name = f"caller-{secrets.token_hex(4)}"
    server = await start_server(AUTH_LOGIN_ATTEMPTS="0", AUTH_REGISTRATIONS="0", AUTH_REFRESHES="0")
    answered = await asyncio.to_thread(drive, server.url, name)
    # It was not all refusals.
    good = {label for label, statuses in answered.items() if any(status < 300 for status in statuses)}
    assert {"GET /auth/sessions", "GET /auth/account", "POST /rooms", "GET /health"} <= good
    assert server.complaints == []
