"""Commitments to data, beside the crate's own."""

from __future__ import annotations

import itertools
import random
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealing.cache import ProgramMissingError, find_processor
from sealing.pieces.commitment import PieceHash, data_commitment, padded_size, zero_commitment
from sealing.processors.tasks import unpadded
from tests.needs import missing
from tests.real.crate import Crate

SECTOR = 2048
SIZES = [*range(1, 4), *range(125, 131), *range(253, 257), 508, 509, 1000, 1016, 1017, 2030, 2031, 2032]
KNOWN = {
    2 << 10: "fc7e928296e516faade986b28f92d44a4f24b935485223376a799027bc18f833",
    8 << 20: "65f29e5d98d246c38b388cfc06db1f6b021303c5a289000bdce832a9c3ec421c",
    512 << 20: "39560e7b13a93b07a243fd2720ffa7cb3e1d2e505ab3629e79f46313512cda06",
    32 << 30: "077e5fde35c50a9303a55009e3498a4ebedff39c42b710b730d8ec7ac7afa63e",
    64 << 30: "e64005a6bfe3777953b8ad6ef93f0fca1049b2041654f2a411f7702799cece02",
}
"""The network's commitments of empty sectors, as lotus lists them."""


@pytest.fixture(scope="module")
def crate(tmp_path_factory: pytest.TempPathFactory) -> Crate:
    """Return the crate's program."""
    try:
        return Crate(find_processor(), tmp_path_factory.mktemp("temporary"))
    except ProgramMissingError as error:
        missing(str(error), "make setup")


def of(data: bytes, size: int | None = None) -> str:
    """Return the commitment of data that comes at once."""
    piece = PieceHash()
    piece.update(data)
    return piece.commitment(size).hex()


@pytest.mark.parametrize(("size", "commitment"), KNOWN.items())
def test_zeros_have_their_known_commitment(size: int, commitment: str) -> None:
    """An empty sector's CommD is the network's."""
    assert zero_commitment(size).hex() == commitment
    assert data_commitment([], size).hex() == commitment


def test_a_piece_is_the_smallest_that_holds_its_data() -> None:
    """127 bytes fill 128; one more needs the next power of two."""
    expected = {0: 128, 1: 128, 127: 128, 128: 256, 254: 256, 255: 512, 2032: 2048, 2033: 4096}
    assert {payload: padded_size(payload) for payload in expected} == expected


@pytest.mark.real
def test_commitments_are_the_crates(tmp_path: Path, crate: Crate) -> None:
    """Data of many sizes commits to what the library says that it has put into the sector, and so does its CommD."""
    chance = random.Random(5)  # noqa: S311 - data of a test
    for payload in SIZES:
        data = chance.randbytes(payload)
        (tmp_path / "data").write_bytes(data)
        size = padded_size(payload)
        fillers = [size << step for step in range((SECTOR // size).bit_length() - 1)]
        pieces = [
            {"piece_file": {"local": str(tmp_path / "data")}, "payload_size": payload, "piece_size": unpadded(size)},
            *({"piece_file": "pledge", "payload_size": 0, "piece_size": unpadded(filler)} for filler in fillers),
        ]
        added = crate.job(
            tmp_path,
            "add_pieces",
            {
                "seal_proof_type": "StackedDrg2KiBV1_1",
                "pieces": pieces,
                "staged_filepath": str(tmp_path / "staged"),
            },
        ).output
        assert bytes(added[0]["commitment"]).hex() == of(data), payload
        assert [bytes(piece["commitment"]) for piece in added[1:]] == [zero_commitment(size) for size in fillers]


@pytest.mark.real
def test_a_large_piece_commits_to_what_the_crate_says(tmp_path: Path, crate: Crate) -> None:
    """Some megabytes in parts of odd lengths, in a piece that is larger than need be."""
    data = random.Random(6).randbytes(1_234_567)  # noqa: S311 - data of a test
    (tmp_path / "data").write_bytes(data)
    task = {
        "seal_proof_type": "StackedDrg8MiBV1_1",
        "piece_file": {"local": str(tmp_path / "data")},
        "payload_size": len(data),
        "piece_size": unpadded(8 << 20),
    }
    expected = bytes(crate.job(tmp_path, "piece_commitment", task).output["commitment"]).hex()
    piece = PieceHash()
    for start in range(0, len(data), 10_007):
        piece.update(data[start : start + 10_007])
    assert piece.payload == len(data)
    assert piece.commitment(8 << 20).hex() == expected


@given(st.binary(max_size=1200), st.lists(st.integers(0, 1200), max_size=6))
def test_how_data_is_cut_changes_nothing(data: bytes, cuts: list[int]) -> None:
    """The parts in which data comes do not show; zeros at its end neither, as long as the piece is of that size."""
    piece = PieceHash()
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    for start, end in itertools.pairwise(places):
        piece.update(data[start:end])
    assert piece.commitment(SECTOR).hex() == of(data, SECTOR)
    assert of(data + b"\0", SECTOR) == of(data, SECTOR)


@given(st.binary(min_size=1, max_size=500), st.integers(0, 4000))
def test_every_bit_counts(data: bytes, bit: int) -> None:
    """One bit changed is another commitment."""
    place = bit % (8 * len(data))
    changed = bytearray(data)
    changed[place // 8] ^= 1 << place % 8
    assert of(bytes(changed)) != of(data)


@given(st.lists(st.sampled_from([128, 256, 512]), max_size=3), st.binary(min_size=1, max_size=120))
def test_commd_is_the_commitment_of_the_data_at_its_places(sizes: list[int], data: bytes) -> None:
    """The pieces' root is the root of the staged bytes as one piece: alignment and fillers are the tree's own."""
    staged, end, pieces = bytearray(unpadded(SECTOR)), 0, []
    for size in sizes:
        start = -(-end // size) * size
        end = start + size
        place = unpadded(start)
        staged[place : place + len(data)] = data
        pieces.append((size, bytes.fromhex(of(data, size))))
    assert data_commitment(pieces, SECTOR).hex() == of(bytes(staged), SECTOR)


def test_what_does_not_fit_is_refused() -> None:
    """Data beyond the piece, and pieces beyond the sector, are errors."""
    with pytest.raises(ValueError, match="larger than 128 bytes"):
        of(b"x" * 128, 128)
    with pytest.raises(ValueError, match="larger than 256 bytes"):
        data_commitment([(128, b"\1" * 32), (256, b"\2" * 32)], 256)


def test_memory_does_not_grow_with_the_data() -> None:
    """Two megabytes go through a few kilobytes."""
    piece, part = PieceHash(), bytes(1 << 14)
    tracemalloc.start()
    for _ in range(128):
        piece.update(part)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 17
    assert piece.commitment() == zero_commitment(4 << 20)


def test_a_small_piece_takes_no_time() -> None:
    """A piece of 2 KiB is done within a few milliseconds, also when the machine is busy."""
    began = time.process_time()
    of(b"x" * 2032)
    assert time.process_time() - began < 0.05
