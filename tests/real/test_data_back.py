"""What goes into a sector comes out of it, whatever it is: by the crate's own stages, sealed and upgraded."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealing.pieces.commitment import data_of, padded_size
from sealing.processors.tasks import unpadded
from tests.real.crate import Crate, Task
from tests.real.sector import DATA, SIZE, UPDATE, Sector, Upgraded

pytestmark = pytest.mark.real

_numbers = itertools.count()
DATA_OF_ANY_LENGTH = st.integers(1, DATA).flatmap(lambda size: st.binary(min_size=size, max_size=size))
FEW = settings(
    max_examples=12, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def holding(crate: Crate, folder: Path, data: bytes) -> Sector:
    """Return a sector with one piece, and fillers behind it."""
    folder.mkdir()
    sector = Sector(crate, folder, data=data)
    (folder / "piece").write_bytes(data)
    size = padded_size(len(data))
    pieces: list[Task] = [
        {"piece_file": {"local": str(folder / "piece")}, "payload_size": len(data), "piece_size": unpadded(size)}
    ]
    while size < SIZE:
        pieces.append({"piece_file": "pledge", "payload_size": 0, "piece_size": unpadded(size)})
        size *= 2
    sector.__dict__["pieces"] = pieces  # in place of the two pieces that such a sector has by itself
    return sector


@FEW
@given(data=DATA_OF_ANY_LENGTH)
def test_out_of_a_sealed_sector(crate: Crate, tmp_path: Path, data: bytes) -> None:
    """Unsealed, the piece is what the client gave."""
    sector = holding(crate, tmp_path / str(next(_numbers)), data)
    assert sector.unsealed(0, unpadded(padded_size(len(data))))[: len(data)] == data


@FEW
@given(data=DATA_OF_ANY_LENGTH)
def test_out_of_an_upgraded_sector(crate: Crate, tmp_path: Path, data: bytes) -> None:
    """Decoded, and without the bit padding, the piece is what the client gave."""
    folder = tmp_path / str(next(_numbers))
    folder.mkdir()
    (folder / "old").mkdir()
    old, new = Sector(crate, folder / "old"), holding(crate, folder / "new", data)
    upgraded = Upgraded(old, new)
    task = {
        "registered_proof": UPDATE,
        "out_path": new.path("back"),
        "comm_d_new": upgraded.encoded["comm_d_new"],
        **upgraded.files,
    }
    new.job("snap_decode", task)
    assert data_of(new.content("back"))[: len(data)] == data
