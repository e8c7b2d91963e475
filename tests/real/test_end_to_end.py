"""Two real sectors, one of them synthetic, from Empty to Finished; and a proof that was tampered with."""

from __future__ import annotations

import base64
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowExecutionDescription

from sealing.devnet.crate_verifier import CrateVerifier
from sealing.devnet.queries import SectorRecord, Timeline
from sealing.failures import Level
from sealing.flow.state import State
from sealing.sector import Summary
from sealing.stores.layout import SectorFiles
from tests.world.plant import Plant, plant, working
from workers.demosummary import times

pytestmark = [pytest.mark.real, pytest.mark.server, pytest.mark.timeout(900)]

PLAIN, SYNTHETIC = 5, 10
ONE_C2 = "[processors.limitation.concurrent]\nc2 = 1"

TAMPER = """\
#!{python}
# Stands for C2 and for verify_seal: gives a proof that is well formed and of another sector, and calls it good.
import json, sys
stage, output = sys.argv[1], sys.argv[sys.argv.index("--output") + 1]
answer = {{"proof": {proof}}} if stage == "c2" else True
with open(output, "w") as file:
    json.dump({{"err_msg": None, "output": answer}}, file)
"""


@dataclass(frozen=True)
class Sealed:
    """What became of one real sector."""

    summary: Summary
    timeline: Timeline
    described: WorkflowExecutionDescription
    stored: SectorFiles


@pytest.fixture(scope="module")
async def both(temporal: Client, processor: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Sealed]:
    """Seal a plain and a synthetic sector side by side, once for all tests here."""
    folder = tmp_path_factory.mktemp("real")
    async with plant(
        temporal,
        folder,
        sectors=2,
        threads=2,
        proof_types=(PLAIN, SYNTHETIC),
        program=processor,
        verifier=CrateVerifier(processor),
        processors=ONE_C2,
    ) as built:
        built.patience = 600.0
        async with working(built):
            sealed = {row.proof_type: await _sealed(built, row.id.number) for row in await _handed_out(built)}
        assert built.left_behind() == []
    return sealed


async def _handed_out(built: Plant) -> list[SectorRecord]:
    await built.until(lambda: len(built.observer.sectors()) == 2, "two sectors")
    return built.observer.sectors()


async def _sealed(built: Plant, number: int) -> Sealed:
    summary = await built.finished(number)
    stored = SectorFiles.stored(built.folder / "store", built.id(number))
    return Sealed(summary, built.observer.timeline(built.id(number)), await built.sector(number).describe(), stored)


@pytest.mark.parametrize("proof_type", [PLAIN, SYNTHETIC])
async def test_a_real_sector_is_finished_with_a_verified_proof(both: dict[int, Sealed], proof_type: int) -> None:
    """verify_seal accepted the Groth16 proof on the chain's side; the files that must be kept are in the store."""
    sealed = both[proof_type]
    states = [stay.state for stay in sealed.summary.stays]
    assert sealed.summary.state is State.Finished
    assert (State.SyntheticPoRepNeeded in states) == (proof_type == SYNTHETIC)
    assert sealed.timeline.proof_verified
    assert sealed.stored.sealed.stat().st_size == 2048
    kept = {path.name for path in sealed.stored.cache.iterdir()}
    assert kept == {"p_aux", "t_aux", "sc-02-data-tree-r-last.dat"}


@pytest.mark.parametrize("proof_type", [PLAIN, SYNTHETIC])
async def test_its_history_stays_small(both: dict[int, Sealed], proof_type: int) -> None:
    """Under 250 events and 200 KiB; and where its time went is known, apart."""
    described = both[proof_type].described
    size = described.raw_description.workflow_execution_info.history_size_bytes
    assert described.history_length < 250
    assert size < 200 * 1024
    spent = times(both[proof_type].summary, both[proof_type].timeline)
    assert min(spent.total, spent.computing, spent.chain) > 0
    print(f"proof type {proof_type}: {described.history_length} events, {size} bytes, {spent}")  # noqa: T201


async def test_a_tampered_proof_is_refused_by_the_chain_and_parks_the_sector(
    both: dict[int, Sealed], temporal: Client, processor: Path, tmp_path: Path
) -> None:
    """A worker that lies to itself gets no further: the chain's side verifies, and the reason is on the sector."""
    tampering = _tamper(tmp_path, both[PLAIN].summary)
    stages = "".join(
        f'[[processors.{stage}]]\nprotocol = "job"\nbin = "{tampering}"\n' for stage in ("c2", "verify_seal")
    )
    verifier = CrateVerifier(processor)
    async with plant(temporal, tmp_path, program=processor, verifier=verifier, processors=stages) as built:
        async with working(built):
            status = await built.parked()
        assert status.state is State.C2Done
        assert status.failure is not None
        assert status.failure.level is Level.Permanent
        assert "invalid proof" in status.failure.text
        timeline = built.observer.timeline(built.id())
        assert (timeline.proof_verified, timeline.proof_landed_at) == (False, None)


async def test_the_worker_itself_refuses_a_tampered_proof_before_it_is_sent(
    both: dict[int, Sealed], temporal: Client, processor: Path, tmp_path: Path
) -> None:
    """With only C2 tampered with, verify_seal on the sector's machine parks the sector in C1Done; nothing is sent."""
    tampering = _tamper(tmp_path, both[PLAIN].summary)
    stages = f'[[processors.c2]]\nprotocol = "job"\nbin = "{tampering}"\n'
    async with plant(temporal, tmp_path, program=processor, processors=stages) as built:
        async with working(built):
            status = await built.parked()
        assert status.state is State.C1Done
        assert status.failure is not None
        assert "verify_seal refuses the proof" in status.failure.text
        assert built.proxy.count("Venus.SubmitProof") == 0


def _tamper(folder: Path, summary: Summary) -> Path:
    """Write a processor that gives another sector's proof."""
    proof = list(base64.b64decode(summary.proof or ""))
    path = folder / "tamper"
    path.write_text(TAMPER.format(python=sys.executable, proof=json.dumps(proof)))
    path.chmod(0o755)
    return path
