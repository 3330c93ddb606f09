"""The bases of what requests and answers carry: JSON in camelCase, checked strictly."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel


def iso(at: datetime) -> str:
    """Return an aware time as RFC 3339 in UTC, to the second: `2026-02-07T12:00:00Z`."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


Timestamp = Annotated[
    datetime,
    PlainSerializer(iso, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-02-07T12:00:00Z"]}),
]


class Answer(BaseModel):
    """What the server answers."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, frozen=True
    )


class Body(BaseModel):
    """What a client sends as JSON. A number is no string here, and what is not known is ignored.

    The description of a field says what is allowed ("3 to 32 letters"): it ends up in error messages.
    """

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, frozen=True, strict=True
    )


class Parameters(BaseModel):
    """What a client sends in the path, the query or the headers: texts. Descriptions as in Body.

    What is not known is refused: a mistyped parameter would silently mean another thing.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=False,
        validate_by_alias=True,
        frozen=True,
        extra="forbid",
    )


class FieldProblem(Answer):
    """One part of a request that is wrong."""

    pointer: str = Field(
        description="a JSON pointer into the body (`#/username`), or `query:limit`, `header:X-Device-ID`, "
        "`path:roomId`"
    )
    detail: str = Field(description="what was wrong and what would be right")


class OlderError(Answer):
    """The same as in the problem, in the form that the API had first."""

    code: str
    message: str


class Problem(Answer):
    """Problem details (RFC 9457)."""

    type: str = Field(description="where the code is explained, relative to this server")
    title: str = Field(description="the same for all of its code")
    status: int = Field(description="the HTTP status")
    detail: str = Field(description="what was wrong and what would be right")
    code: str = Field(description="what programs tell it by")
    errors: list[FieldProblem] | None = Field(
        None, description="each part that is wrong; absent where it is no part"
    )
    error: OlderError
