"""docs/performance.md: its words are written by hand, and between marks in it stands what the benches printed."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


class NoPlaceError(Exception):
    """The page has no place for figures, or more than one; the text says of what."""


def put(page: str, name: str, figures: str) -> str:
    """Return the page with figures in the place of their bench. Raises NoPlaceError."""
    begin, end = _marks(name)
    place = re.compile(f"({re.escape(begin)}\n).*?({re.escape(end)}\n)", re.DOTALL)
    page, places = place.subn(lambda found: f"{found[1]}{figures.rstrip()}\n{found[2]}", page)
    if places != 1:
        raise NoPlaceError(f"{PAGE.name} has {places} places for the figures of {name}: {begin} … {end}")
    return page


def names(page: str) -> list[str]:
    """Return whose figures the page has, from its top."""
    return re.findall(r"^<!-- figures of ([a-z]+) -->$", page, re.MULTILINE)


def _marks(name: str) -> tuple[str, str]:
    return f"<!-- figures of {name} -->", f"<!-- end of {name} -->"
