"""Everything that is read of others has a limit: what is beyond it, or nested too deeply, is refused and told."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from activities.exchange import LARGEST, FolderDriver
from activities.parcels import NO_EXCHANGE
from sealing import foreign, keyring, tokens
from sealing.config import ConfigError, load
from sealing.config.scanned import described
from sealing.devnet import stage
from sealing.failures import TEXT_LIMIT, Permanent, SealingFailure
from sealing.jsonrpc import server as served
from sealing.jsonrpc.access import TOLD_AT_MOST
from sealing.manager import rpc
from sealing.manager.client import MOST_PIECES, Manager
from sealing.pieces import download
from sealing.processors import piped
from sealing.processors.folder import LOG_TAIL, JobFolder
from sealing.processors.lines import LINE_LIMIT, BrokenLineError, read_answer
from sealing.processors.outcome import End, found_answer
from sealing.processors.outcome import read_answer as read_output
from sealing.processors.tasks import TreeD
from sealing.stores import claim, layers, statefile
from sealing.stores.layout import STATE_FILE, STORE_MARK, SectorFiles
from sealing.stores.statefile import StateFileError, read_state
from sealing.values import Parcel, SectorId
from tests.manager.test_bad_manager import misbehaving, result
from workers.embedded import EmbeddedError, read_config
from workers.encryption import server as codec
from workflows.commands import ARGUMENT_LIMIT

Reader = Callable[[Path], object]
TASK = TreeD(registered_proof="StackedDrg2KiBV1_1", staged_file="s", cache_dir="c")
DEEP = 100_000


def claimed(location: Path) -> Path:
    """Return where a location's claim is."""
    (location / "data").mkdir(exist_ok=True)
    return location / "data" / "claim.json"


def files_in(location: Path) -> SectorFiles:
    """Return the files of a sector there."""
    return SectorFiles.local(location, SectorId(miner=1000, number=1))


def _parcel(folder: Path) -> object:
    return FolderDriver(folder)._read(Path("namespace", "0" * 64))


READERS: dict[str, tuple[Callable[[Path], Path], Reader, int, type[Exception], str]] = {
    "a worker's file": (
        lambda folder: folder / "worker.toml",
        lambda folder: load(folder / "worker.toml"),
        foreign.DOCUMENT_LIMIT,
        ConfigError,
        "cannot be read: ",
    ),
    "a hot configuration": (
        lambda folder: folder / "config.toml",
        lambda folder: load(folder / "config.toml"),
        foreign.DOCUMENT_LIMIT,
        ConfigError,
        "cannot be read: ",
    ),
    "a store's mark": (
        lambda folder: folder / STORE_MARK,
        described,
        foreign.DOCUMENT_LIMIT,
        ValueError,
        "is it the store's own?",
    ),
    "a claim": (claimed, lambda folder: claim.read_claim(str(folder)), claim.LIMIT, ValueError, "is larger than"),
    "a state file": (
        lambda folder: _made(files_in(folder).jobs) / STATE_FILE,
        lambda folder: read_state(files_in(folder)),
        statefile.LIMIT,
        StateFileError,
        "it is no state file",
    ),
    "an embedded manager's file": (
        lambda folder: folder / "devnet.json",
        lambda folder: read_config(folder / "devnet.json"),
        foreign.DOCUMENT_LIMIT,
        EmbeddedError,
        "has more than",
    ),
    "a token": (
        lambda folder: folder / "token",
        lambda folder: tokens.of_file(folder / "token"),
        tokens.FILE_LIMIT,
        tokens.TokenError,
        "write the token alone",
    ),
    "a processor's output": (
        lambda folder: folder / "output.json",
        lambda folder: read_output(JobFolder(folder), TASK, End("p", 0)),
        LINE_LIMIT,
        Permanent,
        "wrote no right output",
    ),
    "a parcel": (
        lambda folder: _made(folder / "namespace") / ("0" * 64),
        _parcel,
        LARGEST,
        Permanent,
        "no parcel of ours",
    ),
}


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, reader: tuple[Callable[[Path], Path], Reader, int, type[Exception], str]
) -> None:
    """It says so, and with one byte less it says something else, or nothing."""
    where, read, limit, kind, says = reader
    file = where(tmp_path)
    file.touch()
    os.truncate(file, limit + 1)
    with pytest.raises(kind) as refused:
        read(tmp_path)
    assert says in str(refused.value)
    if limit > claim.LIMIT:
        return  # so much is not read for nothing
    os.truncate(file, limit)
    with pytest.raises(kind) as other:
        read(tmp_path)
    assert str(limit) not in str(other.value)


NESTED: dict[str, tuple[Callable[[Path], Path], Reader]] = {
    name: READERS[name][:2]
    for name in ("a store's mark", "a claim", "a state file", "an embedded manager's file", "a processor's output")
}


@pytest.mark.parametrize(("where", "read"), NESTED.values(), ids=NESTED)
def test_a_file_that_is_nested_too_deeply_is_refused(
    tmp_path: Path, where: Callable[[Path], Path], read: Reader
) -> None:
    """It ends in an error of ours, and not with the interpreter's stack."""
    where(tmp_path).write_bytes(b'{"a":' * DEEP + b"1" + b"}" * DEEP)
    with pytest.raises((ValueError, SealingFailure, EmbeddedError, StateFileError)):
        read(tmp_path)


def test_a_line_that_is_nested_too_deeply_is_refused() -> None:
    """A processor's answer by line."""
    with pytest.raises(BrokenLineError, match="wrote a broken answer"):
        read_answer(b'{"id": 1, "output": ' + b"[" * DEEP + b"]" * DEEP + b"}")


@pytest.mark.parametrize(
    "name", ["a store's mark", "a claim", "a state file", "a token", "a processor's output", "a parcel"]
)
def test_a_pipe_in_a_file_s_place_holds_nobody(tmp_path: Path, name: str) -> None:
    """Nobody writes to it, and it is not waited for."""
    where, read, *_ = READERS[name]
    os.mkfifo(where(tmp_path))
    with pytest.raises((OSError, ValueError, SealingFailure, StateFileError)):
        read(tmp_path)


def test_a_record_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    """As one that is not there: the job is started anew."""
    (tmp_path / "job.json").touch()
    os.truncate(tmp_path / "job.json", foreign.DOCUMENT_LIMIT + 1)
    (tmp_path / "output.json").touch()
    os.truncate(tmp_path / "output.json", LINE_LIMIT + 1)
    assert JobFolder(tmp_path).record() is None
    assert found_answer(JobFolder(tmp_path), TASK) is None


def test_notes_of_layers_that_are_too_large_are_none(tmp_path: Path) -> None:
    """As any that cannot be right: the layers count as computed by nobody. A pipe is not waited for."""
    file = tmp_path / layers.NOTES
    file.touch()
    os.truncate(file, foreign.DOCUMENT_LIMIT + 1)
    assert layers._read(tmp_path) == {}
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(OSError, match="it is no file"):
        layers._read(tmp_path)


def test_a_configuration_may_come_by_a_pipe(tmp_path: Path) -> None:
    """As from a program that decrypts it; it is read to its end, and no further than the limit."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(b"[worker]\nname = 'x y'\n",))
    writer.start()
    with pytest.raises(ConfigError, match=r"worker\.name"):
        load(pipe)
    writer.join()


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    """A folder, a device, nothing."""
    with pytest.raises(IsADirectoryError):
        foreign.read(tmp_path, 10)
    with pytest.raises(OSError, match="it is no file"):
        foreign.read(Path("/dev/zero"), 10)
    with pytest.raises(foreign.TooLargeError, match="/dev/zero is larger than 10 bytes"):
        foreign.read(Path("/dev/zero"), 10, pipes=True)
    with pytest.raises(FileNotFoundError):
        foreign.read(tmp_path / "none", 10)


def test_the_end_of_a_log_is_what_is_read(tmp_path: Path) -> None:
    """Of a long one no more."""
    log = tmp_path / "log"
    assert foreign.tail(log, 5) == ""
    log.write_bytes(b"x" * 100 + b"\xff the end \n")
    assert foreign.tail(log, 9) == "the end"
    assert foreign.tail(log, 1000) == "x" * 100 + "\N{REPLACEMENT CHARACTER} the end"


async def test_no_parcel_is_unpacked_beyond_the_limit(tmp_path: Path) -> None:
    """Whatever a history says of its size: nothing of it is held."""
    parcel = Parcel(size=LARGEST + 1, sha256="0" * 64, inline="AAAA")
    with pytest.raises(Permanent, match=f"{LARGEST} at most are unpacked"):
        await NO_EXCHANGE.unpack(parcel, tmp_path / "input.json")
    assert os.listdir(tmp_path) == []  # noqa: PTH208


async def test_a_manager_cannot_give_more_than_temporal_takes() -> None:
    """Neither pieces without end nor texts: the first are refused, the second cut."""
    piece = {
        "Piece": {"Size": 128, "PieceCID": {"/": "b" * 64}},
        "DealInfo": {"DealID": 1, "AllocationID": 0, "PayloadSize": 1, "IsBuiltinMarket": True},
    }
    sector = SectorId(miner=1000, number=1)
    async with misbehaving(result([piece] * (MOST_PIECES + 1))) as address, Manager(address) as manager:
        with pytest.raises(Permanent, match=f"gave {MOST_PIECES + 1} pieces for one sector, {MOST_PIECES} at most"):
            await manager.acquire_deals(sector, None, None)
    async with misbehaving(result([piece] * MOST_PIECES)) as address, Manager(address) as manager:
        deals = await manager.acquire_deals(sector, None, None)
        assert sum(len(deal.model_dump_json()) for deal in deals) < 2_000_000
    async with misbehaving(result({"State": 5, "Desc": "why" * 100_000})) as address, Manager(address) as manager:
        assert len((await manager.poll_precommit(sector)).desc) <= 2000


def test_the_page_says_the_limits() -> None:
    """Each row of docs/security.md has the number that counts."""
    page = (Path(__file__).parents[1] / "docs" / "security.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("|")]
    for of, limit in {
        "request to the worker": f"{served.MAX_BODY >> 20} MiB, in {served.BODY_SECONDS:g} s; its head 16 KiB",
        "request to the codec server": f"{codec.MAX_BODY >> 20} MiB",
        "answer of the manager": f"{rpc.MAX_BODY >> 20} MiB",
        "texts in it; pieces of a sector": f"{TEXT_LIMIT:,} characters; {MOST_PIECES:,}",
        "a piece's data": f"the deal's size, {download.TIMEOUT:g} s without a byte",
        "a line of a processor": f"{LINE_LIMIT >> 20} MiB",
        "a processor's log": f"{LOG_TAIL:,} bytes; of a stream begun anew after {piped.LOG_LIMIT >> 20} MiB",
        "a worker's TOML": f"{foreign.DOCUMENT_LIMIT >> 20} MiB",
        "a location's claim": f"{claim.LIMIT >> 20} MiB; {statefile.LIMIT >> 20} MiB",
        "a file of keys": f"{keyring.FILE_LIMIT >> 10} KiB; {tokens.FILE_LIMIT >> 10} KiB",
        "an input of another machine": f"{LARGEST >> 20} MiB",
        "a signal's argument": f"{ARGUMENT_LIMIT >> 10} KiB",
        "a verifier's answer": f"{stage.OUTPUT_LIMIT >> 10} KiB",
    }.items():
        (row,) = [line for line in rows if line.startswith(f"| {of}")]
        assert limit in row, of
    assert f"is cut after {served.IDLE_SECONDS:g} s" in page
    assert f"{served.MAX_CONNECTIONS} connections" in " ".join(page.split())
    assert f"for {TOLD_AT_MOST} addresses at most" in page
