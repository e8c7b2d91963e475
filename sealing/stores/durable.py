"""Files that survive a power cut: written whole or not at all, and synced together with their folders."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

from sealing.background import Check

CHUNK = 8 << 20
"""Bytes copied or digested at a time: between two chunks a copy can be given up."""
NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Errors that say that a file system, a quota or a limit is full."""
_TEMPORARY = ".{}.{}.tmp"
"""What a file is named until it takes its place: its name then, and the writer's mark."""


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


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, so that a power cut takes none of them away again."""
    missing = [each for each in (path, *path.parents) if not each.is_dir()]
    path.mkdir(parents=True, exist_ok=True)
    for made in reversed(missing):
        sync(made.parent)


def write(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``: a reader, or a restart after a power cut, sees all of it or the file before."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; what was written there takes its place, synced, unless it failed."""
    make_folder(path.parent)
    temporary = path.with_name(_TEMPORARY.format(path.name, f"{os.getpid()}-{os.urandom(4).hex()}"))
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sweep(path: Path) -> None:
    """Remove what writers of ``path`` that were killed have left beside it; a living one is spoiled and fails."""
    for left in path.parent.glob(_TEMPORARY.format(glob.escape(path.name), "*")):
        left.unlink(missing_ok=True)


def copy(source: Path, target: Path, copied: Callable[[int], None]) -> int:
    """Copy ``source`` to ``target``, which must not be there, not even as a link; return its size in bytes.

    ``copied`` is called with the bytes of each chunk; what it raises gives the copy up.
    """
    with source.open("rb") as reader, target.open("xb") as writer:
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


def copy_digested(source: Path, target: Path, copied: Callable[[int], None]) -> tuple[int, str]:
    """Copy ``source`` to ``target``, through memory; return its size in bytes and the SHA-256 of what was read.

    The target must not be there, not even as a link.

    ``copied`` is called with the bytes of each chunk; what it raises gives the copy up.
    """
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as reader, target.open("xb", buffering=0) as writer:
        while chunk := reader.read(CHUNK):
            digest.update(chunk)
            _write_all(writer, chunk)
            size += len(chunk)
            copied(len(chunk))
    return size, digest.hexdigest()


def _write_all(writer: FileIO, chunk: bytes) -> None:
    """Write a whole chunk: what a nearly full disk takes of it is less, and the rest is what fails."""
    rest = memoryview(chunk)
    while rest:
        rest = rest[writer.write(rest) :]


def digest(path: Path, read: Callable[[int], None]) -> tuple[int, str]:
    """Return a file's size in bytes and its SHA-256. ``read`` is called with the bytes of each chunk."""
    with path.open("rb", buffering=0) as file:
        return _digest(file, read)


def digest_on_disk(path: Path, read: Callable[[int], None]) -> tuple[int, str]:
    """Return the same of what is on the disk, as far as the system lets us past its cache.

    The file must be synced: pages that are not stay in the cache.
    """
    with path.open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return _digest(file, read)


def _digest(file: FileIO, read: Callable[[int], None]) -> tuple[int, str]:
    found, size = hashlib.sha256(), 0
    while chunk := file.read(CHUNK):
        found.update(chunk)
        size += len(chunk)
        read(len(chunk))
    return size, found.hexdigest()


def link(source: Path, target: Path) -> None:
    """Link to a file; by its path where a file system is in between. What is at ``target`` gives way."""
    target.unlink(missing_ok=True)
    if not hard_link(source, target):
        target.symlink_to(source.absolute())


def hard_link(source: Path, target: Path) -> bool:
    """Give a file a second name, and return whether the file systems let us."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP}:
            raise
        return False
    return True


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder, if it is there. A link is removed, never followed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
