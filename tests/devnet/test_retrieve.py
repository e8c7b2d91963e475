"""A client's data comes back byte for byte: from sealed and from upgraded sectors."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.client import Client

from sealing.pieces.commitment import PADDED, UNPADDED, data_of
from sealing.processors.simulated import bit_padded
from tests.operate.command import Ran, sealflow
from tests.world.plant import Plant, plant, working

CONTENTS = (b"x", bytes(range(256)), b"what a client wants to have back " * 20)


@given(st.binary(min_size=1, max_size=20 * UNPADDED))
def test_bit_padding_goes_away_again(data: bytes) -> None:
    """What stands in a sector is the data with two bits after every 254, whatever its length."""
    blocks = -(-len(data) // UNPADDED)
    padded = bit_padded(data)
    assert len(padded) == blocks * PADDED
    assert data_of(padded)[: len(data)] == data


def devnet_file(built: Plant) -> Path:
    """Write the embedded manager's configuration, as its command line reads it."""
    file = built.folder / "devnet.json"
    file.write_text(built.devnet.config.model_copy(update={"verifier": "simulated"}).model_dump_json())
    return file


async def retrieved(built: Plant, cid: str, target: Path, *more: str) -> Ran:
    """Run ``sealflow devnet retrieve``."""
    return await sealflow(built, "devnet", "-c", str(devnet_file(built)), "retrieve", cid, "-o", str(target), *more)


@pytest.mark.server
async def test_data_comes_back_from_a_sealed_sector(temporal: Client, tmp_path: Path) -> None:
    """Several pieces with fillers between them; each is decoded, cut out, and compared with its CID."""
    sealing = "enable_deals = true"
    async with plant(temporal, tmp_path, sealing=sealing) as built:
        deals = [built.deal(content) for content in CONTENTS]
        target = tmp_path / "back"
        early = await retrieved(built, deals[0].piece_cid, target)
        assert (early.status, early.out) == (1, "")
        assert "is in no sector on chain yet (deal 1 is free)" in early.err
        async with working(built):
            await built.finished()
        for deal, content in zip(deals, CONTENTS, strict=True):
            ran = await retrieved(built, deal.piece_cid, target, "--force")
            assert (ran.status, ran.err) == (0, "")
            assert target.read_bytes() == content
        refused = await retrieved(built, deals[0].piece_cid, target)
        assert refused.status == 1
        assert "is there already" in refused.err
        unknown = await retrieved(built, "baga6ea4seaqnothing", tmp_path / "none")
        assert unknown.status == 1
        assert "there is no deal of piece" in unknown.err
        assert not (tmp_path / "none").exists()


@pytest.mark.server
async def test_data_comes_back_from_an_upgraded_sector(temporal: Client, tmp_path: Path) -> None:
    """From the new replica and the old one; without the old one it says which file is missing."""
    async with plant(temporal, tmp_path) as built:
        async with working(built):
            await built.finished()
        built.plan("snapup")
        deals = [built.deal(content) for content in CONTENTS]
        async with working(built):
            await built.finished()
        target = tmp_path / "back"
        for deal, content in zip(deals, CONTENTS, strict=True):
            ran = await retrieved(built, deal.piece_cid, target, "--force")
            assert (ran.status, ran.err) == (0, "")
            assert target.read_bytes() == content
        update = tmp_path / "store" / "update" / str(built.id())
        whole = update.read_bytes()
        update.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
        broken = await retrieved(built, deals[-1].piece_cid, tmp_path / "broken")
        first = await retrieved(built, deals[0].piece_cid, tmp_path / "first")
        assert 1 in {broken.status, first.status}
        assert "the stored files are broken" in broken.err + first.err
        (tmp_path / "store" / "sealed" / str(built.id())).unlink()
        gone = await retrieved(built, deals[0].piece_cid, tmp_path / "gone")
        assert gone.status == 1
        assert f"sealed/{built.id()}: not there" in gone.err
