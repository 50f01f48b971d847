"""Frozen models of which every message of a log makes another one."""

from collections.abc import Mapping
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict

_SET: Final = object.__setattr__


class Frozen(BaseModel):
    """A frozen model without extra or private fields, made and copied in half of pydantic's time."""

    model_config = ConfigDict(frozen=True)

    @classmethod
    def of_valid(cls, **values: Any) -> Self:  # noqa: ANN401
        """Make one of a value for every field, none of which is looked at: they were validated before."""
        made = cls.__new__(cls)
        _SET(made, "__dict__", values)
        _SET(made, "__pydantic_fields_set__", set(values))
        _SET(made, "__pydantic_extra__", None)
        _SET(made, "__pydantic_private__", None)
        return made

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy as pydantic does; which fields were given is not noted again."""
        if deep:
            return super().model_copy(update=update, deep=True)
        copy = self.__class__.__new__(self.__class__)
        _SET(copy, "__dict__", {**self.__dict__, **update} if update else {**self.__dict__})
        _SET(copy, "__pydantic_fields_set__", self.__pydantic_fields_set__)
        _SET(copy, "__pydantic_extra__", None)
        _SET(copy, "__pydantic_private__", None)
        return copy
