"""The simulated processor keeps the contract, and is fast and deterministic."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sealing.processors.programs import SIMULATED
from sealing.processors.simulated_proof import simulated_proof
from sealing.processors.tasks import AddPieces, StageTask, VerifySeal
from sealing.proofs import prover_id

ONES = "01" * 32
ZERO_2KIB = "fc7e928296e516faade986b28f92d44a4f24b935485223376a799027bc18f833"
"""CommD of a 2 KiB sector of zeros, as the network knows it."""


def call(tmp_path: Path, task: StageTask[Any], env: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    """Run a stage and return its exit status and its output file."""
    (tmp_path / "task").write_text(json.dumps(task.wire()))
    argv = [*SIMULATED, task.stage, "--task", str(tmp_path / "task"), "--output", str(tmp_path / "output")]
    status = subprocess.run(argv, check=False, env=env or {}).returncode
    output = tmp_path / "output"
    return status, json.loads(output.read_text()) if output.exists() else {}


def verify(proof: bytes) -> VerifySeal:
    """Return a task that verifies ``proof``."""
    return VerifySeal(
        registered_proof="StackedDrg2KiBV1_1",
        comm_r=ONES,
        comm_d=ONES,
        prover_id=prover_id(1000).hex(),
        sector_id=5,
        ticket=ONES,
        seed=ONES,
        proof=base64.b64encode(proof).decode(),
    )


@pytest.mark.parametrize("size", ["2KiB", "8MiB"])
def test_zeros_have_their_real_commitment(tmp_path: Path, size: str) -> None:
    """The data commitment of a sector without pieces is the real one, so that the chain's check holds."""
    task = AddPieces(seal_proof_type=f"StackedDrg{size}V1_1", pieces=(), staged_filepath=str(tmp_path / "s" / "staged"))
    status, answer = call(tmp_path, task)
    (piece,) = task.read(answer["output"])
    assert status == 0
    assert piece.size == (tmp_path / "s" / "staged").stat().st_size
    node = bytes(32)
    for _ in range((piece.size // 32).bit_length() - 1):
        digest = hashlib.sha256(node * 2).digest()
        node = digest[:31] + bytes([digest[31] & 0x3F])
    assert piece.commitment == node.hex()
    if size == "2KiB":
        assert piece.commitment == ZERO_2KIB


def test_verifies_its_proofs(tmp_path: Path) -> None:
    """The proof over the same values is accepted, another is not."""
    ones = bytes([1] * 32)
    proof = simulated_proof(ones, ones, prover_id(1000), 5, ones, ones)
    assert len(proof) == 192
    assert call(tmp_path, verify(proof)) == (0, {"err_msg": None, "output": True})
    assert call(tmp_path, verify(proof[::-1])) == (0, {"err_msg": None, "output": False})


def test_fails_as_told(tmp_path: Path) -> None:
    """A test can make a stage fail so many times; the failure is written as the contract says."""
    wanted = tmp_path / "wanted.json"
    wanted.write_text(json.dumps({"verify_seal": {"fail": "why not", "times": 1}}))
    env = {"SEALFLOW_SIMULATED": str(wanted)}
    assert call(tmp_path, verify(b""), env) == (1, {"err_msg": "why not", "output": None})
    assert call(tmp_path, verify(b""), env) == (0, {"err_msg": None, "output": False})


@pytest.mark.parametrize(("how", "status"), [({"exit": 4}, 4), ({"signal": 9}, -9)])
def test_ends_as_told(tmp_path: Path, how: dict[str, int], status: int) -> None:
    """A test can make a stage end in any way, without an output."""
    wanted = tmp_path / "wanted.json"
    wanted.write_text(json.dumps({"verify_seal": how}))
    assert call(tmp_path, verify(b""), {"SEALFLOW_SIMULATED": str(wanted)}) == (status, {})


def test_wrong_usage() -> None:
    """A stage that it does not have ends with the contract's status for wrong usage."""
    found = subprocess.run([*SIMULATED, "nothing", "--task", "x", "--output", "y"], check=False, capture_output=True)
    assert found.returncode == 2
    assert b"nothing" in found.stderr


def test_needs_only_the_standard_library() -> None:
    """It imports nothing of ours but the proof beside it: it starts in no time, also thousands of times."""
    code = f"import sys, runpy; sys.argv=['x','--help']\ntry: runpy.run_path({SIMULATED[-1]!r}, run_name='__main__')\n"
    code += "except SystemExit: print(*[name for name in sys.modules if name.split('.')[0] in ('sealing','pydantic')])"
    found = subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True, capture_output=True, text=True)
    assert not found.stdout.splitlines()[-1]
