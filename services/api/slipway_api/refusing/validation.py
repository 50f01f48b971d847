"""Validation errors as problem documents: each field with a pointer, unknown names with the nearest one."""

from collections.abc import Mapping, Sequence
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from slipway_contracts.names import DIGEST_PATTERN, LABEL_PATTERN, NAME_PATTERN, OperationId

from slipway_api.answers.views import FieldProblem
from slipway_api.refusing import problems
from slipway_api.refusing.nearest import did_you_mean, nearest

_UNKNOWN: Final = "extra_forbidden"
_MOST_NAMED: Final = 20
_KEY_OF_MAPPING: Final = "[key]"
_TAGS: Final = frozenset({"(literal)", "(secret)"})
"""Parts of a location that name no field but the kind of value that it was taken for."""
_PATTERNS: Final[Mapping[str, str]] = {
    NAME_PATTERN: "must be 1 to 63 characters of a-z, 0-9 and -, not beginning or ending with -",
    LABEL_PATTERN: "must be 1 to 63 characters of A-Z, a-z, 0-9, dot, dash and underscore",
    DIGEST_PATTERN: "must be sha256: and 64 hex digits",
    str(get_args(OperationId)[1].pattern): "must be a whole id, as 0198b2f4-6bde-79eb-8dec-dce78580f071",
}


def problem_of(error: RequestValidationError, route: APIRoute | None) -> problems.ProblemError:
    """Return the refusal of a request whose parts break their rules."""
    found = error.errors()
    if any(each["type"] == "json_invalid" for each in found):
        return malformed(f"{found[0]['ctx']['error']} at character {found[0]['loc'][1]}")
    model = _body_model(route)
    # What several parts of a route take from one place is found wrong by each of them.
    return _invalid(list(dict.fromkeys(_field(each, model) for each in found)))


def unknown_parameters(names: Sequence[str], known: Sequence[str]) -> problems.ProblemError:
    """Return the refusal of a request whose query has parameters that its route does not know."""
    return _invalid([_unknown(name, nearest(name, known), "parameter") for name in names[:_MOST_NAMED]])


def _invalid(fields: Sequence[FieldProblem]) -> problems.InvalidRequestError:
    names = ", ".join(field.pointer for field in fields)
    return problems.InvalidRequestError(
        f"{len(fields)} {'part' if len(fields) == 1 else 'parts'} of the request broke the rules: {names}.",
        hint="Correct what errors lists, then repeat the request; /openapi.json describes every field.",
        errors=[field.model_dump(exclude_none=True) for field in fields],
    )


def _unknown(pointer: str, name: str | None, what: str) -> FieldProblem:
    detail = f"unknown {what}{did_you_mean(name)}"
    return FieldProblem(pointer=pointer, detail=detail, code=_UNKNOWN, nearest=name)


def malformed(why: str) -> problems.MalformedBodyError:
    """Return the refusal of a body that is not JSON."""
    return problems.MalformedBodyError(
        f"The body is not JSON: {why}.",
        hint="Send a JSON object in UTF-8, with Content-Type application/json.",
    )


def _field(error: Mapping[str, Any], model: type[BaseModel] | None) -> FieldProblem:
    where, *path = (part for part in error["loc"] if part not in _TAGS)
    detail = _detail(error)
    if path and path[-1] == _KEY_OF_MAPPING:
        path.pop()
        detail = f"the name {detail}"
    pointer = "#" + "".join(f"/{_escaped(part)}" for part in path) if where == "body" else str(path[0])
    if error["type"] == _UNKNOWN:
        return _unknown(pointer, _nearest(model, path), "field")
    return FieldProblem(pointer=pointer, detail=detail, code=error["type"])


def _detail(error: Mapping[str, Any]) -> str:
    match error["type"]:
        case "string_pattern_mismatch":
            pattern = error["ctx"]["pattern"]
            return _PATTERNS.get(pattern, f"must match {pattern}")
        case "value_error":
            return str(error["ctx"]["error"])
        case "model_attributes_type" | "model_type" if isinstance(error["input"], bytes):
            return "send a JSON object with Content-Type application/json"
        case _:
            return str(error["msg"]).removeprefix("Input ")


def _escaped(part: str | int) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


def _nearest(model: type[BaseModel] | None, path: Sequence[str | int]) -> str | None:
    *parents, unknown = path
    for part in parents:
        field = model.model_fields.get(str(part)) if model else None
        model = _model_in(field.annotation) if field else model
    names = [field.alias or name for name, field in model.model_fields.items()] if model else []
    return nearest(str(unknown), names)


def _model_in(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - a type of any kind
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in {Union, UnionType, list}:
        return next(filter(None, map(_model_in, get_args(annotation))), None)
    return None


def _body_model(route: APIRoute | None) -> type[BaseModel] | None:
    if route is None or route.body_field is None:
        return None
    return _model_in(route.body_field.field_info.annotation)
