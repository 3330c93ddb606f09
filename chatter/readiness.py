"""GET /ready: whether to send people here. GET /health says only that the process lives."""

from __future__ import annotations

import asyncio
import logging
from typing import Literal

from aiohttp import web
from sqlalchemy import text

from api.models import Answer
from api.routes import Routes
from auth.database import Database
from auth.errors import DATABASE_UNAVAILABLE
from chatter.database_url import DATABASE_ERRORS
from chatter.drain import Drain
from signaling.http import SERVER_DRAINING

DATABASE_LIMIT = 2.0
"""Seconds that the database may take to answer."""

# Asked every few seconds: whoever asks next is to see what is the case then.
RETRY_SOON = {"Retry-After": "5", "Cache-Control": "no-store"}

WHAT_IS_ASKED = web.AppKey("readiness", tuple[Database, Drain])

LOG = logging.getLogger(__name__)

routes = Routes("server", errors=[SERVER_DRAINING, DATABASE_UNAVAILABLE])


class ReadyAnswer(Answer):
    """Calls can be begun here."""

    status: Literal["ready"]


def setup(app: web.Application, database: Database, drain: Drain) -> None:
    """Add the route to `app`."""
    app[WHAT_IS_ASKED] = (database, drain)
    routes.add_to(app)


@routes.get("/ready")
async def ready(request: web.Request) -> ReadyAnswer:
    """Tell whether calls can be begun here; for load balancers."""
    database, drain = request.app[WHAT_IS_ASKED]
    if drain.begun:
        raise SERVER_DRAINING("The server is about to restart and opens no new rooms.", RETRY_SOON)
    try:
        async with asyncio.timeout(DATABASE_LIMIT), database.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except DATABASE_ERRORS as error:
        LOG.warning("The database does not answer", extra={"error": type(error).__name__})
        raise DATABASE_UNAVAILABLE("The database does not answer.", RETRY_SOON) from None
    return ReadyAnswer(status="ready")
