"""The OpenAPI document (OpenAPI 3.1), made of the models that check requests."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from api.errors import GENERAL, PROBLEM_JSON, ErrorKind
from api.models import Problem
from api.routes import Operation
from api.validation import aliases

VERSION = "3.1.0"
REF = "#/components/schemas/{model}"

Json = dict[str, Any]
Schemas = Mapping[tuple[type[BaseModel], JsonSchemaMode], Json]


def document(operations: Sequence[Operation], *, title: str, version: str, description: str) -> Json:
    """Return the document for `operations`."""
    used: dict[tuple[type[BaseModel], JsonSchemaMode], None] = {(Problem, "serialization"): None}
    for operation in operations:
        used |= dict.fromkeys(_used(operation))
    made, definitions = models_json_schema(list(used), ref_template=REF)
    schemas = {(model, mode): made[model, mode] for model, mode in used}
    paths: Json = {}
    schemes: Json = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
        if operation.authentication is not None:
            schemes |= {name: dict(scheme) for name, scheme in operation.authentication.schemes.items()}
    components = {name: _without_noise(schema) for name, schema in definitions.get("$defs", {}).items()}
    return {
        "openapi": VERSION,
        "info": {"title": title, "version": version, "description": description},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(components.items())), "securitySchemes": schemes},
        "x-errors": [
            {"code": kind.code, "status": kind.status, "title": kind.title} for kind in kinds_of(operations)
        ],
    }


def kinds_of(operations: Sequence[Operation]) -> list[ErrorKind]:
    """Return every kind of refusal that the API has, by its code."""
    kinds = {kind.code: kind for operation in operations for kind in operation.errors}
    return [kind for _, kind in sorted((kinds | {kind.code: kind for kind in GENERAL}).items())]


def _used(operation: Operation) -> Iterator[tuple[type[BaseModel], JsonSchemaMode]]:
    if "body" in operation.models:
        yield operation.models["body"], "validation"
    for place in ("path", "query", "headers"):
        if place in operation.models:
            yield operation.models[place], "validation"
    answer = _item(operation.answer)
    if answer is not None:
        yield answer, "serialization"


def _item(answer: Any) -> type[BaseModel] | None:
    """Return the model of an answer, also of one that is a list."""
    model: type[BaseModel] | None = get_args(answer)[0] if get_origin(answer) is list else answer
    return model


def _operation(operation: Operation, schemas: Schemas) -> Json:
    summary, _, description = (inspect.getdoc(operation.handler) or "").partition("\n")
    described: Json = {
        "operationId": _operation_id(operation),
        "tags": [operation.tag],
        "summary": summary.rstrip("."),
    }
    if description.strip():
        described["description"] = description.strip()
    parameters = [
        parameter
        for place, model in operation.models.items()
        if place != "body"
        for parameter in _parameters(place, model)
    ]
    if parameters:
        described["parameters"] = parameters
    if "body" in operation.models:
        described["requestBody"] = {
            "required": operation.default_body is None,
            "content": {"application/json": {"schema": schemas[operation.models["body"], "validation"]}},
        }
    described["responses"] = _responses(operation, schemas)
    # An empty requirement list would be the document's; none is needed here.
    described["security"] = (
        [] if operation.authentication is None else [{name: []} for name in operation.authentication.schemes]
    )
    return described


def _operation_id(operation: Operation) -> str:
    """Return a name that stays when the code is moved: register, deleteSession."""
    head, *rest = operation.handler.__name__.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _parameters(place: str, model: type[BaseModel]) -> Iterator[Json]:
    schema = model.model_json_schema(ref_template=REF)
    for _, alias, field in aliases(model):
        own = _without_noise(schema["properties"][alias])
        own.pop("title", None)
        parameter: Json = {
            "name": alias,
            "in": "header" if place == "headers" else place,
            "required": field.is_required(),
        }
        if field.description:
            parameter["description"] = own.pop("description", field.description)
        yield {**parameter, "schema": _not_null(own)}


def _not_null(schema: Json) -> Json:
    """Return the schema without null: a parameter is there or is absent."""
    options = [option for option in schema.get("anyOf", []) if option.get("type") != "null"]
    if len(options) != 1:
        return schema
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return {**rest, **options[0]}


def _responses(operation: Operation, schemas: Schemas) -> Json:
    responses: Json = {str(operation.status): _success(operation, schemas)}
    by_status: dict[int, list[ErrorKind]] = {}
    for kind in operation.errors:
        by_status.setdefault(kind.status, []).append(kind)
    for status, kinds in by_status.items():
        responses[str(status)] = {
            "description": "; ".join(f"`{kind.code}`: {kind.title}" for kind in kinds),
            "x-codes": [kind.code for kind in kinds],
            "content": {
                PROBLEM_JSON: {
                    "schema": {
                        "allOf": [
                            {"$ref": REF.format(model=Problem.__name__)},
                            {"properties": {"code": {"enum": [kind.code for kind in kinds]}}},
                        ]
                    }
                }
            },
        }
    return responses


def _success(operation: Operation, schemas: Schemas) -> Json:
    model = _item(operation.answer)
    if model is None:
        return {"description": "Done"}
    schema = schemas[model, "serialization"]
    if operation.answer is not model:
        schema = {"type": "array", "items": schema}
    description = (inspect.getdoc(model) or "The answer").partition("\n")[0]
    return {"description": description, "content": {operation.media_type: {"schema": schema}}}


def _without_noise(schema: Any) -> Any:
    """Return the schema without the titles that repeat the names of its properties."""
    if isinstance(schema, list):
        return [_without_noise(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    cleaned = {key: _without_noise(value) for key, value in schema.items()}
    properties = schema.get("properties")
    for name, inner in (cleaned.get("properties") or {}).items():
        given = properties[name].get("title", "") if isinstance(properties, dict) else ""
        if re.sub(r"\W", "", given).lower() == name.lower():
            inner.pop("title", None)
    return cleaned
