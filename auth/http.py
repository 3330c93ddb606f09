"""The HTTP side of accounts: /auth/… and the bearer token of all protected routes."""

from __future__ import annotations

from collections.abc import Container

from aiohttp import web
from pydantic import Field

from api.models import Answer, Timestamp
from api.routes import Authentication, Routes, json_answer
from auth.credentials import Credentials, DeviceHeaders, NewAccount, OptionalDeviceHeaders
from auth.errors import (
    BUSY,
    DATABASE_UNAVAILABLE,
    INVALID_CREDENTIALS,
    INVALID_DEVICE_ID,
    INVALID_PASSWORD,
    INVALID_USERNAME,
    MISSING_DEVICE_ID,
    REFRESH_TOKEN_INVALID,
    TOKEN_EXPIRED,
    TOKEN_INVALID,
    TOKEN_MISSING,
    USERNAME_RESERVED,
    USERNAME_TAKEN,
)
from auth.service import AuthService, SignedIn
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
    expires_at: Timestamp
    last_seen: Timestamp
    current: bool = Field(description="whether it is the one that asks")


async def require_identity(request: web.Request) -> Identity:
    """Return whom the request's bearer token (RFC 6750) speaks for. Raise ApiError 401."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise TOKEN_MISSING('This needs the header "Authorization: Bearer <access token>".', CHALLENGE)
    try:
        identity = request.app[TOKENS].verify(token.strip())
    except TokenError as exc:
        kind = TOKEN_EXPIRED if exc.code == "token_expired" else TOKEN_INVALID
        raise kind(str(exc), CHALLENGE) from None
    request[IDENTITY] = identity
    return identity


CHALLENGE = {"WWW-Authenticate": "Bearer"}

ACCOUNT = Authentication(
    schemes={"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
    identify=require_identity,
    errors=(TOKEN_MISSING, TOKEN_INVALID, TOKEN_EXPIRED),
)

routes = Routes("accounts", errors=[DATABASE_UNAVAILABLE])


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
        MISSING_DEVICE_ID,
        INVALID_DEVICE_ID,
        USERNAME_RESERVED,
        USERNAME_TAKEN,
        BUSY,
    ],
)
async def register(request: web.Request, *, headers: DeviceHeaders, body: NewAccount) -> web.Response:
    """Make an account and sign in.

    Sets the cookie `refresh_token`, which scripts cannot read.
    """
    if body.username in request.app[RESERVED]:
        raise USERNAME_RESERVED(f'The username "{body.username}" is reserved; choose another one.')
    result = await request.app[SERVICE].register(body, headers.device_id)
    return _signed_in(request, result)


@routes.post(
    "/auth/login",
    answer=SignedInAnswer,
    errors=[
        INVALID_USERNAME,
        INVALID_PASSWORD,
        MISSING_DEVICE_ID,
        INVALID_DEVICE_ID,
        INVALID_CREDENTIALS,
        BUSY,
    ],
)
async def login(request: web.Request, *, headers: DeviceHeaders, body: Credentials) -> web.Response:
    """Sign in on a device.

    Takes the place of the session that the device has. Sets the cookie `refresh_token`.
    """
    result = await request.app[SERVICE].login(body, headers.device_id)
    return _signed_in(request, result)


@routes.post("/auth/refresh", answer=SignedInAnswer, errors=[REFRESH_TOKEN_INVALID])
async def refresh(request: web.Request) -> web.Response:
    """Get a new access token by the cookie `refresh_token`, which is exchanged for a new one."""
    return _signed_in(request, await request.app[SERVICE].refresh(request.cookies.get(COOKIE)))


@routes.post("/auth/logout")
async def logout(request: web.Request) -> web.Response:
    """End the session of the cookie `refresh_token`, if there is one, and take the cookie away."""
    await request.app[SERVICE].logout(request.cookies.get(COOKIE))
    response = web.Response(status=204)
    response.del_cookie(COOKIE, path=COOKIE_PATH, secure=_is_https(request), httponly=True, samesite="Lax")
    return response


@routes.get("/auth/sessions", authentication=ACCOUNT, errors=[INVALID_DEVICE_ID])
async def sessions(
    request: web.Request, *, identity: Identity, headers: OptionalDeviceHeaders
) -> list[SessionAnswer]:
    """List the devices on which the account is signed in, the last used first."""
    found = await request.app[SERVICE].sessions(identity, headers.device_id, request.cookies.get(COOKIE))
    return [
        SessionAnswer(
            id=session.id,
            device_id=session.device_id,
            expires_at=session.expires_at,
            last_seen=session.last_seen,
            current=session.current,
        )
        for session in found
    ]


def _signed_in(request: web.Request, result: SignedIn) -> web.Response:
    request[IDENTITY] = result.identity
    identity = result.identity
    answer = SignedInAnswer(id=identity.user_id, token=result.access_token, username=identity.username)
    response = json_answer(answer)
    response.set_cookie(
        COOKIE,
        result.refresh_token,
        max_age=int(request.app[SERVICE].refresh_ttl.total_seconds()),
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
