"""The page that shows people what an OpenAPI document says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from web.pages import render

Json = Mapping[str, Any]

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Field:
    """A parameter, or a member of a body."""

    name: str
    kind: str
    required: bool
    description: str


@dataclass(frozen=True)
class Operation:
    """What one method of one address does."""

    id: str
    method: str
    path: str
    tag: str
    summary: str
    description: str
    security: str
    parameters: list[Field]
    body: list[Field]
    status: str
    answer: str
    answer_fields: list[Field]
    refusals: list[tuple[str, list[str]]]
    """Status and codes."""


def setup(app: web.Application, document: Json) -> None:
    """Add ``/docs``, which shows ``document`` (OpenAPI 3.1)."""
    operations = list(read(document))
    tags = list(dict.fromkeys(operation.tag for operation in operations))
    info = document["info"]
    context = {
        "info": info,
        "paragraphs": info["description"].split("\n\n"),
        "groups": [(tag, [op for op in operations if op.tag == tag]) for tag in tags],
        "errors": document["x-errors"],
    }

    async def page(request: web.Request) -> web.StreamResponse:
        return render("reference.html", request, context)

    app.router.add_get("/docs", page)


def read(document: Json) -> Iterator[Operation]:
    """Yield what the document says, by path and method."""
    schemas = document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield _operation(path, method, methods[method], schemas)


def _operation(path: str, method: str, described: Json, schemas: Json) -> Operation:
    responses = described["responses"]
    success = next(status for status in responses if status < "300")
    answer = _schema(responses[success])
    body = _schema(described.get("requestBody", {}))
    return Operation(
        id=described["operationId"],
        method=method.upper(),
        path=path,
        tag=described["tags"][0],
        summary=described["summary"],
        description=described.get("description", ""),
        security=" or ".join(name for each in described["security"] for name in each),
        parameters=[
            Field(
                each["name"], f"{each['in']}, {kind(each['schema'], schemas)}", each["required"], _says(each)
            )
            for each in described.get("parameters", ())
        ],
        body=list(fields(body, schemas)),
        status=success,
        answer=kind(answer, schemas) if answer else "no body",
        answer_fields=list(fields(answer, schemas)),
        refusals=[(status, each["x-codes"]) for status, each in responses.items() if "x-codes" in each],
    )


def fields(schema: Json, schemas: Json) -> Iterator[Field]:
    """Yield the members of an object, or of the objects of a list."""
    schema = _resolved(schema, schemas)
    if schema.get("type") == "array":
        schema = _resolved(schema["items"], schemas)
    required = schema.get("required", ())
    for name, inner in schema.get("properties", {}).items():
        yield Field(name, kind(inner, schemas), name in required, _says(inner))


def kind(schema: Json, schemas: Json) -> str:
    """Return the type in words: `list of string`, `string or null`."""
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " or ".join(kind(option, schemas) for option in options)
    schema = _resolved(schema, schemas)
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}), schemas)}"
    if schema.get("type") == "object":
        names = ", ".join(schema.get("properties", {}))
        return f"object {{{names}}}" if names else "object"
    return str(schema.get("format") or schema.get("type") or "anything")


def _resolved(schema: Json, schemas: Json) -> Json:
    reference = schema.get("$ref")
    return schema if reference is None else schemas[reference.rpartition("/")[2]]


def _schema(carrier: Json) -> Json:
    """Return the schema of the one media type of a body or response; empty where there is none."""
    schema: Json = {}
    for media in carrier.get("content", {}).values():
        schema = media["schema"]
    return schema


def _says(described: Json) -> str:
    return str(described.get("description", ""))
