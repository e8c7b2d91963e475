"""A real sector is upgraded with a client's data, the proof is verified, and the data comes back byte for byte."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from sealing.devnet.crate_verifier import CrateVerifier
from sealing.devnet.retrieve import retrieve
from sealing.flow.state import State
from tests.world.plant import plant, working
from workers.demosummary import times

pytestmark = [pytest.mark.real, pytest.mark.server, pytest.mark.timeout(900)]

CONTENT = bytes(number * number % 251 for number in range(1500))

TAMPER = """\
#!{python}
# Stands for snap_prove and for verify_snap: gives a proof that is well formed and of something else, and calls it good.
import json, sys
stage, output = sys.argv[1], sys.argv[sys.argv.index("--output") + 1]
with open(output, "w") as file:
    json.dump({{"err_msg": None, "output": {proof} if stage == "snap_prove" else True}}, file)
"""


async def test_a_real_upgrade(temporal: Client, processor: Path, tmp_path: Path) -> None:
    """A tampered proof is refused by the chain's side and aborts the upgrade; the deal then goes in rightly."""
    async with plant(temporal, tmp_path, program=processor, verifier=CrateVerifier(processor)) as built:
        built.patience = 600.0
        async with working(built):
            sealed = await built.finished()
        built.plan("snapup")
        deal = built.deal(CONTENT)
        honest = built.file.read_text()
        tampering = tmp_path / "tamper"
        proof = list(base64.b64decode(sealed.proof or ""))
        tampering.write_text(TAMPER.format(python=sys.executable, proof=json.dumps(proof)))
        tampering.chmod(0o755)
        stages = "".join(
            f'[[processors.{stage}]]\nprotocol = "job"\nbin = "{tampering}"\n'
            for stage in ("snap_prove", "verify_snap")
        )
        built.file.write_text(honest.replace("[temporal]", f"{stages}[temporal]"))
        async with working(built):
            with pytest.raises(WorkflowFailureError) as ended:
                await built.finished()
        assert isinstance(ended.value.cause, ApplicationError)
        assert "Rejected: invalid proof" in ended.value.cause.message
        assert built.observer.comm_r(built.id()) == sealed.comm_r, "the chain kept the old replica"

        built.file.write_text(honest)
        aborted = (await built.sector().describe()).run_id

        async def is_tried_again() -> bool:
            return (await built.sector().describe()).run_id != aborted

        async with working(built):
            await built.until(is_tried_again, "another upgrade of the sector to begin")
            upgraded = await built.finished()
        assert upgraded.state is State.Finished
        assert built.observer.comm_r(built.id()) == upgraded.comm_r != sealed.comm_r
        print(f"upgrade: {times(upgraded)}")  # noqa: T201
        target = tmp_path / "back"
        assert await retrieve(built.devnet.config, (str(processor),), deal.piece_cid, target) == len(CONTENT)
        assert target.read_bytes() == CONTENT
