"""The one place where a text becomes a part of a path: what could lead out of its folder is refused here."""

from __future__ import annotations

NAME_BYTES = 255
"""What Linux's file systems take of one name."""
SHOWN = 80
"""Characters of a wrong name that are shown."""
_CONTROLS = frozenset(map(chr, (*range(32), 127)))


class UnsafeNameError(ValueError):
    """A text cannot be the name of a file; the text says what of."""


def part(text: str, what: str) -> str:
    """Return ``text`` if it names one entry of a folder and can be nothing else. Raises UnsafeNameError.

    ``what`` says in words what it should be the name of. That the entry is no link is for whoever opens it.
    """
    if why := _wrong(text):
        raise UnsafeNameError(f"{what} {text[:SHOWN]!r} cannot be a file's name: {why}")
    return text


def _wrong(text: str) -> str | None:
    if text in {"", ".", ".."}:
        return "it is none of its own"
    if "/" in text:
        return "it has a slash"
    if _CONTROLS & set(text):
        return "it has a control character"
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return "it is no text"
    return f"it has {size} bytes, {NAME_BYTES} at most" if size > NAME_BYTES else None
