"""The tables about permanent stores: ``[[attached]]`` and ``[attached_selection]``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sealing.config.fields import DefaultWords, FilePath
from sealing.config.tables import Table


class Attached(Table):
    """One ``[[attached]]``: a permanent store."""

    location: FilePath
    """The store's folder, on this machine or mounted. `sealflow store init --attached` prepares one."""
    name: Annotated[str, DefaultWords("the location")] = Field(
        default_factory=lambda table: str(table["location"]), min_length=1
    )
    """The name by which the manager knows it."""
    readonly: bool = False
    """Whether it is only read: no sector is stored there."""


class AttachedSelection(Table):
    """``[attached_selection]``."""

    enable_space_weighted: bool = False
    """Whether a store with more free space is chosen more often."""
