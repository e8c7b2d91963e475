"""Where parcels travel between machines: a folder that all of them mount, or S3, as drivers of external storage.

The drivers are the SDK's kind, and are called by activities themselves: as the client's own external storage they would
bring megabytes whenever a workflow is replayed.

Dies here: the worker while it writes, and nothing is there under the parcel's name. Runs twice: the same content has
the same name, and is written over what is there.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import quote

from temporalio.api.common.v1 import Payload
from temporalio.contrib.aws.s3driver import S3StorageDriver, S3StorageDriverClient
from temporalio.converter import (
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
    StorageDriverWorkflowInfo,
)

from sealing import foreign
from sealing.failures import Outage, Permanent, Temporary, describe
from sealing.stores import durable, names, space
from sealing.values import SectorId

log = logging.getLogger(__name__)

FOLDER, S3 = "folder", "s3"
"""Names of the drivers, as parcels bear them."""
LARGEST = 256 << 20
"""Bytes of a parcel at most: the largest input, C1's output of 64 GiB, has some 20 MB before it is packed."""
CLEAR_WITHIN = 10.0
"""Seconds that the end of a task waits for an exchange that hangs."""
MISSING = {"404", "NoSuchKey"}
"""S3's codes for an object that is not there."""


class Exchange(ABC):
    """A place for parcels. What goes wrong is raised as the failures of ``sealing``.

    An Outage where it is away, a Wait where it is full, Temporary for a parcel that is gone: the next try packs again.
    """

    name: str
    """The driver's name."""

    @abstractmethod
    def opened(self) -> AbstractAsyncContextManager[StorageDriver]:
        """Return the driver, ready to be used inside the block."""

    @abstractmethod
    async def clear(self, sector: SectorId) -> None:
        """Remove what the exchange still holds of a sector, if it can."""


class FolderDriver(StorageDriver):
    """A driver that keeps each payload as a file ``<namespace>/<workflow>/<SHA-256>`` below a folder."""

    def __init__(self, folder: Path) -> None:
        """Take the folder, which must be there: it is a mount, and what is written beside one would reach nobody."""
        self._folder = folder

    def name(self) -> str:
        """Return the name by which parcels call it."""
        return FOLDER

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        """Write each payload, whole or not at all, and synced."""
        target = context.target
        below = _folder_of(target.namespace, target.id) if target and target.id else Path()
        claims = []
        for payload in payloads:
            content = payload.SerializeToString()
            key = below / hashlib.sha256(content).hexdigest()
            await asyncio.to_thread(self._write, key, content)
            claims.append(StorageDriverClaim({"key": str(key)}))
        return claims

    async def retrieve(
        self,
        context: StorageDriverRetrieveContext,  # noqa: ARG002 - the SDK's signature
        claims: Sequence[StorageDriverClaim],
    ) -> list[Payload]:
        """Read the payloads back."""
        contents = [await asyncio.to_thread(self._read, Path(claim.claim_data["key"])) for claim in claims]
        return [Payload.FromString(content) for content in contents]

    def _write(self, key: Path, content: bytes) -> None:
        with _folder_failures(self._folder):
            self._require()
            durable.write(self._folder / key, content)

    def _read(self, key: Path) -> bytes:
        try:
            parts = [names.part(part, "its part") for part in (key.parts or ("",))]
        except names.UnsafeNameError as error:
            raise Permanent(f"{str(key)!r} is no name of a parcel: {error}") from None
        with _folder_failures(self._folder):
            self._require(parts[0])
            try:
                content = foreign.read(self._folder / key, LARGEST)
            except FileNotFoundError:
                raise Temporary(f"the parcel {self._folder / key} is gone; the next try packs it again") from None
            except foreign.TooLargeError as error:
                raise Permanent(f"no parcel of ours: {error}") from None
        if hashlib.sha256(content).hexdigest() != key.name:
            raise Temporary(f"the parcel {self._folder / key} is broken; the next try packs it again")
        return content

    def _require(self, *inside: str) -> None:
        """Raise Outage where the folder is not there, or is the empty place of a mount."""
        if not self._folder.joinpath(*inside).is_dir():
            raise Outage(f"the exchange {self._folder.joinpath(*inside)} is not there: mount it on this machine")


class FolderExchange(Exchange):
    """A folder that all machines mount."""

    name = FOLDER

    def __init__(self, folder: Path, namespace: str) -> None:
        """Take the folder, and Temporal's namespace, by which fleets that share it are kept apart."""
        self._folder = folder
        self._namespace = namespace

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[StorageDriver]:
        """Give the driver."""
        yield FolderDriver(self._folder)

    async def clear(self, sector: SectorId) -> None:
        """Remove the sector's folder."""
        folder = self._folder / _folder_of(self._namespace, str(sector))
        try:
            async with asyncio.timeout(CLEAR_WITHIN):
                await asyncio.to_thread(durable.remove, folder)
        except (OSError, TimeoutError) as error:
            log.warning("parcels of %s are left in %s: %s", sector, folder, error)


class S3Exchange(Exchange):
    """A bucket, and what stands before its keys."""

    name = S3

    def __init__(self, place: str, endpoint: str | None = None) -> None:
        """Take a place such as ``s3://bucket/prefix``, and the address of a service that is not Amazon's."""
        self._place = place
        self._bucket, _, self._prefix = place.removeprefix("s3://").partition("/")
        self._endpoint = endpoint

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[StorageDriver]:
        """Connect, and give the SDK's driver. Permanent where its library is not installed."""
        try:
            import aioboto3  # noqa: PLC0415 - of the extra s3
            from temporalio.contrib.aws.s3driver.aioboto3 import new_aioboto3_client  # noqa: PLC0415 - as above
        except ImportError as error:
            raise Permanent(
                f"[temporal] exchange is {self._place}: install sealflow with its extra s3 for it"
            ) from error
        with self._failures():
            async with aioboto3.Session().client("s3", endpoint_url=self._endpoint) as client:
                prefixed = _Prefixed(new_aioboto3_client(client), self._prefix)
                yield S3StorageDriver(prefixed, self._bucket, driver_name=S3, max_payload_size=LARGEST)

    async def clear(self, sector: SectorId) -> None:
        """Remove nothing: the SDK's driver cannot, so that a lifecycle rule of the bucket has to."""

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Translate what the driver and its library raise. The driver wraps all that the service says."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - of the extra s3

        try:
            yield
        except (RuntimeError, BotoCoreError, ClientError, OSError) as error:
            cause = error.__cause__ if isinstance(error, RuntimeError) else error
            if isinstance(cause, ClientError) and cause.response.get("Error", {}).get("Code") in MISSING:
                raise Temporary(f"a parcel in {self._place} is gone; the next try packs it again") from error
            raise Outage(
                f"the exchange {self._place} does not answer as it should (is [temporal] exchange right, and are the "
                f"credentials there?): {describe(cause or error)}"
            ) from None
        except ValueError as error:
            raise Temporary(f"a parcel in {self._place} is not what was packed: {error}; it is packed again") from error


class _Prefixed(S3StorageDriverClient):
    """A client that puts a prefix before every key."""

    def __init__(self, inner: S3StorageDriverClient, prefix: str) -> None:
        self._inner = inner
        self._before = f"{prefix}/" if prefix else ""

    async def put_object(self, *, bucket: str, key: str, data: bytes) -> None:
        await self._inner.put_object(bucket=bucket, key=self._before + key, data=data)

    async def object_exists(self, *, bucket: str, key: str) -> bool:
        return await self._inner.object_exists(bucket=bucket, key=self._before + key)

    async def get_object(self, *, bucket: str, key: str) -> bytes:
        return await self._inner.get_object(bucket=bucket, key=self._before + key)

    def describe(self) -> Mapping[str, str]:
        return self._inner.describe()


def exchange_at(place: str | None, endpoint: str | None, namespace: str) -> Exchange | None:
    """Return the exchange that the configuration names."""
    if place is None:
        return None
    return S3Exchange(place, endpoint) if place.startswith("s3://") else FolderExchange(Path(place), namespace)


def owner(namespace: str, sector: SectorId) -> StorageDriverStoreContext:
    """Return whose parcel a driver is given: drivers make the key of it."""
    return StorageDriverStoreContext(StorageDriverWorkflowInfo(namespace=namespace, id=str(sector)))


def _folder_of(namespace: str, name: str) -> Path:
    # A namespace may have any characters.
    return Path(*(names.part(quote(each, safe=""), "the place of a parcel") for each in (namespace, name)))


@contextmanager
def _folder_failures(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in durable.NO_SPACE:
            raise space.full(f"the exchange {folder} is full") from error
        raise Outage(f"the exchange {folder} does not answer: {error}") from error
