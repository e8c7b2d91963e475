"""Files that survive a power cut: written whole or not at all, and synced together with their folders."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from sealing.background import Check

CHUNK = 8 << 20
"""Bytes copied or digested at a time: between two chunks a copy can be given up."""
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors that say that a file system, a quota or a limit is full."""


def sync(path: Path) -> None:
    """Write a file's content, or a folder's entries, through to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path, check: Check) -> None:
    """Sync every file below ``folder`` and every folder; ``check`` is called before each. Links are not followed."""
    for parent, _, names in os.walk(folder):
        for name in names:
            check()
            if not Path(parent, name).is_symlink():
                sync(Path(parent, name))
        sync(Path(parent))


def write(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``: a reader, or a restart after a power cut, sees all of it or the file before."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; what was written there takes its place, synced, unless it failed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def copy(source: Path, target: Path, copied: Callable[[int], None]) -> int:
    """Copy ``source`` over ``target`` and return its size in bytes.

    ``copied`` is called with the bytes of each chunk; what it raises gives the copy up.
    """
    with source.open("rb") as reader, target.open("wb") as writer:
        size = os.fstat(reader.fileno()).st_size
        done = 0
        while done < size:
            count = _copy_chunk(reader.fileno(), writer.fileno(), min(CHUNK, size - done), done)
            if not count:
                msg = f"{source} ended after {done} of {size} bytes: somebody cut it short"
                raise OSError(errno.EIO, msg)
            done += count
            copied(count)
        return size


def _copy_chunk(reader: int, writer: int, count: int, offset: int) -> int:
    """Copy inside the kernel, or through memory where two file systems cannot do that."""
    try:
        return os.copy_file_range(reader, writer, count, offset, offset)
    except OSError as error:
        if error.errno not in {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP}:
            raise
    return os.pwrite(writer, os.pread(reader, count, offset), offset)


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder, if it is there. A link is removed, never followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
