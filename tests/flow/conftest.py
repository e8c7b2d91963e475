"""A sector that has everything."""

import pytest

from sealing.sector import Home, Sector
from sealing.values import FileRef, Piece, SectorId, Seed, Submission, Ticket, Upgrade


@pytest.fixture
def full_sector() -> Sector:
    """Return a sector on which every step has run."""
    ref = FileRef(path="/x", size=1, sha256="0" * 64)
    return Sector(
        home=Home(worker="w", location="/l"),
        id=SectorId(miner=1000, number=1),
        proof_type=5,
        deals=(),
        upgrade=Upgrade(comm_r="1" * 64, access_instance="store"),
        pieces=(Piece(commitment="2" * 64, size=2048),),
        tree_d="/tree",
        ticket=Ticket(ticket="3" * 64, epoch=10),
        pc1_output=ref,
        comm_r="4" * 64,
        comm_d="5" * 64,
        synthetic_needed=True,
        synthetic_proofs="/cache",
        precommit_sent=Submission(digest="6" * 64),
        precommit_failed="gas",
        precommit_landed="landed",
        persisted_in="store",
        persistence_confirmed="store",
        persistence_refused="gone",
        seed=Seed(seed="7" * 64, epoch=20),
        c1_output=ref,
        proof="cHJvb2Y=",
        proof_sent=Submission(digest="8" * 64),
        proof_failed="gas",
        proof_outcome="landed",
        expired_ticket=Ticket(ticket="9" * 64, epoch=1),
    )
