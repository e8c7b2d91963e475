"""What the models of the tables have in common."""

from __future__ import annotations

from pydantic import ConfigDict

from sealing.values import Frozen


class Table(Frozen):
    """Base of the tables. An unknown key is noticed here; the reader makes a warning of it.

    The text below a field is what docs/config.md says of the key.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


class OurTable(Table):
    """Base of the tables that the other worker does not know, and ignores."""
