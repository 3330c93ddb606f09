"""One attempt to deliver a message, by HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aiohttp import ClientError, ClientResponse, ClientSession, ClientSSLError, ClientTimeout, DummyCookieJar

from webhooks.retry import parse_retry_after
from webhooks.settings import Endpoint, WebhookSettings
from webhooks.signature import signed_headers

FailureReason = Literal["timeout", "connection", "tls", "status_3xx", "status_4xx", "status_5xx"]

# Bytes of an answer that are read, so that the connection can be used again; what is in them is ignored.
MAX_ANSWER_BYTES = 16 * 1024

# Who does not want to hear of anything any more (Standard Webhooks).
GONE = 410


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt."""

    failure: FailureReason | None = None
    """None: the message was delivered."""
    retry_after: float | None = None
    """Seconds that the receiver asks for."""
    gone: bool = False
    """It says that it is not to be sent again."""


class Sender:
    """Sends to any endpoint. It is an async context manager, whose end closes the connections."""

    def __init__(self, settings: WebhookSettings, user_agent: str) -> None:
        self._settings = settings
        self._user_agent = user_agent
        self._http: ClientSession | None = None

    async def __aenter__(self) -> Sender:
        self._http = ClientSession(
            timeout=ClientTimeout(total=self._settings.timeout),
            headers={"User-Agent": self._user_agent, "Content-Type": "application/json"},
            cookie_jar=DummyCookieJar(),
            # A small answer may unpack to a large one.
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        assert self._http is not None
        await self._http.close()

    async def send(self, endpoint: Endpoint, message_id: str, body: str, timestamp: int) -> Outcome:
        """Make one attempt. `timestamp` is seconds since 1970. Raises nothing that networks bring about."""
        assert self._http is not None
        headers = signed_headers(self._settings.keys, message_id, timestamp, body)
        try:
            async with self._http.post(
                endpoint.url, data=body.encode(), headers=headers, allow_redirects=False
            ) as answer:
                await _drain(answer)
                return _outcome(answer)
        except TimeoutError:
            return Outcome("timeout")
        except ClientSSLError:
            return Outcome("tls")
        except (ClientError, OSError):
            return Outcome("connection")


async def _drain(answer: ClientResponse) -> None:
    """Read what is short; the status counts whatever becomes of the rest."""
    left = MAX_ANSWER_BYTES
    try:
        while left > 0 and (chunk := await answer.content.read(left)):
            left -= len(chunk)
    except (TimeoutError, ClientError, OSError):
        left = 0
    if left <= 0:
        answer.close()


def _outcome(answer: ClientResponse) -> Outcome:
    match answer.status // 100:
        case 2:
            return Outcome()
        case 3:
            return Outcome("status_3xx")
        case 4:
            asked = parse_retry_after(answer.headers.get("Retry-After"))
            return Outcome("status_4xx", asked, gone=answer.status == GONE)
        case _:
            return Outcome("status_5xx", parse_retry_after(answer.headers.get("Retry-After")))
