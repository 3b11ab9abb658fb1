"""The base of all parameters: frozen, checked, documented by their descriptions."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Params(BaseModel):
    """Parameters of a stage. A field's description is its help on the command line and in the UI.

    A field with `json_schema_extra=HOW` says how to work, not what to make (a number of
    workers): it is no part of the cache key.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    def identity(self) -> dict[str, Any]:
        """The JSON form of everything that decides the result."""
        return {
            name: value.identity() if isinstance(value, Params) else self.model_dump(mode="json")[name]
            for name, value in self
            if type(self).model_fields[name].json_schema_extra != HOW
        }


HOW: dict[str, Any] = {"decides_result": False}
