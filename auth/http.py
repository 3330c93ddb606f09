"""The HTTP side of accounts: /auth/… and the bearer token of all protected routes."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from aiohttp import web

from auth.credentials import Credentials, check_device_id
from auth.errors import ApiError
from auth.service import AuthService, SignedIn
from auth.tokens import AccessTokens, Identity, TokenError

SERVICE = web.AppKey("auth_service", AuthService)
TOKENS = web.AppKey("access_tokens", AccessTokens)
IDENTITY = web.RequestKey("identity", Identity)

COOKIE = "refresh_token"
COOKIE_PATH = "/auth"

# Credentials are small.
MAX_BODY_BYTES = 16 * 1024

routes = web.RouteTableDef()


def setup(app: web.Application, service: AuthService, tokens: AccessTokens) -> None:
    """Add the routes to `app`."""
    app[SERVICE] = service
    app[TOKENS] = tokens
    app.add_routes(routes)


def require_identity(request: web.Request) -> Identity:
    """Return whom the request's bearer token (RFC 6750) speaks for. Raise ApiError 401."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise _unauthorized("token_missing", 'This needs the header "Authorization: Bearer <access token>".')
    try:
        identity = request.app[TOKENS].verify(token.strip())
    except TokenError as exc:
        raise _unauthorized(exc.code, str(exc)) from None
    request[IDENTITY] = identity
    return identity


@routes.post("/auth/register")
async def register(request: web.Request) -> web.Response:
    credentials, device_id = await _sign_in_request(request)
    return _signed_in(request, await request.app[SERVICE].register(credentials, device_id))


@routes.post("/auth/login")
async def login(request: web.Request) -> web.Response:
    credentials, device_id = await _sign_in_request(request)
    return _signed_in(request, await request.app[SERVICE].login(credentials, device_id))


@routes.post("/auth/refresh")
async def refresh(request: web.Request) -> web.Response:
    return _signed_in(request, await request.app[SERVICE].refresh(request.cookies.get(COOKIE)))


@routes.post("/auth/logout")
async def logout(request: web.Request) -> web.Response:
    await request.app[SERVICE].logout(request.cookies.get(COOKIE))
    response = web.Response(status=204)
    response.del_cookie(COOKIE, path=COOKIE_PATH, secure=_is_https(request), httponly=True, samesite="Lax")
    return response


@routes.get("/auth/sessions")
async def sessions(request: web.Request) -> web.Response:
    identity = require_identity(request)
    device_id, token = request.headers.get("X-Device-ID"), request.cookies.get(COOKIE)
    found = await request.app[SERVICE].sessions(identity, device_id, token)
    return web.json_response(
        [
            {
                "id": session.id,
                "deviceId": session.device_id,
                "expiresAt": _iso(session.expires_at),
                "lastSeen": _iso(session.last_seen),
                "current": session.current,
            }
            for session in found
        ]
    )


async def _sign_in_request(request: web.Request) -> tuple[Credentials, str]:
    body = await _json_body(request)
    return Credentials.parse(body), check_device_id(request.headers.get("X-Device-ID"))


async def _json_body(request: web.Request) -> Any:
    if request.content_type != "application/json":
        raise ApiError(
            415,
            "unsupported_media_type",
            f'The body must be "application/json", not "{request.content_type}".',
        )
    # A declared length spares the reading; an undeclared one is met by the app's own limit.
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise ApiError(413, "body_too_large", f"The body must be at most {MAX_BODY_BYTES} bytes long.")
    raw = await request.read()
    if len(raw) > MAX_BODY_BYTES:
        raise ApiError(413, "body_too_large", f"The body must be at most {MAX_BODY_BYTES} bytes long.")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise ApiError(400, "invalid_json", "The body is not valid JSON in UTF-8.") from None


def _signed_in(request: web.Request, result: SignedIn) -> web.Response:
    request[IDENTITY] = result.identity
    response = web.json_response(
        {"id": result.identity.user_id, "token": result.access_token, "username": result.identity.username},
        headers={"Cache-Control": "no-store"},
    )
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


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def _unauthorized(code: str, message: str) -> ApiError:
    return ApiError(401, code, message, {"WWW-Authenticate": "Bearer"})
