"""What lies beside sectors, and the names in it: claims, state files, layers' notes, parcels, CIDs, sectors' names."""

from __future__ import annotations

import hashlib

from activities.parcels import NO_EXCHANGE, _write
from sealing.failures import SealingFailure
from sealing.pieces.cid import commitment_of, piece_cid
from sealing.sector import sector_of, task_id
from sealing.stores.claim import read_claim
from sealing.stores.incumbent import unfinished
from sealing.stores.layers import NOTES
from sealing.stores.layers import _read as read_layers
from sealing.stores.layout import INCUMBENT_DATABASE, SectorFiles
from sealing.stores.statefile import StateFileError, read_state
from sealing.values import Parcel, SectorId
from tests.fuzz.target import Target, check_text, finished, folder, text_of, written

HELLO = hashlib.sha256(b"hello").hexdigest()


def claim(data: bytes) -> None:
    """Read a location's claim, also beside what the other worker has left."""
    written("data/claim.json", data)
    (folder() / INCUMBENT_DATABASE).mkdir(parents=True, exist_ok=True)
    check_text(unfinished(folder()) or "")
    read_claim(str(folder()))


def state(data: bytes) -> None:
    """Read a sector's state file, from which its task may be started again."""
    files = SectorFiles.local(str(folder()), SectorId(miner=1000, number=1))
    files.state.parent.mkdir(parents=True, exist_ok=True)
    files.state.write_bytes(data)
    read_state(files)


def layers(data: bytes) -> None:
    """Read which of PC1's layers were noted: what cannot be read counts as none."""
    written(NOTES, data)
    read_layers(folder())


def parcel(data: bytes) -> None:
    """Unpack what came in a task's history."""
    try:
        came = Parcel(size=5, sha256=HELLO, inline=text_of(data))
    except ValueError:  # refused by the SDK's converter, before the step
        return
    to = folder() / "input"
    _write(came, finished(NO_EXCHANGE._content(came)), to)
    assert to.read_bytes() == b"hello"


def cid(data: bytes) -> None:
    """Read a piece CID: it is the one text of its commitment."""
    text = text_of(data)
    assert piece_cid(commitment_of(text)) == text


def sector(data: bytes) -> None:
    """Read a sector's name, as people and workflow ids have it."""
    text = text_of(data)
    sector_of(text)
    found = SectorId.named(text)
    if found is not None:
        assert SectorId.named(str(found)) == found
        assert sector_of(task_id("sealer", found)) == found


JSON = (
    b'{"task":', b'"flow":"sealer"', b'"flow_version":1', b'"state":"Empty"', b'"sector":{', b'"home":{', b'"id":{',
    b'"settings":{', b'"PT30S"', b'"deals":[', b'"miner":18446744073709551616', b"[" * 300, b'"\\ud800"', b"1e999",
    b"null",
)  # fmt: skip

TARGETS = (
    Target("claim", claim, (ValueError,), JSON),
    Target("state-file", state, (StateFileError,), (*JSON, b'"version":1', b'"run":', b'"written":')),
    Target("layer-notes", layers, words=(*JSON, b'{"sha256":{"1":"', b"ab" * 32)),
    Target("parcel", parcel, (SealingFailure,), (b"eJz", b"=", b"==", b"A", b"/", b"+")),
    Target("piece-cid", cid, (ValueError,), (b"baga6ea4seaq", b"b", b"B", b"=", b"a" * 64, b"1", b"8")),
    Target(
        "sector-name", sector, words=(b"s-", b"t0", b"-", b"18446744073709551615", b"sealer-", b"thread-", b"0" * 20)
    ),
)
