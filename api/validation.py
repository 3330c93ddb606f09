"""A request's parts as models; what is wrong in them as one clear error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from api.errors import INVALID_BODY, INVALID_JSON, INVALID_REQUEST, ApiError, ErrorKind, FieldError

Place = Literal["body", "path", "query", "header"]

M = TypeVar("M", bound=BaseModel)

# A body can be wrong in thousands of places.
MAX_FIELD_ERRORS = 10


def read_json(raw: bytes, model: type[M], kinds: Mapping[str, ErrorKind]) -> M:
    """Return the body as `model`. Raise ApiError."""
    try:
        return model.model_validate_json(raw)
    except ValidationError as exc:
        raise refusal(exc, model, "body", kinds) from None


def read_texts(values: Mapping[str, str], model: type[M], place: Place, kinds: Mapping[str, ErrorKind]) -> M:
    """Return the parameters of a place as `model`. Raise ApiError."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as exc:
        raise refusal(exc, model, place, kinds) from None


def refusal(
    exc: ValidationError, model: type[BaseModel], place: Place, kinds: Mapping[str, ErrorKind]
) -> ApiError:
    """Return what the client is told.

    Of `kinds` (by code) it is `missing_<field>` or `invalid_<field>` of the first field that is wrong, where
    the route declares one; else `invalid_request`.
    """
    details = exc.errors(include_url=False, include_input=False)
    first = details[0]
    if first["type"] == "json_invalid":
        return INVALID_JSON("The body is not valid JSON in UTF-8.")
    if not first["loc"]:
        return INVALID_BODY(f"The body must be a JSON object {_shape(model)}.")
    errors = [
        FieldError(_pointer(place, error["loc"]), _sentence(error, model))
        for error in details[:MAX_FIELD_ERRORS]
    ]
    found = _field(model, first["loc"][0])
    name = found[0] if found else str(first["loc"][0])
    codes = [f"invalid_{name}"]
    if first["type"] == "missing":
        codes.insert(0, f"missing_{name}")
    kind = next((kinds[code] for code in codes if code in kinds), INVALID_REQUEST)
    return kind(errors[0].detail, errors=errors)


def aliases(model: type[BaseModel]) -> Iterator[tuple[str, str, FieldInfo]]:
    """Yield each field as (name, name outside, field)."""
    for name, field in model.model_fields.items():
        yield name, field.alias or name, field


def _field(model: type[BaseModel], key: int | str) -> tuple[str, FieldInfo] | None:
    return next(((name, field) for name, alias, field in aliases(model) if key in (name, alias)), None)


def _shape(model: type[BaseModel]) -> str:
    fields = ", ".join(f'"{alias}": …' for _, alias, field in aliases(model) if field.is_required())
    return f"{{{fields}}}" if fields else "or empty"


def _pointer(place: Place, loc: Sequence[int | str]) -> str:
    if place == "body":
        # RFC 6901 section 3.
        return "#/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in loc)
    return f"{place}:{str(loc[0])[:64]}"


def _sentence(error: ErrorDetails, model: type[BaseModel]) -> str:
    if error["type"] == "value_error":
        # Of a validator of ours.
        return str(error["ctx"]["error"])
    loc = error["loc"]
    if error["type"] == "extra_forbidden":
        known = ", ".join(alias for _, alias, _ in aliases(model))
        return f'"{str(loc[0])[:64]}" is not a parameter: known are {known}.'
    name, allowed = ".".join(str(part) for part in loc), _allowed(model, loc)
    if error["type"] == "missing":
        return f'"{name}" is missing: it must be {allowed}.' if allowed else f'"{name}" is missing.'
    if allowed:
        return f'"{name}" must be {allowed}.'
    return f'"{name}" is not allowed: {error["msg"][:1].lower()}{error["msg"][1:]}.'


def _allowed(model: type[BaseModel], loc: Sequence[int | str]) -> str | None:
    """Return the description of the field at `loc`, however deep it is."""
    inner: type[BaseModel] | None = model
    description = None
    for part in loc:
        found = None if inner is None or isinstance(part, int) else _field(inner, part)
        if found is not None:
            description, inner = found[1].description, _model_in(found[1].annotation)
    return description


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for arg in get_args(annotation) if (model := _model_in(arg)) is not None), None)
