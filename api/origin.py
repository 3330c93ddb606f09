"""Which page a browser's request comes from: pages of other sites may not act in somebody's name."""

from __future__ import annotations

from collections.abc import Collection

from aiohttp import web
from yarl import URL

from api.errors import CROSS_SITE_REQUEST

ALLOWED_ORIGINS: web.AppKey[Collection[str]] = web.AppKey("allowed_origins", Collection)
"""Origins of other sites whose pages may call; `*` stands for all, but never with a cookie."""

# Sec-Fetch-Site of a request that no other site has caused (W3C Fetch Metadata, section 2.3).
_OWN = frozenset({"same-origin", "none"})


def refuse_cross_site(request: web.Request) -> None:
    """Raise ApiError 403 if a browser sends `request`, which a cookie speaks for, for a page of another site.

    SameSite keeps the cookie from other sites, but not from other origins of the same site (other subdomains
    and ports). Clients that are no browsers send neither header.
    """
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if origin is not None and is_listed(origin, request.app.get(ALLOWED_ORIGINS, ())):
        return
    # Browsers write Sec-Fetch-Site themselves, so it goes first; a proxy may have changed Host.
    own = site.lower() in _OWN if site is not None else origin is None or is_same_host(origin, request.host)
    if not own:
        page = "another site" if origin is None else origin[:200]
        raise CROSS_SITE_REQUEST(f"Pages of {page} may not do this; add it to SERVER_CORS_ORIGINS.")


def is_same_host(origin: str, host: str) -> bool:
    """Whether a page of `origin` (RFC 6454) was served by the server that the Host header names."""
    try:
        page = URL(origin)
        # A Host header without a port means the port of the scheme that the page was fetched by.
        server = URL.build(scheme=page.scheme, authority=host)
    except ValueError:
        return False
    return page.scheme in ("http", "https") and (page.host, page.port) == (server.host, server.port)


def is_listed(origin: str, allowed: Collection[str]) -> bool:
    """Whether `origin` is one of those that are allowed by name."""
    return origin.lower() in {known.lower().rstrip("/") for known in allowed}
