"""What a client of accounts may be refused for."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.typedefs import Handler

from api.errors import ErrorKind
from auth.database_faults import DatabaseFullError, DatabaseUnavailableError

LOG = logging.getLogger(__name__)

INVALID_USERNAME = ErrorKind(400, "invalid_username", "The username is not allowed")
INVALID_PASSWORD = ErrorKind(400, "invalid_password", "The password is not allowed")
PASSWORD_TOO_COMMON = ErrorKind(
    400, "password_too_common", "The password is among those that are tried first"
)
MISSING_DEVICE_ID = ErrorKind(400, "missing_device_id", "The device does not say which one it is")
INVALID_DEVICE_ID = ErrorKind(400, "invalid_device_id", "The id of the device is not allowed")
INVALID_CREDENTIALS = ErrorKind(401, "invalid_credentials", "The username or the password is wrong")
REFRESH_TOKEN_INVALID = ErrorKind(401, "refresh_token_invalid", "The session has ended")
REFRESH_TOKEN_REUSED = ErrorKind(401, "refresh_token_reused", "The session's token was used twice")
TOKEN_MISSING = ErrorKind(401, "token_missing", "An access token is needed")
TOKEN_INVALID = ErrorKind(401, "token_invalid", "The access token is not valid")
TOKEN_EXPIRED = ErrorKind(401, "token_expired", "The access token has expired")
USERNAME_RESERVED = ErrorKind(403, "username_reserved", "The username is reserved")
WRONG_PASSWORD = ErrorKind(403, "wrong_password", "The current password is wrong")
ACCOUNT_NOT_FOUND = ErrorKind(404, "account_not_found", "The account has been deleted")
SESSION_NOT_FOUND = ErrorKind(404, "session_not_found", "The account has no such session")
USERNAME_TAKEN = ErrorKind(409, "username_taken", "The username is taken")
BUSY = ErrorKind(503, "busy", "Too many people are signing in")
DATABASE_UNAVAILABLE = ErrorKind(503, "database_unavailable", "The database cannot be reached")

DATABASE_FULL = ErrorKind(507, "database_full", "The database's disk is full")
DATABASE_FAULTS = (DATABASE_UNAVAILABLE, DATABASE_FULL)


@web.middleware
async def database_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell the client that the database is away, and the operator why."""
    try:
        return await handler(request)
    except DatabaseFullError as exc:
        LOG.error("The database's disk is full", extra={"reason": str(exc), "path": request.path})
        message = "The server has no room left to keep this; try again later."
        raise DATABASE_FULL(message, {"Retry-After": "60"}) from None
    except DatabaseUnavailableError as exc:
        LOG.error("The database is unavailable", extra={"reason": str(exc), "path": request.path})
        message = "The server cannot reach its database; try again in a few seconds."
        raise DATABASE_UNAVAILABLE(message, {"Retry-After": "5"}) from None
