"""Requests to one server: signed, repeated where that is safe, and answered with a value or an exception."""

from __future__ import annotations

import asyncio
import json
import secrets
import ssl
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
from pydantic import TypeAdapter, ValidationError
from yarl import URL

from bots.client.retry import TOO_MANY_REQUESTS, Attempt, Retries, retry_after
from bots.errors import (
    AddressInvalid,
    ApiProblem,
    BotError,
    FieldProblem,
    ProtocolViolated,
    ServerUnreachable,
)

T = TypeVar("T")

# Bytes of an answer; the largest, the figures of a full room, is a tenth of it.
MAX_ANSWER_BYTES = 16 * 1024 * 1024

# Safe or idempotent (RFC 9110 section 9.2.2).
IDEMPOTENT_METHODS = frozenset({"GET", "PUT", "DELETE"})


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of the server."""

    method: str
    path: str
    body: Mapping[str, object] | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    authenticated: bool = True
    repeatable: bool | None = None
    """Whether doing it twice is as good as once; None: as its method says."""

    @property
    def may_repeat(self) -> bool:
        """Whether it may be sent again although it may have been done."""
        return self.method in IDEMPOTENT_METHODS if self.repeatable is None else self.repeatable


def once(path: str, body: Mapping[str, object]) -> Request:
    """Return a POST that the server does once, however often it is sent."""
    return Request("POST", path, body, headers={"Idempotency-Key": str(uuid.uuid4())}, repeatable=True)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    lost: bool = False
    """Whether an answer before it got lost: aiohttp itself sends again once."""


def path_of(*segments: str) -> str:
    """Return the path of these segments, each as it is. Raise ValueError for one that cannot be one."""
    for segment in segments:
        if segment in ("", ".", ".."):
            raise ValueError(f"{segment!r} is no id")
    return "/" + "/".join(quote(segment, safe="") for segment in segments)


class Connection:
    """A server, and the account or API key that requests are made with."""

    def __init__(
        self,
        server: str,
        *,
        token: str | None,
        timeout: float,
        retries: Retries,
        ssl: ssl.SSLContext | bool,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Raises AddressInvalid."""
        try:
            self.server = URL(server).origin()
        except ValueError as error:
            raise AddressInvalid(f"{server!r} is no server: expected http(s)://host[:port]") from error
        if self.server.scheme not in ("http", "https"):
            raise AddressInvalid(f"{server!r} is no server: expected http(s)://host[:port]")
        self.token = token
        self.renew: Callable[[], Awaitable[object]] | None = None
        """Gets a new access token; set while the client is signed in to an account."""
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._retries = retries
        self._ssl = ssl
        self._sleep = sleep
        self._session: aiohttp.ClientSession | None = None
        self._renewing = asyncio.Lock()

    async def open(self) -> None:
        """Get ready to send."""
        # Cookies of servers without a name too, as in http://127.0.0.1:8080.
        jar = aiohttp.CookieJar(unsafe=True)
        self._session = aiohttp.ClientSession(timeout=self._timeout, cookie_jar=jar)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(self, request: Request, answer: type[T]) -> T:
        """Send a request and return its answer as `answer`.

        Raises ApiProblem, ServerUnreachable, and ProtocolViolated for an answer of another form.
        """
        reply = await self._answered(request)
        try:
            return TypeAdapter(answer).validate_json(reply.body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise ProtocolViolated(
                f"{request.method} {request.path} was answered with something else: {where}: {first['msg']}"
            ) from None

    async def do(self, request: Request) -> None:
        """Send a request that is answered without a body. Raises ApiProblem and ServerUnreachable."""
        await self._answered(request)

    async def _answered(self, request: Request) -> Reply:
        token = self.token
        try:
            return await self._repeated(request, token)
        except ApiProblem as problem:
            if problem.code != "token_expired" or not request.authenticated or self.renew is None:
                raise
            # A request that is refused for its token has done nothing.
            async with self._renewing:
                if self.token == token:
                    await self.renew()
            return await self._repeated(request, self.token)

    async def _repeated(self, request: Request, token: str | None) -> Reply:
        number, lost = 1, False
        while True:
            outcome = await self._attempt(request, token, number)
            if isinstance(outcome, Reply):
                return outcome
            attempt, error = outcome
            lost = lost or attempt.lost
            if lost and request.method == "DELETE" and attempt.status == 404:
                # It was done by an attempt whose answer got lost.
                return Reply(204, {}, b"")
            wait = self._retries.wait(
                attempt, repeatable=request.may_repeat, chance=secrets.randbelow(1000) / 1000
            )
            if wait is None:
                raise error
            lost = lost or (attempt.sent and attempt.status != TOO_MANY_REQUESTS)
            await self._sleep(wait)
            number += 1

    async def _attempt(
        self, request: Request, token: str | None, number: int
    ) -> Reply | tuple[Attempt, BotError]:
        try:
            reply = await self._send(request, token)
        except aiohttp.ClientConnectorError as error:
            return Attempt(number, None, sent=False), ServerUnreachable(
                f"{self.server} cannot be reached: {error}", sent=False
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            return Attempt(number, None), ServerUnreachable(
                f"{request.method} {request.path} at {self.server} was not answered: {error or 'timeout'}",
                sent=True,
            )
        if 200 <= reply.status < 300:
            return reply
        problem = problem_of(reply, request, datetime.now(UTC))
        return Attempt(number, reply.status, problem.retry_after, lost=reply.lost), problem

    async def _send(self, request: Request, token: str | None) -> Reply:
        if self._session is None:
            raise RuntimeError("The client is not open: use it as `async with Client(…) as client`.")
        headers = dict(request.headers)
        sent = 0

        async def count(
            request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            nonlocal sent
            sent += 1
            return await send(request)

        if request.authenticated and token is not None:
            headers["Authorization"] = f"Bearer {token}"
        async with self._session.request(
            request.method,
            URL(f"{self.server}{request.path}", encoded=True).with_query(dict(request.query)),
            headers=headers,
            json=request.body,
            ssl=self._ssl,
            # A token is for this server alone, and a POST must not become a GET.
            allow_redirects=False,
            middlewares=(count,),
        ) as reply:
            body = bytearray()
            async for chunk in reply.content.iter_any():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise ProtocolViolated(
                        f"{request.method} {request.path} was answered with over {MAX_ANSWER_BYTES} bytes"
                    )
            return Reply(reply.status, reply.headers.copy(), bytes(body), lost=sent > 1)


def problem_of(reply: Reply, request: Request, now: datetime) -> ApiProblem:
    """Return a refusal as an exception; what is no problem details gets the code `http_error`."""
    wait = retry_after(reply.headers.get("Retry-After"), now)
    what = f"{request.method} {request.path} was answered with HTTP {reply.status}"
    if 300 <= reply.status < 400:
        what += f", a redirection to {reply.headers.get('Location', 'nowhere')}: use that server's address"
    try:
        found: Any = json.loads(reply.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("code"), str):
        return ApiProblem(reply.status, "http_error", what, retry_after=wait)
    listed = found.get("errors")
    errors = [
        FieldProblem(str(each.get("pointer", "")), str(each.get("detail", "")))
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, dict)
    ]
    return ApiProblem(
        reply.status,
        found["code"],
        str(found.get("detail", what)),
        about=str(found.get("type", "about:blank")),
        title=str(found.get("title", "")),
        errors=errors,
        retry_after=wait,
    )
