"""Routes that say what they take and give: requests are checked by it, and the API is described by it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, get_args, get_type_hints

from aiohttp import web
from pydantic import BaseModel, TypeAdapter

from api.errors import (
    BODY_TOO_LARGE,
    BODY_TOO_SLOW,
    INVALID_BODY,
    INVALID_JSON,
    INVALID_REQUEST,
    UNSUPPORTED_MEDIA_TYPE,
    ErrorKind,
)
from api.idempotency import ERRORS as IDEMPOTENCY_ERRORS
from api.idempotency import IdempotencyHeaders, IdempotencyKeys, Kept, fingerprint_of
from api.validation import aliases, read_json, read_texts

H = TypeVar("H", bound=Callable[..., Awaitable[Any]])

# Bytes of a body, where a route does not say otherwise.
MAX_BODY_BYTES = 16 * 1024

# Seconds that a body may take; all of them are small.
BODY_LIMIT = 10.0

JSON = "application/json"

IDEMPOTENCY = web.AppKey("idempotency_keys", IdempotencyKeys)


@dataclass(frozen=True)
class Authentication:
    """Who may call: checked before anything else of a request is looked at."""

    schemes: Mapping[str, Mapping[str, object]]
    """OpenAPI Security Schemes by name; one of them is enough."""
    identify: Callable[[web.Request], Awaitable[Any]]
    """Returns what the handler gets as `identity`. Raises ApiError."""
    errors: Sequence[ErrorKind]


@dataclass(frozen=True)
class Operation:
    """One method on one path."""

    method: str
    path: str
    tag: str
    handler: Callable[..., Awaitable[Any]]
    status: int
    answer: Any
    """The model of the answer, `list[model]`, or None for an answer without a body."""
    own_errors: Sequence[ErrorKind]
    authentication: Authentication | None
    takes_identity: bool
    models: Mapping[str, type[BaseModel]]
    """`body`, `path`, `query` and `headers`, as far as the handler takes them."""
    default_body: BaseModel | None
    """What an empty body stands for; None where there must be one."""
    max_body: int
    media_type: str = JSON
    idempotent: bool = False
    """Whether it takes an Idempotency-Key."""

    @property
    def errors(self) -> list[ErrorKind]:
        """All refusals of it, by status and code."""
        kinds = {kind.code: kind for kind in self.own_errors}
        if self.authentication is not None:
            kinds |= {kind.code: kind for kind in self.authentication.errors}
        if self.idempotent:
            kinds |= {kind.code: kind for kind in IDEMPOTENCY_ERRORS}
        if self.models:
            kinds[INVALID_REQUEST.code] = INVALID_REQUEST
        if "body" in self.models:
            common = (INVALID_JSON, INVALID_BODY, BODY_TOO_SLOW, BODY_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE)
            kinds |= {kind.code: kind for kind in common}
        return sorted(kinds.values(), key=lambda kind: (kind.status, kind.code))

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Check the request, call the handler, and answer with what it returns. Raise ApiError."""
        arguments: dict[str, Any] = {}
        kinds = {kind.code: kind for kind in self.own_errors}
        identity: Any = None
        if self.authentication is not None:
            identity = await self.authentication.identify(request)
            if self.takes_identity:
                arguments["identity"] = identity
        if (model := self.models.get("path")) is not None:
            arguments["path"] = read_texts(request.match_info, model, "path", kinds)
        if (model := self.models.get("query")) is not None:
            query = {key: request.query.getone(key) for key in request.query}
            arguments["query"] = read_texts(query, model, "query", kinds)
        if (model := self.models.get("headers")) is not None:
            names = (alias for _, alias, _ in aliases(model))
            headers = {name: request.headers[name] for name in names if name in request.headers}
            arguments["headers"] = read_texts(headers, model, "header", kinds)
        if (model := self.models.get("body")) is not None:
            arguments["body"] = await self._body(request, model, kinds)
        if self.idempotent:
            key = arguments.pop("headers").idempotency_key
            if key is not None:
                return await self._once(request, (identity.user_id, key), arguments)
        return self._respond(await self.handler(request, **arguments))

    async def _once(
        self, request: web.Request, name: tuple[int, str], arguments: dict[str, Any]
    ) -> web.StreamResponse:
        keys = request.app[IDEMPOTENCY]
        clock = asyncio.get_running_loop().time
        body = arguments["body"].model_dump_json() if "body" in arguments else ""
        entry = keys.begin(name, fingerprint_of(self.method, request.path, body), clock())
        if entry.kept is not None:
            return self._respond(entry.kept.response())
        try:
            response = self._respond(await self.handler(request, **arguments))
            assert isinstance(response, web.Response)
            assert isinstance(response.body, bytes)
        except BaseException:
            keys.abandon(entry)
            raise
        keys.finish(entry, Kept(response.status, response.body, response.content_type), clock())
        return response

    async def _body(
        self, request: web.Request, model: type[BaseModel], kinds: Mapping[str, ErrorKind]
    ) -> BaseModel:
        too_large = BODY_TOO_LARGE(f"The body must be at most {self.max_body} bytes long.")
        is_json = request.content_type == JSON
        # A declared length spares the reading; an undeclared one is met by the app's own limit.
        if (request.content_length or 0) > self.max_body:
            raise too_large
        if not is_json and (self.default_body is None or request.body_exists):
            raise UNSUPPORTED_MEDIA_TYPE(f'The body must be "{JSON}", not "{request.content_type}".')
        try:
            async with asyncio.timeout(BODY_LIMIT):
                raw = await request.read()
        except TimeoutError:
            # What comes of it later must not be read as the next request.
            raise BODY_TOO_SLOW(
                f"The body must come within {BODY_LIMIT:g} s.", {"Connection": "close"}
            ) from None
        if len(raw) > self.max_body:
            raise too_large
        if self.default_body is not None and not raw.strip():
            return self.default_body
        return read_json(raw, model, kinds)

    def _respond(self, answer: Any) -> web.StreamResponse:
        if isinstance(answer, web.StreamResponse):
            response = answer
        elif answer is None:
            response = web.Response(status=204)
        else:
            response = json_answer(answer, self.answer, self.status)
        if not response.prepared:
            response.headers.setdefault("Cache-Control", "no-store")
        return response


def json_answer(answer: Any, model: Any = None, status: int = 200) -> web.Response:
    """Return `answer`, a model or a list of them, as JSON; for handlers that set cookies or headers."""
    text = TypeAdapter(model or type(answer)).dump_json(answer, by_alias=True, exclude_none=False)
    return web.Response(body=text, status=status, content_type=JSON, charset="utf-8")


OPERATIONS = web.AppKey("api_operations", Sequence[Operation])


@dataclass
class Routes:
    """A table of routes, filled by its decorators.

        routes = Routes("rooms", errors=[DATABASE_UNAVAILABLE])

        @routes.post("/rooms", status=201, authentication=ACCOUNT, errors=[TOO_MANY_ROOMS])
        async def create_room(request: web.Request, *, identity: Identity, body: NewRoom) -> RoomAnswer:
            \"\"\"Make a room.\"\"\"

    The handler takes what it names of `identity`, `path`, `query`, `headers` and `body`, each annotated with
    a model; a body with a default may be left out by the client. It returns a model, a list of models, None
    (204) or a response, whose model is then given as `answer`. Its docstring describes it to clients.
    """

    tag: str
    errors: Sequence[ErrorKind] = ()
    """Refusals of every route of the table."""
    operations: list[Operation] = field(default_factory=list)

    def get(self, path: str, **options: Any) -> Callable[[H], H]:
        """Declare a GET; for the options see `route`."""
        return self.route("GET", path, **options)

    def post(self, path: str, **options: Any) -> Callable[[H], H]:
        """Declare a POST; for the options see `route`."""
        return self.route("POST", path, **options)

    def put(self, path: str, **options: Any) -> Callable[[H], H]:
        """Declare a PUT; for the options see `route`."""
        return self.route("PUT", path, **options)

    def patch(self, path: str, **options: Any) -> Callable[[H], H]:
        """Declare a PATCH; for the options see `route`."""
        return self.route("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Callable[[H], H]:
        """Declare a DELETE; for the options see `route`."""
        return self.route("DELETE", path, **options)

    def route(
        self,
        method: str,
        path: str,
        *,
        status: int | None = None,
        answer: Any = None,
        authentication: Authentication | None = None,
        errors: Sequence[ErrorKind] = (),
        max_body: int = MAX_BODY_BYTES,
        media_type: str = JSON,
        idempotent: bool = False,
    ) -> Callable[[H], H]:
        """Declare a route. `errors` are the refusals that are its own; an `idempotent` one is done once for
        each Idempotency-Key, and answers with a body.

        Raises TypeError for a handler that is none.
        """

        def declare(handler: H) -> H:
            models, default_body = _parameters(handler, authentication)
            if idempotent:
                if "headers" in models or authentication is None:
                    raise TypeError(f"{handler.__qualname__} is idempotent: it takes an identity, no headers")
                models["headers"] = IdempotencyHeaders
            returned = get_type_hints(handler)["return"]
            if returned is type(None) or _is_response(returned):
                returned = answer
            self.operations.append(
                Operation(
                    method=method,
                    path=path,
                    tag=self.tag,
                    handler=handler,
                    status=status or (200 if returned is not None else 204),
                    answer=returned,
                    own_errors=(*self.errors, *errors),
                    authentication=authentication,
                    takes_identity="identity" in inspect.signature(handler).parameters,
                    models=models,
                    default_body=default_body,
                    max_body=max_body,
                    media_type=media_type,
                    idempotent=idempotent,
                )
            )
            return handler

        return declare

    def add_to(self, app: web.Application) -> None:
        """Serve the routes in `app`."""
        if IDEMPOTENCY not in app:
            app[IDEMPOTENCY] = IdempotencyKeys()
        for operation in self.operations:
            if operation.method == "GET":
                app.router.add_get(operation.path, operation.serve)
            else:
                app.router.add_route(operation.method, operation.path, operation.serve)
        app[OPERATIONS] = [*app.get(OPERATIONS, []), *self.operations]


def _is_response(returned: Any) -> bool:
    return any(
        isinstance(option, type) and issubclass(option, web.StreamResponse)
        for option in (returned, *get_args(returned))
    )


def _parameters(
    handler: Callable[..., Any], authentication: Authentication | None
) -> tuple[dict[str, type[BaseModel]], BaseModel | None]:
    name = handler.__qualname__
    if not inspect.getdoc(handler):
        raise TypeError(f"{name} has no docstring, which describes it to clients")
    hints = get_type_hints(handler)
    models: dict[str, type[BaseModel]] = {}
    default_body = None
    for parameter in list(inspect.signature(handler).parameters.values())[1:]:
        if parameter.name == "identity":
            if authentication is None:
                raise TypeError(f"{name} takes an identity and has no authentication")
            continue
        if parameter.name not in ("path", "query", "headers", "body"):
            raise TypeError(f"{name} takes {parameter.name}: known are identity, path, query, headers, body")
        models[parameter.name] = hints[parameter.name]
        if parameter.name == "body" and parameter.default is not inspect.Parameter.empty:
            default_body = parameter.default
    return models, default_body
