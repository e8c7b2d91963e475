"""The data of pieces: files named by their piece CIDs in the embedded manager's data folder, served over HTTP."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from sealing.jsonrpc.access import Access, guarded
from sealing.pieces.cid import commitment_of, piece_cid
from sealing.pieces.commitment import PieceHash, padded_size
from sealing.stores import durable, names
from sealing.values import Frozen

PATH = "/piecestore/{cid}"
FOLDER = "pieces"
LOCK, INCOMING = ".lock", ".incoming"
CHUNK = 1 << 20


class PieceError(ValueError):
    """A file cannot be a piece; the text says why and what to do."""


class StoredPiece(Frozen):
    """A piece in the store. ``size`` is padded, ``payload_size`` the file's own, both bytes."""

    piece_cid: str
    size: int
    payload_size: int


class PieceStore:
    """The folder of pieces, used by the server and by those who add pieces, at the same time."""

    def __init__(self, data: Path) -> None:
        """Take the embedded manager's data folder."""
        self._folder = data / FOLDER

    def path(self, cid: str) -> Path:
        """Return where a piece is, or would be. Raises ValueError for a text that is no piece CID."""
        commitment_of(cid)  # so nothing but a CID is looked for
        return self._folder / names.part(cid, "the piece")

    def add(self, source: Path, most: int) -> StoredPiece:
        """Copy a file of 1 to ``most`` bytes into the store; again, it changes nothing.

        Raises PieceError for a file that cannot be a piece, OSError for one that cannot be read or copied.
        """
        with _opened(source, most) as reader, self._turn():
            incoming = self._folder / INCOMING
            try:
                with incoming.open("wb") as writer:
                    piece = _copy(reader, writer, source, most)
                    os.fsync(writer.fileno())
                self._keep(incoming, piece)
            finally:
                incoming.unlink(missing_ok=True)
        return piece

    def _keep(self, incoming: Path, piece: StoredPiece) -> None:
        """Put a copy in its place. Data that differs in zeros at its end alone is one piece: the longest is kept."""
        target = self._folder / piece.piece_cid
        if not target.exists() or target.stat().st_size < piece.payload_size:
            incoming.replace(target)
            durable.sync(self._folder)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Add one piece at a time, so that a copy that a kill has left is written over by the next."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@contextmanager
def _opened(source: Path, most: int) -> Iterator[BinaryIO]:
    # Without waiting: a pipe that nobody writes to would hold the command for ever.
    with os.fdopen(os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as reader:
        found = os.fstat(reader.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise PieceError(f"{source} is not a file: name a file with the deal's data, of 1 to {most} bytes")
        _check_length(found.st_size, source, most)
        yield reader


def _copy(reader: BinaryIO, writer: BinaryIO, source: Path, most: int) -> StoredPiece:
    piece = PieceHash()
    while data := reader.read(CHUNK):
        piece.update(data)
        writer.write(data)
        if piece.payload > most:
            break
    _check_length(piece.payload, source, most)  # again: the file may have changed meanwhile
    size = padded_size(piece.payload)
    return StoredPiece(piece_cid=piece_cid(piece.commitment(size).hex()), size=size, payload_size=piece.payload)


def _check_length(length: int, source: Path, most: int) -> None:
    if length == 0:
        raise PieceError(f"{source} is empty: a deal needs data, of 1 to {most} bytes")
    if length > most:
        raise PieceError(
            f"{source} has {length} bytes, and the largest sector that is handed out holds {most}:"
            " name a smaller file, or configure larger proof_types"
        )


def piece_route(store: PieceStore, access: Access) -> Route:
    """Return the route of the pieces: whole, or by Range; only to whom ``access`` lets in."""

    async def piece(request: Request) -> Response:
        cid: str = request.path_params["cid"]
        try:
            path = store.path(cid)
        except ValueError as error:
            return PlainTextResponse(f"{error}\n", 404)
        if path.is_symlink() or not path.is_file():  # a link would lead out of the store
            return PlainTextResponse(f"there is no piece {cid}\n", 404)
        return FileResponse(path, media_type="application/octet-stream")

    return Route(PATH, guarded(piece, access), methods=["GET"])
