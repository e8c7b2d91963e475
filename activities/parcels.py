"""A stage's large input on its way to another machine: packed where it is, unpacked where it is used, and compared."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path

from temporalio.api.common.v1 import Payload
from temporalio.converter import StorageDriverClaim, StorageDriverRetrieveContext

from activities.exchange import LARGEST, Exchange, owner
from sealing import foreign
from sealing.failures import Permanent, Temporary
from sealing.processors.launch import file_ref
from sealing.stores import durable, space
from sealing.units import size_text
from sealing.values import FileRef, Parcel, SectorId

ENCODING = b"binary/zlib"
LEVEL = 6


@dataclass(frozen=True)
class Parcels:
    """Packs and unpacks. ``limit`` is the most bytes, compressed, that travel in the history."""

    limit: int
    exchange: Exchange | None
    namespace: str

    async def pack(self, sector: SectorId, ref: FileRef) -> Parcel:
        """Pack the content of a file, which is small, or goes to the exchange.

        Permanent where the file is not what the stage wrote, or is too large and there is no exchange.
        """
        packed = await asyncio.to_thread(_compressed, ref)
        if len(packed) <= self.limit:
            return Parcel(size=ref.size, sha256=ref.sha256, inline=base64.b64encode(packed).decode())
        if self.exchange is None:
            raise Permanent(
                f"{ref.path} has {size_text(len(packed))} compressed, a history takes {size_text(self.limit)}, and no "
                "other way to other machines is configured: set [temporal] exchange on all of them and start their "
                "workers again, then resume"
            )
        payload = Payload(metadata={"encoding": ENCODING}, data=packed)
        async with self.exchange.opened() as driver:
            (claim,) = await driver.store(owner(self.namespace, sector), [payload])
        return Parcel(size=ref.size, sha256=ref.sha256, driver=driver.name(), claim=dict(claim.claim_data))

    async def unpack(self, parcel: Parcel, to: Path) -> None:
        """Write the content to a file, unless it is there. Temporary where it is gone or broken: it is packed again."""
        if await asyncio.to_thread(_is_there, parcel, to):
            return
        packed = await self._content(parcel)
        try:
            await asyncio.to_thread(_write, parcel, packed, to)
        except OSError as error:
            raise space.no_space(to, error) or error from error

    async def clear(self, sector: SectorId) -> None:
        """Remove what the exchange holds of a sector."""
        if self.exchange is not None:
            await self.exchange.clear(sector)

    async def _content(self, parcel: Parcel) -> bytes:
        if parcel.inline is not None:
            try:
                return base64.b64decode(parcel.inline)
            except binascii.Error:
                raise _broken(parcel) from None
        if self.exchange is None or self.exchange.name != parcel.driver:
            raise Permanent(
                f"the input comes by {parcel.driver}, which is not this machine's [temporal] exchange: set it as on "
                "the machine that packed it, start the worker again, then resume"
            )
        async with self.exchange.opened() as driver:
            claim = StorageDriverClaim(parcel.claim)
            (payload,) = await driver.retrieve(StorageDriverRetrieveContext(), [claim])
        return payload.data


NO_EXCHANGE = Parcels(32 << 10, None, "")
"""Nothing but what travels in the history."""


def _compressed(ref: FileRef) -> bytes:
    path = Path(ref.path)
    content = foreign.read(path, ref.size) if path.is_file() and path.stat().st_size == ref.size else b""
    if len(content) != ref.size or hashlib.sha256(content).hexdigest() != ref.sha256:
        raise Permanent(f"{path} is gone, or not what its stage wrote: resume to the state before that stage")
    return zlib.compress(content, LEVEL)


def _is_there(parcel: Parcel, to: Path) -> bool:
    ref = FileRef(path=str(to), size=parcel.size, sha256=parcel.sha256)
    return to.is_file() and file_ref(to) == ref


def _write(parcel: Parcel, packed: bytes, to: Path) -> None:
    if parcel.size > LARGEST:
        raise Permanent(f"the input that came has {parcel.size} bytes, {LARGEST} at most are unpacked")
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(packed, parcel.size + 1)
    except zlib.error:
        content = b""
    if len(content) != parcel.size or hashlib.sha256(content).hexdigest() != parcel.sha256:
        raise _broken(parcel)
    durable.write(to, content)


def _broken(parcel: Parcel) -> Temporary:
    return Temporary(
        f"the input that came by {parcel.driver or 'the history'} is broken (expected {parcel.size} bytes with "
        f"SHA-256 {parcel.sha256}): the next try packs it again"
    )
