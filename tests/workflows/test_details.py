"""The page of a sector in the Web UI shows others' words, and follows none of them."""

from __future__ import annotations

import pytest

from workflows.details import _cell


@pytest.mark.parametrize(
    "said",
    [
        "![x](http://evil.example/x.png)",
        "[resume here](http://evil.example)",
        "<img src=http://evil.example>",
        "a | b\n| c",
    ],
)
def test_a_text_makes_no_link_no_picture_and_no_cell(said: str) -> None:
    """A processor's or a manager's words stay words: a browser that shows them asks nobody."""
    cell = _cell(said)
    assert [mark for mark in ("](", "<", "\n") if mark in cell] == []
    assert "|" not in cell.replace("\\|", "")
