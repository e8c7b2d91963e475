"""Parcels: what was packed on one machine is the same on another, or is refused; and where they travel."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aioboto3
import pytest
from moto.server import ThreadedMotoServer

from activities.exchange import Exchange, FolderExchange, S3Exchange, exchange_at
from activities.parcels import Parcels
from sealing.failures import Outage, Permanent, Temporary, Wait
from sealing.processors.launch import file_ref
from sealing.stores import durable
from sealing.values import FileRef, Parcel, SectorId

SECTOR = SectorId(miner=1000, number=1)
BUCKET = "sealing"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture
def content(tmp_path: Path) -> FileRef:
    """Return the output of a stage, which does not compress."""
    path = tmp_path / "output.json"
    path.write_bytes(os.urandom(100_000))
    return file_ref(path)


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """Run an S3 service, and return its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
async def bucket(service: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """Make the bucket, give the service's address, and empty the bucket afterwards."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    async with aioboto3.Session().client("s3", endpoint_url=service) as client:
        await client.create_bucket(Bucket=BUCKET)
        yield service
        for key in await keys(service):
            await client.delete_object(Bucket=BUCKET, Key=key)


async def keys(service: str) -> list[str]:
    """Return the names of all that is in the bucket."""
    async with aioboto3.Session().client("s3", endpoint_url=service) as client:
        return [found["Key"] for found in (await client.list_objects_v2(Bucket=BUCKET)).get("Contents", [])]


def parcels(exchange: Exchange | None, limit: int = 0) -> Parcels:
    """Return what packs and unpacks."""
    return Parcels(limit, exchange, "default")


@pytest.fixture
def exchange(tmp_path: Path) -> Path:
    """Return a folder for parcels."""
    folder = tmp_path / "exchange"
    folder.mkdir()
    return folder


def files_in(folder: Path) -> list[Path]:
    """Return the files below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def by(folder: Path) -> Parcels:
    """Return what packs and unpacks by way of a folder."""
    return parcels(FolderExchange(folder, "default"))


async def test_a_small_input_travels_by_itself(content: FileRef, tmp_path: Path) -> None:
    """Compressed no larger than the limit: nothing is left anywhere, and it comes out the same."""
    parcel = await parcels(None, 200_000).pack(SECTOR, content)
    assert (parcel.driver, parcel.claim) == ("", {})
    await parcels(None).unpack(parcel, tmp_path / "there")
    assert file_ref(tmp_path / "there").sha256 == content.sha256


async def test_a_large_input_needs_an_exchange(content: FileRef) -> None:
    """Without one it is Permanent, with the key to set."""
    with pytest.raises(Permanent, match=r"set \[temporal\] exchange"):
        await parcels(None, 1000).pack(SECTOR, content)


async def test_what_is_packed_is_what_the_stage_wrote(content: FileRef, exchange: Path) -> None:
    """A file that was changed, or is gone, is not packed."""
    changed = content.model_copy(update={"sha256": hashlib.sha256(b"something else").hexdigest()})
    with pytest.raises(Permanent, match="not what its stage wrote"):
        await by(exchange).pack(SECTOR, changed)
    gone = content.model_copy(update={"path": f"{content.path}.gone"})
    with pytest.raises(Permanent, match="is gone"):
        await by(exchange).pack(SECTOR, gone)


async def test_a_folder_brings_the_same(content: FileRef, exchange: Path, tmp_path: Path) -> None:
    """Packed twice it is there once, apart by namespace and sector; and all of it goes with the sector."""
    first, again = [await by(exchange).pack(SECTOR, content) for _ in range(2)]
    assert first == again
    (file,) = files_in(exchange)
    assert file.parent == exchange / "default" / str(SECTOR)
    await by(exchange).unpack(first, tmp_path / "there")
    assert file_ref(tmp_path / "there").sha256 == content.sha256
    await by(exchange).clear(SECTOR)
    assert files_in(exchange) == []
    await by(exchange).clear(SECTOR)


async def test_what_is_there_is_not_fetched_again(content: FileRef, exchange: Path, tmp_path: Path) -> None:
    """An input that is on the machine already, with the right digest, needs no exchange."""
    parcel = await by(exchange).pack(SECTOR, content)
    await by(exchange).unpack(parcel, tmp_path / "there")
    await by(tmp_path / "away").unpack(parcel, tmp_path / "there")


@pytest.mark.parametrize("damage", [slice(0, 50_000), slice(0, -1), slice(0, 0)])
async def test_a_broken_file_is_refused(content: FileRef, exchange: Path, tmp_path: Path, damage: slice) -> None:
    """Cut short anywhere: Temporary, since the next try packs again; nothing is written."""
    parcel = await by(exchange).pack(SECTOR, content)
    (file,) = files_in(exchange)
    file.write_bytes(file.read_bytes()[damage])
    with pytest.raises(Temporary, match="is broken"):
        await by(exchange).unpack(parcel, tmp_path / "there")
    assert not (tmp_path / "there").exists()
    await by(exchange).pack(SECTOR, content)
    await by(exchange).unpack(parcel, tmp_path / "there")


@pytest.mark.parametrize("inline", ["A", "AAAAA", "AAAA"])
async def test_what_came_in_the_history_and_is_broken_is_refused(tmp_path: Path, inline: str) -> None:
    """Temporary as well: a text that is no base64, and bytes that are nothing compressed."""
    parcel = Parcel(size=5, sha256=hashlib.sha256(b"hello").hexdigest(), inline=inline)
    with pytest.raises(Temporary, match="the history is broken"):
        await parcels(None).unpack(parcel, tmp_path / "there")
    assert not (tmp_path / "there").exists()


async def test_another_content_is_refused(content: FileRef, tmp_path: Path) -> None:
    """A parcel whose content is whole, and not the one that is expected."""
    parcel = await parcels(None, 200_000).pack(SECTOR, content)
    other = parcel.model_copy(update={"sha256": hashlib.sha256(b"other").hexdigest()})
    with pytest.raises(Temporary, match="expected 100000 bytes"):
        await parcels(None).unpack(other, tmp_path / "there")


async def test_a_folder_that_is_away_is_an_outage(content: FileRef, exchange: Path, tmp_path: Path) -> None:
    """Not there, or the empty place of a mount: it is waited for. Only the parcel gone: it is packed again."""
    parcel = await by(exchange).pack(SECTOR, content)
    with pytest.raises(Outage, match="mount it"):
        await by(tmp_path / "away").pack(SECTOR, content)
    with pytest.raises(Outage, match="mount it"):
        await by(tmp_path / "away").unpack(parcel, tmp_path / "there")
    await by(exchange).clear(SECTOR)
    with pytest.raises(Temporary, match="is gone"):
        await by(exchange).unpack(parcel, tmp_path / "there")
    durable.remove(exchange / "default")
    with pytest.raises(Outage, match="mount it"):
        await by(exchange).unpack(parcel, tmp_path / "there")


async def test_a_full_folder_is_waited_for(
    content: FileRef, exchange: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On both ends: room may be made while nothing is lost."""
    parcel = await by(exchange).pack(SECTOR, content)

    def full(path: Path, _: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(durable, "write", full)
    with pytest.raises(Wait, match="is full"):
        await by(exchange).pack(SECTOR, content)
    with pytest.raises(Wait, match="is full"):
        await by(exchange).unpack(parcel, tmp_path / "there")


async def test_a_claim_cannot_lead_out_of_the_folder(content: FileRef, exchange: Path, tmp_path: Path) -> None:
    """What is read is below the folder, whatever the parcel says."""
    parcel = await by(exchange).pack(SECTOR, content)
    for key in ("../output.json", content.path):
        with pytest.raises(Permanent, match="no name of a parcel"):
            await by(exchange).unpack(parcel.model_copy(update={"claim": {"key": key}}), tmp_path / "there")


async def test_machines_must_have_the_same_exchange(content: FileRef, exchange: Path, tmp_path: Path) -> None:
    """A parcel that came another way than this machine knows: Permanent, with the key to set."""
    parcel = await by(exchange).pack(SECTOR, content)
    for other in (None, S3Exchange("s3://sealing")):
        with pytest.raises(Permanent, match=r"not this machine's \[temporal\] exchange"):
            await parcels(other).unpack(parcel, tmp_path / "there")


@pytest.mark.parametrize(("place", "before"), [("s3://sealing", "v0/"), ("s3://sealing/fleet/one", "fleet/one/v0/")])
async def test_s3_brings_the_same(bucket: str, content: FileRef, tmp_path: Path, place: str, before: str) -> None:
    """Below the prefix, apart by namespace and sector; packed twice it is there once."""
    exchange = exchange_at(place, bucket, "default")
    first, again = [await parcels(exchange).pack(SECTOR, content) for _ in range(2)]
    assert first == again
    assert first.driver == "s3"
    (key,) = await keys(bucket)
    assert key.startswith(before)
    assert f"/ns/default/wt/null/wi/{SECTOR}/" in key
    await parcels(exchange).unpack(first, tmp_path / "there")
    assert file_ref(tmp_path / "there").sha256 == content.sha256
    await parcels(exchange).clear(SECTOR)
    assert await keys(bucket) == [key], "a lifecycle rule removes it"


async def test_s3_without_the_parcel_or_with_a_broken_one(bucket: str, content: FileRef, tmp_path: Path) -> None:
    """Temporary: the next try packs it again."""
    exchange = S3Exchange(f"s3://{BUCKET}", bucket)
    parcel = await parcels(exchange).pack(SECTOR, content)
    (key,) = await keys(bucket)
    async with aioboto3.Session().client("s3", endpoint_url=bucket) as client:
        await client.put_object(Bucket=BUCKET, Key=key, Body=b"rubbish")
        with pytest.raises(Temporary, match="not what was packed"):
            await parcels(exchange).unpack(parcel, tmp_path / "there")
        await client.delete_object(Bucket=BUCKET, Key=key)
    with pytest.raises(Temporary, match="is gone"):
        await parcels(exchange).unpack(parcel, tmp_path / "there")


async def test_s3_that_does_not_answer_is_an_outage(bucket: str, content: FileRef) -> None:
    """Nobody at the address, and a bucket that is not there: both are waited for, and said."""
    with pytest.raises(Outage, match=r"is \[temporal\] exchange right"):
        await parcels(S3Exchange("s3://sealing", "http://127.0.0.1:1")).pack(SECTOR, content)
    with pytest.raises(Outage, match="NoSuchBucket"):
        await parcels(S3Exchange("s3://other", bucket)).pack(SECTOR, content)
