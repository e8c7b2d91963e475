"""Each stage of the crate, on sectors of 2 KiB, in the order in which a sector meets them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealing.devnet.crate_verifier import CrateVerifier
from sealing.proofs import prover_id
from sealing.stores.layout import P_AUX, T_AUX, TREE_D, tree_r_last_names
from tests.real.crate import Crate
from tests.real.proofs import WELL_FORMED, flipped
from tests.real.sector import (
    DATA,
    HALF,
    MINER,
    NODE,
    NUMBER,
    PAYLOAD,
    PLAIN,
    SEED,
    SIZE,
    SYNTHETIC,
    TICKET,
    Sector,
    Upgraded,
    client_data,
)

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

PROOF_BYTES = 192
OTHER = [1] * NODE
"""Randomness, or a commitment, of nothing here."""
TREE_NODES = 2 * SIZE // NODE - 1


@pytest.fixture(scope="module")
def sector(crate: Crate, tmp_path_factory: pytest.TempPathFactory) -> Sector:
    """Give a sector with two pieces of data."""
    return Sector(crate, tmp_path_factory.mktemp("sector"), data=client_data())


@pytest.fixture(scope="module")
def synthetic(crate: Crate, tmp_path_factory: pytest.TempPathFactory) -> Sector:
    """Give a sector without data and with a synthetic proof."""
    return Sector(crate, tmp_path_factory.mktemp("synthetic"), SYNTHETIC)


@pytest.fixture(scope="module")
def upgraded(crate: Crate, synthetic: Sector, tmp_path_factory: pytest.TempPathFactory) -> Upgraded:
    """Give that sector with data put in later."""
    return Upgraded(synthetic, Sector(crate, tmp_path_factory.mktemp("new-data"), data=client_data()))


def test_add_pieces_writes_the_data_padded(sector: Sector) -> None:
    """Of every 32 bytes two bits are padding: the file is as long as the sector, the pieces' sizes are unpadded."""
    assert [info["size"] for info in sector.infos] == [HALF, HALF]
    staged = sector.content("unsealed")
    assert len(staged) == SIZE
    assert staged[: NODE - 1] == sector.data[: NODE - 1]


def test_piece_commitment_is_that_of_add_pieces(sector: Sector) -> None:
    """A piece by itself has the commitment that it has in its sector, whatever its data's length."""
    alone = [sector.job("piece_commitment", {"seal_proof_type": PLAIN, **piece}) for piece in sector.pieces]
    assert alone == sector.infos
    assert alone[0]["commitment"] != alone[1]["commitment"]


def test_tree_d_ends_in_comm_d(sector: Sector) -> None:
    """The tree's root, its file's last node, is the commitment that PC1 and PC2 answer."""
    assert sector.labels["comm_d"] == sector.sealed["comm_d"]
    tree = sector.content(f"cache/{TREE_D}")
    assert len(tree) == TREE_NODES * NODE
    assert list(tree[-NODE:]) == sector.sealed["comm_d"]


def test_pc1_leaves_the_layers_and_a_plain_copy(sector: Sector) -> None:
    """Each layer is as long as the sector; the sealed file holds the data until PC2."""
    assert sector.labels["registered_proof"] == PLAIN
    layers = [sector.content(f"cache/sc-02-data-layer-{layer}.dat") for layer in (1, 2)]
    assert [len(layer) for layer in layers] == [SIZE, SIZE]
    assert sector.replica_of_pc1 == sector.content("unsealed")


def test_pc2_encodes_the_replica(sector: Sector) -> None:
    """The replica is not the data, and what is persisted is there."""
    assert len(sector.sealed["comm_r"]) == NODE
    replica = sector.content("sealed")
    assert len(replica) == SIZE
    assert replica != sector.content("unsealed")
    for name in (P_AUX, T_AUX, *tree_r_last_names(SIZE)):
        assert sector.content(f"cache/{name}")


def test_c1_answers_the_seed(sector: Sector) -> None:
    """Its output names all that C2 proves; a large one, which later tasks name by its file."""
    for name, value in (("seed", SEED), ("ticket", TICKET), ("comm_r", sector.sealed["comm_r"])):
        assert sector.challenged[name] == value
    assert sector.challenged["vanilla_proofs"]


def test_c1_of_another_replica_fails(sector: Sector, tmp_path: Path) -> None:
    """Vanilla proofs are checked when they are made: a replica that is not comm_r's is noticed here."""
    task = {**sector.replica, "seed": SEED, "comm_r": OTHER}
    assert sector.crate.job(tmp_path, "c1", task).error == "Invalid vanilla proof generated"


@pytest.mark.usefixtures("porep_parameters")
def test_c2_makes_a_proof_that_verifies(sector: Sector) -> None:
    """192 bytes that verify_seal accepts for this sector."""
    assert len(sector.sealing_proof) == PROOF_BYTES
    assert sector.job("verify_seal", {**sector.claim, "proof": sector.sealing_proof}) is True


@pytest.mark.usefixtures("porep_parameters")
@pytest.mark.parametrize(
    "other",
    [
        {"seed": OTHER},
        {"ticket": OTHER},
        {"sector_id": NUMBER + 1},
        {"prover_id": list(prover_id(MINER + 1))},
        {"comm_r": OTHER},
        {"comm_d": OTHER},
        {"proof": WELL_FORMED},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_proof_verifies_for_its_sector_only(sector: Sector, other: dict[str, object]) -> None:
    """One thing changed, and verify_seal says false."""
    claim = {**sector.claim, "proof": sector.sealing_proof, **other}
    assert sector.job("verify_seal", claim) is False


@pytest.mark.usefixtures("porep_parameters")
async def test_the_chain_refuses_a_proof_with_any_bit_flipped(sector: Sector) -> None:
    """Mostly it is no proof at all then, which the stage says as an error: still a plain no to whoever submitted it."""
    verifier, claim = CrateVerifier(sector.crate.program), sector.claim

    async def accepted(proof: list[int]) -> bool:
        return await verifier.verify_seal(
            proof_type=5,
            comm_r=bytes(claim["comm_r"]),
            comm_d=bytes(claim["comm_d"]),
            miner=MINER,
            number=NUMBER,
            ticket=bytes(TICKET),
            seed=bytes(SEED),
            proof=bytes(proof),
        )

    proof = sector.sealing_proof
    assert await accepted(proof)
    for point in (0, 48, 144):  # where a point begins, with its three flags
        for bit in (0, 1, 2, 3, 7, 200):
            assert not await accepted(flipped(proof, point * 8 + bit))
    for wrong in ([], proof[:-1], [*proof, 0], proof * 2, [0] * PROOF_BYTES, [255] * PROOF_BYTES):
        assert not await accepted(wrong)


def test_unseal_gives_the_data_back(sector: Sector) -> None:
    """All of it, or one piece, as the client gave it."""
    assert sector.unsealed(0, DATA) == sector.data
    assert sector.unsealed(HALF, HALF) == sector.data[HALF:]
    assert sector.unsealed(0, PAYLOAD) == sector.data[:PAYLOAD]


def test_synthetic_proofs_stand_for_the_layers(synthetic: Sector) -> None:
    """Once they are made, the vanilla proofs for the seed come from them, though the layers are gone."""
    assert synthetic.job("synthetic_proofs", synthetic.replica) is True
    for layer in (1, 2):
        (synthetic.folder / "cache" / f"sc-02-data-layer-{layer}.dat").unlink()
    assert synthetic.challenged["registered_proof"] == SYNTHETIC


def test_snap_encode_puts_data_into_a_sealed_sector(upgraded: Upgraded) -> None:
    """The new replica commits to the new data and leaves the old one as it was."""
    before = upgraded.old.content("sealed") if upgraded.old.sealed else b""
    new = upgraded.encoded
    assert new["comm_d_new"] != upgraded.old.sealed["comm_d"]
    assert new["comm_r_new"] != upgraded.old.sealed["comm_r"]
    assert len(upgraded.old.content("update")) == SIZE
    assert upgraded.old.content("sealed") == before


def test_snap_vanilla_proves_the_encoding(upgraded: Upgraded) -> None:
    """A vanilla proof for each partition, of which 2 KiB have one."""
    assert [bool(proof) for proof in upgraded.vanilla] == [True]


@pytest.mark.usefixtures("update_parameters")
def test_snap_prove_makes_a_proof_that_verifies(upgraded: Upgraded) -> None:
    """192 bytes that verify_snap accepts for this upgrade."""
    assert len(upgraded.proof) == PROOF_BYTES
    assert upgraded.old.job("verify_snap", {**upgraded.claim, "proof": upgraded.proof}) is True


@pytest.mark.usefixtures("update_parameters")
@pytest.mark.parametrize(
    "other",
    [{"comm_r_old": OTHER}, {"comm_r_new": OTHER}, {"comm_d_new": OTHER}, {"proof": WELL_FORMED}],
    ids=lambda other: next(iter(other)),
)
def test_a_snap_proof_verifies_for_its_upgrade_only(upgraded: Upgraded, other: dict[str, object]) -> None:
    """One thing changed, and verify_snap says false."""
    claim = {**upgraded.claim, "proof": upgraded.proof, **other}
    assert upgraded.old.job("verify_snap", claim) is False


def test_snap_decode_gives_the_data_back(upgraded: Upgraded) -> None:
    """The file that add_pieces wrote, byte for byte."""
    task = {
        "registered_proof": upgraded.claim["registered_proof"],
        "comm_d_new": upgraded.claim["comm_d_new"],
        "out_path": upgraded.old.path("decoded"),
        **upgraded.files,
    }
    assert upgraded.old.job("snap_decode", task) is True
    assert upgraded.old.content("decoded") == upgraded.new.content("unsealed")
