"""The pages of the web client and the static files behind them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import aiohttp_jinja2
import jinja2
from aiohttp import web

HERE = Path(__file__).parent
STATIC = HERE / "static"

# As in docs/protocol.md; checked here too, so that a mistyped link gets a page and not a failed connection.
ROOM_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

# Everything comes from this origin and nothing is inline. WebSockets are named with the host because some
# browsers do not count them to 'self'.
_POLICY = (
    "default-src 'self'; connect-src 'self' ws://{host} wss://{host}; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_PERMISSIONS = "camera=(self), microphone=(self), display-capture=(self), speaker-selection=(self)"
_HOST = re.compile(r"[A-Za-z0-9.:\[\]-]+")

# A module found without a type would not be run: the system's table of types is not relied on.
_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".png": "image/png",
}

_STATIC_BASE = web.AppKey("web_static_base", str)

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def setup(app: web.Application, *, version: str) -> None:
    """Add ``/``, ``/signin``, ``/register``, ``/account``, ``/admin``,
    ``/r/{roomId}``, ``/static/…`` and a 404 page to an application.

    ``version`` (for example ``0.1.0``) and the content of the files make the address of the static files,
    which browsers may therefore keep for ever.
    """
    files = _read(STATIC)
    tag = f"{version}-{_digest(files)}"
    base = f"/static/{tag}"
    app[_STATIC_BASE] = base
    environment = aiohttp_jinja2.setup(
        app, loader=jinja2.FileSystemLoader(HERE / "templates"), undefined=jinja2.StrictUndefined
    )
    environment.globals.update(static=base, version=version)
    app.middlewares.append(_not_found)
    app.router.add_get("/", _page("lobby.html"))
    app.router.add_get("/signin", _page("signin.html", mode="signin"))
    app.router.add_get("/register", _page("signin.html", mode="register"))
    app.router.add_get("/account", _page("account.html"))
    app.router.add_get("/admin", _page("admin.html"))
    app.router.add_get("/r/{roomId}", _room)
    app.router.add_get("/static/{path:.+}", _static(files, tag))
    app.router.add_get("/favicon.ico", _favicon)


def _read(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.suffix in _TYPES)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _digest(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in files.items():
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:10]


def _page(template: str, **context: str) -> _Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return render(template, request, context)

    return handler


async def _room(request: web.Request) -> web.StreamResponse:
    room_id = request.match_info["roomId"]
    if not ROOM_ID.fullmatch(room_id):
        return render("not-found.html", request, {"reason": "room"}, status=404)
    return render("call.html", request, {"room_id": room_id})


def render(
    template: str, request: web.Request, context: Mapping[str, object], *, status: int = 200
) -> web.StreamResponse:
    """Return the page, which may load from this server alone and runs nothing inline."""
    response = aiohttp_jinja2.render_template(template, request, context, status=status)
    host = request.host if _HOST.fullmatch(request.host) else "localhost"
    response.headers.update(
        {
            "Content-Security-Policy": _POLICY.format(host=host),
            "Permissions-Policy": _PERMISSIONS,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-cache",
        }
    )
    return response


def _static(files: dict[str, bytes], tag: str) -> _Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        prefix, _, rest = path.partition("/")
        # A page loaded before an update asks for files of its own version: it gets the new ones, unkept.
        versioned = re.fullmatch(r"\d[\w.+]*-[0-9a-f]{10}", prefix) is not None
        name = rest if versioned else path
        content = files.get(name)
        if content is None:
            raise web.HTTPNotFound(text=f"There is no static file {name!r}.")
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable" if prefix == tag else "no-cache",
            "ETag": f'"{tag}"',
            "X-Content-Type-Options": "nosniff",
        }
        if any(etag.value == tag for etag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        response = web.Response(body=content, headers=headers)
        response.content_type = _TYPES[Path(name).suffix]
        if response.content_type != "image/png":
            response.charset = "utf-8"
            response.enable_compression()
        return response

    return handler


async def _favicon(request: web.Request) -> web.StreamResponse:
    raise web.HTTPMovedPermanently(f"{request.app[_STATIC_BASE]}/favicon.svg")


@web.middleware
async def _not_found(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Show people a page where programs get a plain 404."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        if request.method != "GET" or "text/html" not in request.headers.get("Accept", ""):
            raise
        return render("not-found.html", request, {"reason": "page"}, status=404)
