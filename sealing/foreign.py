"""Files that somebody else may have written: read whole up to a limit, and never waited for.

A pipe in a file's place would hold a thread for ever, and a file without an end all of the memory.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

DOCUMENT_LIMIT = 1 << 20
"""Bytes of a file that people write, or a program once: configuration, marks of stores, certificates."""


class TooLargeError(ValueError):
    """A file is larger than any right one; the text says which and by what limit."""


def read(path: Path, limit: int, *, pipes: bool = False) -> bytes:
    """Return what a file holds, at most ``limit`` bytes. With ``pipes`` it may be one, which is waited for.

    Raises TooLargeError, and OSError also for what is no file.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | (0 if pipes else os.O_NONBLOCK))
    try:
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not (pipes or stat.S_ISREG(found.st_mode)):
            raise OSError(errno.EINVAL, "it is no file", str(path))
        content = _read(descriptor, limit + 1)
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise TooLargeError(f"{path} is larger than {limit} bytes")
    return content


def tail(path: Path, most: int) -> str:
    """Return the last ``most`` bytes of a log as text, without space around; nothing where there is no log."""
    try:
        with path.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - most))
            return log.read(most).decode(errors="replace").strip()
    except FileNotFoundError:
        return ""


def _read(descriptor: int, most: int) -> bytes:
    parts, left = [], most
    while left and (chunk := os.read(descriptor, min(left, 1 << 20))):
        parts.append(chunk)
        left -= len(chunk)
    return b"".join(parts)
