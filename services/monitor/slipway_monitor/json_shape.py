"""Says whether a JSON answer has the shape that was asked for. Pure."""

from pydantic import JsonValue

_LONGEST_NAME = 64


def misfit(shape: JsonValue, answer: JsonValue, place: str = "the answer") -> str | None:
    """Return where an answer does not have a shape, in words; None where it fits.

    Every member of the shape must be there with a value of the same JSON type, and so on inward; members
    beyond these do not matter. Each item of a list must fit the first item of the shape's list. `null` in the
    shape is any value.
    """
    if shape is None:
        return None
    if _type_of(shape) != _type_of(answer):
        return f"{place} is {_type_of(answer)}, expected {_type_of(shape)}"
    if isinstance(shape, dict) and isinstance(answer, dict):
        return _misfit_of_members(shape, answer, place)
    if isinstance(shape, list) and isinstance(answer, list) and shape:
        found = (misfit(shape[0], item, f"item {index} of {place}") for index, item in enumerate(answer))
        return next((each for each in found if each is not None), None)
    return None


def _misfit_of_members(shape: dict[str, JsonValue], answer: dict[str, JsonValue], place: str) -> str | None:
    for name, expected in shape.items():
        member = f'"{name[:_LONGEST_NAME]}" of {place}'
        if name not in answer:
            return f"{member} is missing"
        if (found := misfit(expected, answer[name], member)) is not None:
            return found
    return None


def _type_of(value: JsonValue) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case dict():
            return "an object"
