"""The HTTP side of accounts: /auth/… and the bearer token of all protected routes."""

from __future__ import annotations

import uuid
from collections.abc import Container

from aiohttp import web
from pydantic import Field

from api.address import client_address
from api.errors import CROSS_SITE_REQUEST, RATE_LIMITED
from api.models import Answer, Body, Parameters, Timestamp
from api.origin import refuse_cross_site
from api.routes import IDEMPOTENCY, Authentication, Routes, json_answer
from auth.credentials import Credentials, DeviceHeaders, NewAccount, NewPassword, OptionalDeviceHeaders
from auth.device import USER_AGENT_LENGTH, Device
from auth.errors import (
    ACCOUNT_NOT_FOUND,
    BUSY,
    DATABASE_FAULTS,
    INVALID_CREDENTIALS,
    INVALID_DEVICE_ID,
    INVALID_PASSWORD,
    INVALID_USERNAME,
    MISSING_DEVICE_ID,
    PASSWORD_TOO_COMMON,
    REFRESH_TOKEN_INVALID,
    REFRESH_TOKEN_REUSED,
    SESSION_NOT_FOUND,
    TOKEN_EXPIRED,
    TOKEN_INVALID,
    TOKEN_MISSING,
    USERNAME_RESERVED,
    USERNAME_TAKEN,
    WRONG_PASSWORD,
)
from auth.service import AuthService
from auth.sessions import SignedIn
from auth.tokens import AccessTokens, Identity, TokenError

SERVICE = web.AppKey("auth_service", AuthService)
TOKENS = web.AppKey("access_tokens", AccessTokens)
RESERVED = web.AppKey("reserved_usernames", Container[str])
IDENTITY = web.RequestKey("identity", Identity)

COOKIE = "refresh_token"
COOKIE_PATH = "/auth"


class SignedInAnswer(Answer):
    """Who is signed in, and the access token that speaks for them; the refresh token is in a cookie."""

    id: int = Field(description="the account's id", examples=[1])
    token: str = Field(description='for the header "Authorization: Bearer <token>"')
    username: str = Field(examples=["alice"])


class SessionAnswer(Answer):
    """A device on which the account is signed in."""

    id: str = Field(examples=["550e8400-e29b-41d4-a716-446655440000"])
    device_id: str | None = Field(description="the X-Device-ID that it signed in with")
    device: str | None = Field(description="what people call it", examples=["Firefox on Linux"])
    address: str | None = Field(description="the IP address that it was last seen at")
    created_at: Timestamp | None = Field(description="when it signed in")
    expires_at: Timestamp
    last_seen: Timestamp
    current: bool = Field(description="whether it is the one that asks")


class AccountAnswer(Answer):
    """An account."""

    id: int
    username: str = Field(examples=["alice"])
    created_at: Timestamp


class PasswordChange(Body):
    """A new password, and a proof that it is the owner who wants it."""

    current_password: str = Field(description="a string")
    new_password: NewPassword


class Deletion(Body):
    """A proof that it is the owner who wants it."""

    password: str = Field(description="a string")


class SessionPath(Parameters):
    """Which session."""

    session_id: uuid.UUID = Field(description="the id of a session")


class WhichSessions(Parameters):
    """Which sessions."""

    keep_current: bool = Field(False, description="true or false: whether the one that asks goes on")


async def require_identity(request: web.Request) -> Identity:
    """Return whom the request's bearer token (RFC 6750) speaks for. Raise ApiError 401."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TOKEN_MISSING('This needs the header "Authorization: Bearer <access token>".', CHALLENGE)
    try:
        identity = await identify_token(request, token.strip())
    except TokenError as exc:
        kind = TOKEN_EXPIRED if exc.code == "token_expired" else TOKEN_INVALID
        raise kind(str(exc), CHALLENGE) from None
    request[IDENTITY] = identity
    return identity


async def identify_token(request: web.Request, token: str) -> Identity:
    """Return whom an access token speaks for, if its session goes on. Raise TokenError.

    An app without accounts has no sessions to look at: there the signature alone decides.
    """
    identity = request.app[TOKENS].verify(token)
    service = request.app.get(SERVICE)
    if service is not None:
        await service.sessions.check(identity, client_address(request))
    return identity


CHALLENGE = {"WWW-Authenticate": "Bearer"}

ACCOUNT = Authentication(
    schemes={"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
    identify=require_identity,
    errors=(TOKEN_MISSING, TOKEN_INVALID, TOKEN_EXPIRED, *DATABASE_FAULTS),
)

routes = Routes("accounts", errors=DATABASE_FAULTS)


def setup(
    app: web.Application, service: AuthService, tokens: AccessTokens, reserved: Container[str] = ()
) -> None:
    """Add the routes to `app`. Nobody can register the names in `reserved`."""
    app[RESERVED] = reserved
    app[SERVICE] = service
    app[TOKENS] = tokens
    routes.add_to(app)


@routes.post(
    "/auth/register",
    answer=SignedInAnswer,
    errors=[
        INVALID_USERNAME,
        INVALID_PASSWORD,
        PASSWORD_TOO_COMMON,
        MISSING_DEVICE_ID,
        INVALID_DEVICE_ID,
        USERNAME_RESERVED,
        USERNAME_TAKEN,
        RATE_LIMITED,
        BUSY,
    ],
)
async def register(request: web.Request, *, headers: DeviceHeaders, body: NewAccount) -> web.Response:
    """Make an account and sign in.

    Sets the cookie `refresh_token`, which scripts cannot read.
    """
    if body.username in request.app[RESERVED]:
        raise USERNAME_RESERVED(f'The username "{body.username}" is reserved; choose another one.')
    return _signed_in(request, await request.app[SERVICE].register(body, _device(request, headers)))


@routes.post(
    "/auth/login",
    answer=SignedInAnswer,
    errors=[
        INVALID_USERNAME,
        INVALID_PASSWORD,
        MISSING_DEVICE_ID,
        INVALID_DEVICE_ID,
        INVALID_CREDENTIALS,
        RATE_LIMITED,
        BUSY,
    ],
)
async def login(request: web.Request, *, headers: DeviceHeaders, body: Credentials) -> web.Response:
    """Sign in on a device.

    Takes the place of the session that the device has. Sets the cookie `refresh_token`.
    """
    return _signed_in(request, await request.app[SERVICE].login(body, _device(request, headers)))


@routes.post(
    "/auth/refresh",
    answer=SignedInAnswer,
    errors=[REFRESH_TOKEN_INVALID, REFRESH_TOKEN_REUSED, CROSS_SITE_REQUEST, RATE_LIMITED],
)
async def refresh(request: web.Request) -> web.Response:
    """Get a new access token by the cookie `refresh_token`, which is exchanged for a new one.

    For 30 seconds the old cookie gives the same new one again. After that, its use ends the session, for both
    who may have it.
    """
    refuse_cross_site(request)
    token = request.cookies.get(COOKIE)
    return _signed_in(request, await request.app[SERVICE].refresh(token, client_address(request)))


@routes.post("/auth/logout", errors=[CROSS_SITE_REQUEST])
async def logout(request: web.Request) -> web.Response:
    """End the session of the cookie `refresh_token`, if there is one, and take the cookie away."""
    refuse_cross_site(request)
    await request.app[SERVICE].sessions.close(request.cookies.get(COOKIE))
    return _without_cookie(request)


@routes.get("/auth/account", authentication=ACCOUNT, errors=[ACCOUNT_NOT_FOUND])
async def account(request: web.Request, *, identity: Identity) -> AccountAnswer:
    """Tell who is signed in."""
    found = await request.app[SERVICE].account(identity)
    return AccountAnswer(id=found.id, username=found.username, created_at=found.created_at)


@routes.post(
    "/auth/password",
    authentication=ACCOUNT,
    errors=[PASSWORD_TOO_COMMON, WRONG_PASSWORD, ACCOUNT_NOT_FOUND, RATE_LIMITED, BUSY],
)
async def change_password(request: web.Request, *, identity: Identity, body: PasswordChange) -> None:
    """Change the password and end all other sessions."""
    await request.app[SERVICE].change_password(
        identity, body.current_password, body.new_password, client_address(request)
    )


@routes.post(
    "/auth/account/delete",
    authentication=ACCOUNT,
    errors=[WRONG_PASSWORD, ACCOUNT_NOT_FOUND, RATE_LIMITED, BUSY],
)
async def delete_account(request: web.Request, *, identity: Identity, body: Deletion) -> web.Response:
    """Delete the account with all that belongs to it, for good."""
    await request.app[SERVICE].delete(identity, body.password, client_address(request))
    request.app[IDEMPOTENCY].forget_account(identity.user_id)
    return _without_cookie(request)


@routes.get("/auth/sessions", authentication=ACCOUNT, errors=[INVALID_DEVICE_ID])
async def sessions(
    request: web.Request, *, identity: Identity, headers: OptionalDeviceHeaders
) -> list[SessionAnswer]:
    """List the devices on which the account is signed in, the last used first."""
    found = await request.app[SERVICE].sessions.of(identity, headers.device_id, request.cookies.get(COOKIE))
    return [
        SessionAnswer(
            id=session.id,
            device_id=session.device_id,
            device=session.device,
            address=session.address,
            created_at=session.created_at,
            expires_at=session.expires_at,
            last_seen=session.last_seen,
            current=session.current,
        )
        for session in found
    ]


@routes.delete("/auth/sessions", authentication=ACCOUNT)
async def delete_sessions(
    request: web.Request, *, identity: Identity, query: WhichSessions
) -> web.Response | None:
    """Sign out everywhere: end all sessions of the account."""
    await request.app[SERVICE].sessions.end_all(identity, keep_current=query.keep_current)
    return None if query.keep_current else _without_cookie(request)


@routes.delete("/auth/sessions/{sessionId}", authentication=ACCOUNT, errors=[SESSION_NOT_FOUND])
async def delete_session(request: web.Request, *, identity: Identity, path: SessionPath) -> None:
    """Sign a device out."""
    await request.app[SERVICE].sessions.end(identity, path.session_id)


def _device(request: web.Request, headers: DeviceHeaders) -> Device:
    user_agent = request.headers.get("User-Agent", "")[:USER_AGENT_LENGTH]
    # A header is bytes: what is no text must not reach a database.
    readable = "".join(character for character in user_agent if character.isprintable())
    return Device(headers.device_id, readable or None, client_address(request))


def _without_cookie(request: web.Request) -> web.Response:
    response = web.Response(status=204)
    response.del_cookie(COOKIE, path=COOKIE_PATH, secure=_is_https(request), httponly=True, samesite="Lax")
    return response


def _signed_in(request: web.Request, result: SignedIn) -> web.Response:
    request[IDENTITY] = result.identity
    identity = result.identity
    answer = SignedInAnswer(id=identity.user_id, token=result.access_token, username=identity.username)
    response = json_answer(answer)
    response.set_cookie(
        COOKIE,
        result.refresh_token,
        max_age=int(request.app[SERVICE].sessions.refresh_ttl.total_seconds()),
        path=COOKIE_PATH,
        secure=_is_https(request),
        httponly=True,
        samesite="Lax",
    )
    return response


def _is_https(request: web.Request) -> bool:
    # A proxy that terminates TLS says so; a forged header only makes the cookie stricter.
    forwarded = request.headers.get("X-Forwarded-Proto", "").partition(",")[0].strip().lower()
    return request.secure or forwarded == "https"
