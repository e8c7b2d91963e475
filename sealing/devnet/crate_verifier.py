"""Verification of real proofs by our crate, one child process a proof."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import tempfile
from pathlib import Path
from typing import Any

from sealing.cache import proof_environment
from sealing.devnet.verifier import VerifierError
from sealing.processors.tasks import StageTask, VerifySeal, VerifySnap
from sealing.proofs import prover_id, seal_proof

TASK, OUTPUT, LOG = "task.json", "output.json", "log"
OUTPUT_LIMIT = 1 << 16
"""Bytes of the crate's answer that are read; a whole one is below 100, unless it carries a long error."""
LOG_TAIL = 400
"""Bytes of the crate's log that go into an error."""
NOT_A_PROOF = (
    "not on curve",
    "point at infinity",
    "expected exactly",
    "Invalid proof bytes",
    "Invalid commitment",
    "Invalid all zero commitment",
)
"""Where the proof or a commitment cannot even be read, the library gives one of these errors instead of "false"."""


class CrateVerifier:
    """Runs ``seal-processor`` verify_seal and verify_snap.

    One at a time: the verifying keys of large sectors need memory.
    """

    def __init__(self, binary: Path, time_limit: float = 120.0) -> None:
        """Take the crate's program, and the seconds that it may take for one proof."""
        self._binary = binary
        self._time_limit = time_limit
        self._turn = asyncio.Lock()

    async def verify_seal(  # noqa: PLR0913 - as in Verifier
        self,
        *,
        proof_type: int,
        comm_r: bytes,
        comm_d: bytes,
        miner: int,
        number: int,
        ticket: bytes,
        seed: bytes,
        proof: bytes,
    ) -> bool:
        """Tell whether ``proof`` proves the sector. Raises VerifierError where the crate gives no answer."""
        task = VerifySeal(
            registered_proof=seal_proof(proof_type).name,
            comm_r=comm_r.hex(),
            comm_d=comm_d.hex(),
            prover_id=prover_id(miner).hex(),
            sector_id=number,
            ticket=ticket.hex(),
            seed=seed.hex(),
            proof=base64.b64encode(proof).decode(),
        )
        return await self._ask(task)

    async def verify_snap(
        self, *, proof_type: int, comm_r_old: bytes, comm_r_new: bytes, comm_d_new: bytes, proof: bytes
    ) -> bool:
        """Tell whether ``proof`` proves the upgrade. Raises VerifierError where the crate gives no answer."""
        task = VerifySnap(
            registered_proof=seal_proof(proof_type).update_name,
            proof=base64.b64encode(proof).decode(),
            comm_r_old=comm_r_old.hex(),
            comm_r_new=comm_r_new.hex(),
            comm_d_new=comm_d_new.hex(),
        )
        return await self._ask(task)

    async def _ask(self, task: StageTask[bool]) -> bool:
        async with self._turn:
            with tempfile.TemporaryDirectory(prefix="verify-") as name:
                folder = Path(name)
                try:
                    await asyncio.to_thread((folder / TASK).write_text, json.dumps(task.wire()))
                    status = await self._run(folder, task.stage)
                    return await asyncio.to_thread(_verdict, folder, task.stage, status)
                except OSError as error:
                    msg = f"{self._binary} {task.stage} could not be run: {error}"
                    raise VerifierError(msg) from error

    async def _run(self, folder: Path, stage: str) -> int:
        """Return the exit status. Whatever happens, no process is left."""
        with (folder / LOG).open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                self._binary,
                stage,
                *("--task", folder / TASK, "--output", folder / OUTPUT),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, **proof_environment()},
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(self._time_limit):
                return await process.wait()
        except TimeoutError:
            msg = f"{stage} gave no answer within {self._time_limit:g} s"
            raise VerifierError(msg) from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()


def _verdict(folder: Path, stage: str, status: int) -> bool:
    """Return what the crate said. True only for a plain true of a process that ended well."""
    answer = _answer(folder)
    error = answer.get("err_msg")
    if isinstance(error, str) and any(sign in error for sign in NOT_A_PROOF):
        return False
    if status == 0 and error is None and isinstance(answer.get("output"), bool):
        return bool(answer["output"])
    with (folder / LOG).open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_TAIL))
        tail = log.read().decode(errors="replace").strip()
    why = f"it said {error[:LOG_TAIL]}" if isinstance(error, str) else f"its log ends with: {tail or 'nothing'}"
    msg = f"{stage} gave no answer (exit status {status}); {why}"
    raise VerifierError(msg)


def _answer(folder: Path) -> dict[str, Any]:
    """Return the output file's object; an empty one where there is none that can be read."""
    try:
        with (folder / OUTPUT).open("rb") as file:
            answer = json.loads(file.read(OUTPUT_LIMIT))
    except (FileNotFoundError, ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}
