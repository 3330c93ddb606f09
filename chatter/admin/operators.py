"""Who is an operator: accounts named in the settings."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from api.errors import ErrorKind
from api.routes import Authentication
from auth.http import ACCOUNT, require_identity
from auth.tokens import Identity

NOT_AN_OPERATOR = ErrorKind(403, "not_an_operator", "Only operators may do this")


class Operators:
    """The names of the accounts that may see and change everything; case does not matter, as in signing
    in."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(name.casefold() for name in names)

    def __contains__(self, username: object) -> bool:
        return isinstance(username, str) and username.casefold() in self._names

    def __bool__(self) -> bool:
        return bool(self._names)


OPERATORS = web.AppKey("operators", Operators)


async def require_operator(request: web.Request) -> Identity:
    """Return the operator that the bearer token speaks for. Raise ApiError 401 or 403."""
    identity = await require_identity(request)
    operators = request.app[OPERATORS]
    if identity.username not in operators:
        raise NOT_AN_OPERATOR(
            f'"{identity.username}" is not among the operators (ADMIN_OPERATORS, admin.operators).'
            if operators
            else "This server has no operators: name accounts in ADMIN_OPERATORS (admin.operators)."
        )
    return identity


OPERATOR = Authentication(
    schemes=ACCOUNT.schemes, identify=require_operator, errors=(*ACCOUNT.errors, NOT_AN_OPERATOR)
)
