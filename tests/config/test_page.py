"""docs/config.md says what the models say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sealing.config.fields import STAGES
from sealing.config.keys import WITHOUT_EFFECT, inner_table, known_in
from sealing.config.model import Contents
from sealing.config.older import OLDER
from sealing.config.page import page
from sealing.config.tables import Table

PAGE = Path(__file__).parents[2] / "docs" / "config.md"


def keys(table: type[Table], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every key that the models know."""
    for name in table.model_fields:
        yield (*path, name)
        if inner := inner_table(table, name):
            yield from keys(inner, (*path, name))


def test_the_page_is_what_the_models_give() -> None:
    """docs/config.md is generated: `make docs` writes it again."""
    assert PAGE.read_text() == page()


@pytest.mark.parametrize("key", sorted(set(keys(Contents))), ids=".".join)
def test_every_key_is_on_the_page(key: tuple[str, ...]) -> None:
    """Each key that a file may hold is described, with a sentence."""
    field = (inner_table_at(key[:-1]) or Contents).model_fields[key[-1]]
    assert field.description
    assert field.description.endswith(".")
    assert key[-1] in PAGE.read_text()


def inner_table_at(path: tuple[str, ...]) -> type[Table] | None:
    """Return the table at a path."""
    table: type[Table] | None = Contents
    for name in path:
        table = inner_table(table, name) if table else None
    return table


def test_older_names_are_on_the_page() -> None:
    """And they lead to keys that are known."""
    for name in OLDER:
        assert f"- `{'.'.join(map(str, name.old))}`" in page()
        assert name.new[-1] in known_in(Contents, name.new[:-1])


@pytest.mark.parametrize("path", WITHOUT_EFFECT)
def test_what_has_no_effect_is_a_key(path: str) -> None:
    """A key that is told to have none is one that the models know."""
    *table, name = path.split(".")
    assert name in known_in(Contents, tuple(table))


def test_every_stage_can_be_configured() -> None:
    """Each stage has its programs."""
    assert set(STAGES) < set(known_in(Contents, ("processors",)))
