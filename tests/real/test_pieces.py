"""Client data staged by the crate: what the step puts into a sector is what the deals promise."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealing.failures import Permanent
from sealing.pieces.cid import commitment_of
from sealing.pieces.commitment import padded_size
from sealing.processors.processor import Processor
from sealing.values import Deal
from tests.pieces.adding import DATA, SIZE, Machine, data, filler
from tests.pieces.store import deal_of, piece_store
from tests.real.crate import Crate

pytestmark = pytest.mark.real

SIZES = [1, 2, 31, 32, 126, 127, 128, 253, 254, 255, 508, 509, 1015, 1016, 1017, 2031, DATA]


@pytest.fixture
def machine(crate: Crate, tmp_path: Path) -> Machine:
    """Give a machine with the crate."""
    return Machine(tmp_path, Processor("add_pieces", (str(crate.program),), crate.environment))


def plain(staged: bytes) -> bytes:
    """Return staged data without the bits that fill each 254 up to 256."""
    mask = (1 << 254) - 1
    found = bytearray()
    for at in range(0, len(staged), 128):
        nodes = [int.from_bytes(staged[at + node : at + node + 32], "little") & mask for node in range(0, 128, 32)]
        found += sum(bits << 254 * place for place, bits in enumerate(nodes)).to_bytes(127, "little")
    return bytes(found)


def filled(deal: Deal) -> tuple[Deal, ...]:
    """Return the pieces of a sector of which a deal's is the first: fillers, each as large as all before it."""
    sizes, used = [], deal.size
    while used < SIZE:
        sizes.append(used)
        used *= 2
    return (deal, *(filler(size) for size in sizes))


@pytest.mark.parametrize("length", SIZES)
async def test_data_of_every_size_is_staged(machine: Machine, length: int) -> None:
    """From one byte to the full sector, in the smallest piece that holds it, and in one as large as the sector."""
    for size in {padded_size(length), SIZE}:
        deal = machine.here(data(length), size)
        pieces = await machine.add(*filled(deal))
        assert pieces[0].commitment == commitment_of(deal.piece_cid)
        assert plain(machine.staged) == data(length) + bytes(DATA - length)


async def test_several_pieces_with_fillers_between(machine: Machine) -> None:
    """Local and from the manager; each where its size aligns it."""
    async with piece_store() as store:
        there = Machine(machine.folder, machine.program, store.address)
        far = data(300, seed=3)
        deals = there.here(data(120), 128), filler(128), filler(256), deal_of(far, 512), there.here(data(1000, 5), 1024)
        store.pieces[deals[3].piece_cid] = far
        pieces = await there.add(*deals)
    for index in (0, 3, 4):
        assert pieces[index].commitment == commitment_of(deals[index].piece_cid)
    staged = plain(there.staged)
    assert staged[:127] == data(120) + bytes(7)
    assert staged[508:1016] == far + bytes(208)
    assert staged[1016:] == data(1000, 5) + bytes(16)
    assert not there.files.pieces.exists()


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, DATA - 1), bit=st.integers(0, 7))
async def test_any_changed_bit_is_found_out(machine: Machine, at: int, bit: int) -> None:
    """The commitment in the piece CID leaves no room."""
    whole = data(DATA)
    deal = machine.here(whole)
    changed = bytearray(whole)
    changed[at] ^= 1 << bit
    (machine.pieces / deal.piece_cid).write_bytes(changed)
    with pytest.raises(Permanent, match=f"{deal.piece_cid}: the data from .* is not that piece"):
        await machine.add(deal)
    assert not machine.files.pieces.exists()


async def test_pieces_that_do_not_fill_the_sector_are_told(machine: Machine) -> None:
    """The manager gives fillers for the rest; if it does not, the reason is in the text."""
    with pytest.raises(Exception, match="fill 1024 of the sector's 2048 bytes: the rest must be pledge pieces"):
        await machine.add(machine.here(data(1000), 1024))
