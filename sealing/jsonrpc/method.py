"""A method of a JSON-RPC service, the one place for its client and its server."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json

R = TypeVar("R")


@dataclass(frozen=True)
class Method(Generic[R]):
    """One method. ``parameters`` and ``result`` are types that pydantic can validate."""

    name: str
    parameters: tuple[Any, ...]
    result: Any
    _adapters: tuple[TypeAdapter[Any], ...] = field(init=False, repr=False)
    _answer: TypeAdapter[R] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Build the validators once."""
        object.__setattr__(self, "_adapters", tuple(TypeAdapter(kind) for kind in self.parameters))
        object.__setattr__(self, "_answer", TypeAdapter(self.result))

    def dump_params(self, values: Sequence[object]) -> list[Any]:
        """Return the parameters as JSON values."""
        return [adapter.dump_python(value, mode="json") for adapter, value in zip(self._adapters, values, strict=True)]

    def load_params(self, raw: Sequence[Any]) -> list[Any]:
        """Return the parameters of a request, whose number has been checked. Raises ValueError naming the field."""
        return [
            _load(adapter, value, f"params[{place}]")
            for place, (adapter, value) in enumerate(zip(self._adapters, raw, strict=True))
        ]

    def dump_result(self, value: R) -> Any:  # noqa: ANN401 - any JSON value
        """Return the result as a JSON value."""
        return self._answer.dump_python(value, mode="json")

    def load_result(self, raw: Any) -> R:  # noqa: ANN401 - any JSON value
        """Return the result of an answer. Raises ValueError naming the field and its value."""
        return _load(self._answer, raw, "result")


def _load(adapter: TypeAdapter[R], raw: Any, root: str) -> R:  # noqa: ANN401 - any JSON value
    # Through JSON again, because only there does pydantic's strict mode take integers for enums and arrays for tuples.
    try:
        return adapter.validate_json(to_json(raw), strict=True)
    except ValidationError as error:
        raise ValueError(explain(error, root)) from None


def explain(error: ValidationError, root: str) -> str:
    """Return the first complaint in one bounded line: field, what is expected, and the value that came."""
    first = error.errors(include_url=False, include_context=False)[0]
    place = root + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"])
    got = "" if first["type"] == "missing" else f", got {_short.repr(first['input'])}"
    return f"{place}: {first['msg']}{got}"


_short = reprlib.Repr()
_short.maxstring = _short.maxother = _short.maxlong = 80
_short.maxlist = _short.maxdict = 4
