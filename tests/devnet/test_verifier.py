"""Verifiers: the crate's program run as a child, and the simulated one."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import time
from pathlib import Path

import pytest

from sealing.devnet.crate_verifier import CrateVerifier
from sealing.devnet.verifier import SimulatedVerifier, VerifierError
from sealing.values import SectorId, Seed, Ticket
from tests.devnet.world import COMM_D, COMM_R, proof_for

CLAIM = {
    "proof_type": 5,
    "comm_r": bytes.fromhex(COMM_R),
    "comm_d": bytes.fromhex(COMM_D),
    "miner": 1000,
    "number": 7,
    "ticket": b"\3" * 32,
    "seed": b"\4" * 32,
}


def crate(folder: Path, script: str) -> Path:
    """Return a program that stands in for the crate; ``$3`` is its task file, ``$5`` its output file."""
    program = folder / "seal-processor"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


async def verify(program: Path, time_limit: float = 20.0) -> bool:
    """Verify some proof."""
    return await CrateVerifier(program, time_limit).verify_seal(**CLAIM, proof=b"\5" * 192)  # type: ignore[arg-type]


async def test_the_crate_is_given_the_whole_claim(tmp_path: Path) -> None:
    """The task file has every field of the stage, commitments and ids as lists of integers."""
    program = crate(tmp_path, f"""cp "$3" {tmp_path}/task; echo '{{"err_msg":null,"output":true}}' > "$5" """)
    assert await verify(program)
    task = json.loads((tmp_path / "task").read_text())
    assert task == {
        "registered_proof": "StackedDrg2KiBV1_1",
        "comm_r": list(bytes.fromhex(COMM_R)),
        "comm_d": list(bytes.fromhex(COMM_D)),
        "prover_id": [0xE8, 7] + [0] * 30,
        "sector_id": 7,
        "ticket": [3] * 32,
        "seed": [4] * 32,
        "proof": [5] * 192,
    }


@pytest.mark.parametrize(
    "answer",
    [
        '{"err_msg":null,"output":false}',
        '{"err_msg":"not on curve","output":null}',
        '{"err_msg":"Invalid commitment (comm_r)","output":null}',
    ],
)
async def test_what_the_crate_refuses_is_refused(tmp_path: Path, answer: str) -> None:
    """A plain false is a no, and so is a proof or a commitment that cannot be read at all."""
    assert not await verify(crate(tmp_path, f"""echo '{answer}' > "$5" """))


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("exit 0", "exit status 0"),
        ("echo boom >&2; exit 3", "boom"),
        ("kill -9 $$", "exit status -9"),
        ("""echo '{"err_msg":null,"output":true}' > "$5"; exit 1""", "exit status 1"),
        ("""echo '{"err_msg":"no parameters","output":true}' > "$5" """, "no parameters"),
        ("""echo '{"err_msg":null,"output":"true"}' > "$5" """, "no answer"),
        ("""echo '{"err_msg":null,"output":1}' > "$5" """, "no answer"),
        ("""echo 'true' > "$5" """, "no answer"),
        ("""echo '{"err_msg":null,"outp' > "$5" """, "no answer"),
        ("""head -c 1000000 /dev/zero > "$5" """, "no answer"),
        ("""mkdir "$5" """, "could not be run"),
    ],
)
async def test_a_crate_without_a_plain_answer_is_an_error(tmp_path: Path, script: str, says: str) -> None:
    """A crash, an error or rubbish says nothing about the proof, and never lets it pass."""
    with pytest.raises(VerifierError, match=says):
        await verify(crate(tmp_path, script))


async def test_a_crate_that_hangs_is_stopped(tmp_path: Path) -> None:
    """After the time limit the program is killed with all that it started."""
    program = crate(tmp_path, f"sleep 100 & echo $! > {tmp_path}/pid; wait")
    with pytest.raises(VerifierError, match=r"within 0\.5 s"):
        await verify(program, time_limit=0.5)
    child = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while _alive(child) and time.monotonic() < deadline:  # noqa: ASYNC110 - another process's end
        await asyncio.sleep(0.01)
    assert not _alive(child)


async def test_a_missing_crate_is_said(tmp_path: Path) -> None:
    """The error names the program."""
    with pytest.raises(VerifierError, match="nowhere"):
        await verify(tmp_path / "nowhere")


async def test_the_simulated_verifier_takes_only_the_simulated_proof() -> None:
    """Its proof depends on the whole claim: a change of any part is noticed."""
    ticket, seed = Ticket(ticket="03" * 32, epoch=1), Seed(seed="04" * 32, epoch=2)
    proof = base64.b64decode(proof_for(SectorId(miner=1000, number=7), ticket, seed))
    verifier = SimulatedVerifier()
    assert len(proof) == 192
    assert await verifier.verify_seal(**CLAIM, proof=proof)  # type: ignore[arg-type]
    assert not await verifier.verify_seal(**CLAIM, proof=b"\5" + proof[1:])  # type: ignore[arg-type]
    for name, other in (("comm_r", b"\1" * 32), ("miner", 1001), ("number", 8), ("ticket", b"\1" * 32), ("seed", b"")):
        assert not await verifier.verify_seal(**{**CLAIM, name: other}, proof=proof)  # type: ignore[arg-type]


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"
