"""Tokens that callers bear: read from a file or the environment, and never said again, in whatever goes wrong."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sealing import foreign

FILE_LIMIT = 8 << 10
"""Bytes of a file with a token; the longest, a signed one of a cloud's, has some two thousand."""
_TOKEN = re.compile(r"[!-~]+")

ALONE = "write the token alone: letters, digits and signs, without spaces and line ends"
NONE_THERE = "holds no token; write one into it"
NO_FILE = "is no file that this user can read; correct the path"


class TokenError(ValueError):
    """There is no token where one should be; the text says where, and what to do, and holds none."""


def checked(token: str) -> str:
    """Return a token. Raises ValueError for what can be none."""
    if not _TOKEN.fullmatch(token):
        raise ValueError(ALONE)
    return token


def problem(file: Path) -> str | None:
    """Return what is wrong with a file that holds a token, as the end of a sentence that begins with it."""
    try:
        _in(file)
    except TokenError as error:
        return str(error)
    return None


def of_file(file: Path) -> str:
    """Return the token in a file. Raises TokenError."""
    try:
        return _in(file)
    except TokenError as error:
        raise TokenError(f"{file} {error}") from None


def of_environment(name: str) -> str:
    """Take a token out of the environment, so that no program that is started later has it. Raises TokenError."""
    token = os.environ.pop(name, "").strip()
    if not token:
        raise TokenError(f"the environment variable {name} holds no token; set it where this program is started")
    try:
        return checked(token)
    except ValueError as error:
        raise TokenError(f"the environment variable {name}: {error}") from None


def _in(file: Path) -> str:
    try:
        text = foreign.read(file, FILE_LIMIT).decode().strip()
    except foreign.TooLargeError:
        raise TokenError(f"has more than {FILE_LIMIT} bytes; {ALONE}") from None
    except (OSError, ValueError):
        raise TokenError(NO_FILE) from None
    if not text:
        raise TokenError(NONE_THERE)
    try:
        return checked(text)
    except ValueError as error:
        raise TokenError(f"holds something else; {error}") from None
