"""A processor that only looks like one, for load tests and workflow tests. A program, not a module of ours.

Run as ``python -B -I -S simulated.py <stage> --task FILE --output FILE``: the standard library alone, so that it starts
in no time. It keeps the contract of the real one, writes files of the right names and sizes, and its commitments
depend on its inputs. What the real one cannot repeat, it cannot either: PC2 encodes the sealed file in place.

SEALFLOW_SIMULATED names a JSON file, read at each start, that makes stages misbehave half-way through their work:
``{stage: {"seconds": 1.5, "fail": "message" | "exit": 4 | "signal": 9 | "rubbish": true | "hang": true, "times": 2}}``.
``seconds`` is how long the stage takes, or ``until`` names a file whose appearance ends it; ``times`` how many of its
starts are slow or misbehave, without it all. Beside that file is ``<name>.counts``, in which the starts of each stage
are counted.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pieces"))
from commitment import (  # type: ignore[import-not-found]  # near us: -I hides it
    PieceHash,
    data_commitment,
    data_of,
    zero_commitment,
)
from simulated_proof import simulated_proof, simulated_snap_proof  # type: ignore[import-not-found]  # beside us, as well

NODE = 32
DATA = 127
"""Bytes of data in four nodes."""
BLOCK = 128
"""Bytes of four nodes."""
CHUNK = 1 << 20
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
LAYERS = 2
TREE_D = "sc-02-data-tree-d.dat"
Task = dict[str, Any]


class Failed(Exception):
    """The stage failed; its text becomes err_msg."""


def sector_size(proof: str) -> int:
    """Return the bytes of a sector of a proof such as StackedDrg2KiBV1_1."""
    digits = proof.removeprefix("StackedDrg").partition("iB")[0]
    return int(digits[:-1]) * UNITS[digits[-1] + "iB"]


def pieces_of(task: Task) -> list[tuple[int, bytes]]:
    """Return the task's pieces as (padded size, commitment)."""
    return [(piece["size"] // 127 * 128, bytes(piece["commitment"])) for piece in task["piece_infos"]]


def digest(path: str | Path, *parts: bytes) -> bytes:
    """Return 32 bytes, fit for a commitment, of a file's content and ``parts``."""
    with Path(path).open("rb") as file:
        found = hashlib.file_digest(file, "sha256")
    for part in parts:
        found.update(part)
    return found.digest()[:31] + b"\0"


def add_pieces(task: Task) -> object:
    """Write the pieces' data; none means zeros that fill the sector."""
    size = sector_size(task["seal_proof_type"])
    Path(task["staged_filepath"]).parent.mkdir(parents=True, exist_ok=True)
    infos, used = [], 0
    with Path(task["staged_filepath"]).open("wb") as staged:
        for piece in task["pieces"] or [{"piece_file": "pledge", "piece_size": size // 128 * 127}]:
            length = piece["piece_size"] // 127 * 128
            commitment = zero_commitment(length)
            if piece["piece_file"] != "pledge":
                data, whole = payload_of(piece), PieceHash()
                whole.update(data)
                commitment = whole.commitment(length)
                staged.seek(-(-used // length) * length)
                staged.write(bit_padded(data))
            used = -(-used // length) * length + length
            infos.append({"commitment": list(commitment), "size": piece["piece_size"]})
        misbehave()
        staged.truncate(size)
    return infos


def payload_of(piece: Task) -> bytes:
    """Return a piece's data, without what it is filled up with."""
    path, size = Path(piece["piece_file"]["local"]), piece["payload_size"]
    data = path.read_bytes()[:size]
    if not len(data) == size <= piece["piece_size"]:
        raise Failed(f"{path} has {len(data)} bytes, the payload {size}, the piece {piece['piece_size']}")
    return data


def bit_padded(data: bytes) -> bytes:
    """Return data as it stands in a sector: each 254 bits as a node of 256, four nodes at a time."""
    nodes = bytearray()
    for at in range(0, len(data), DATA):
        bits = int.from_bytes(data[at : at + DATA], "little")
        for _ in range(4):
            nodes += (bits & ((1 << 254) - 1)).to_bytes(NODE, "little")
            bits >>= 254
    return bytes(nodes)


def tree_d(task: Task) -> object:
    """Write a file of a tree's size that depends on the data."""
    misbehave()
    size = sector_size(task["registered_proof"])
    Path(task["cache_dir"]).mkdir(parents=True, exist_ok=True)
    with Path(task["cache_dir"], TREE_D).open("wb") as tree:
        tree.write(digest(task["staged_file"]))
        tree.truncate(2 * size - NODE)
    return True


def replica_id(task: Task) -> bytes:
    """Return the bytes that a sector's labels depend on."""
    sector = int(task["sector_id"]).to_bytes(8, "little")
    return hashlib.sha256(b"labels" + bytes(task["prover_id"]) + sector + bytes(task["ticket"])).digest()


def pc1(task: Task) -> object:
    """Copy the data and write the layers, those that are not there yet."""
    size, cache = sector_size(task["registered_proof"]), Path(task["cache_path"])
    if not Path(task["out_path"]).is_file():
        raise Failed("out_path must be a file")
    with Path(task["in_path"]).open("rb") as data, Path(task["out_path"]).open("wb") as replica:
        while chunk := data.read(CHUNK):
            replica.write(chunk)
    comm_d, label = data_commitment(pieces_of(task), size), replica_id(task)
    for layer in range(1, LAYERS + 1):
        path = cache / f"sc-02-data-layer-{layer}.dat"
        if not path.exists():  # as the real one: a layer that is there is taken for right
            temporary = path.with_suffix(".tmp")
            temporary.write_bytes(layer_of(label, layer, size))
            temporary.rename(path)
        if layer == 1:
            misbehave()
    labels = {"labels": [{"path": str(cache), "id": f"layer-{layer}"} for layer in range(1, LAYERS + 1)]}
    return {
        "registered_proof": task["registered_proof"],
        "labels": {"StackedDrg": labels},
        "config": {"path": str(cache), "id": "tree-d", "size": 2 * size // NODE - 1},
        "comm_d": list(comm_d),
    }


def layer_of(label: bytes, layer: int, size: int) -> bytes:
    """Return the labels of one layer."""
    return (hashlib.sha256(label + bytes([layer])).digest() * (size // NODE))[:size]


def pc2(task: Task) -> object:
    """Encode the sealed file in place by the last layer, and write what is persisted."""
    out, cache = task["pc1out"], Path(task["cache_dir"])
    size, proof = sector_size(out["registered_proof"]), out["registered_proof"]
    with (cache / f"sc-02-data-layer-{LAYERS}.dat").open("rb") as labels, Path(task["sealed_file"]).open("r+b") as file:
        half = size // 2
        encode(labels, file, half)
        misbehave()
        encode(labels, file, size - half)
    comm_r = digest(task["sealed_file"], bytes(out["comm_d"]))
    (cache / "t_aux").write_bytes(json.dumps(out["config"]).encode())
    write_trees(cache, comm_r, size)
    return {"registered_proof": proof, "comm_r": list(comm_r), "comm_d": out["comm_d"]}


def encode(labels: BinaryIO, file: BinaryIO, length: int) -> None:
    """Add labels to the next ``length`` bytes of the data in place, and let them be seen at once."""
    while length:
        start = file.tell()
        data, keys = file.read(min(CHUNK, length)), labels.read(min(CHUNK, length))
        if not data or len(data) != len(keys):
            raise Failed("the sealed file and the labels are not of the sector's size")
        file.seek(start)
        file.write(bytes((value + key) % 256 for value, key in zip(data, keys, strict=True)))
        length -= len(data)
    file.flush()


def check_replica(task: Task) -> None:
    """Fail as a vanilla proof does that is made of a replica that PC2 did not leave so."""
    if digest(task["replica_path"], bytes(task["comm_d"])) != bytes(task["comm_r"]):
        raise Failed("Invalid vanilla proof generated: the replica is not the one of comm_r")
    for name in ("p_aux", "t_aux"):
        Path(task["cache_path"], name).read_bytes()


def synthetic_proofs(task: Task) -> object:
    """Write a file of the right name."""
    check_replica(task)
    misbehave()
    Path(task["cache_path"], "syn-porep-vanilla-proofs.dat").write_bytes(bytes(task["comm_r"]))
    return True


def c1(task: Task) -> object:
    """Check the replica and hand on what C2 needs."""
    check_replica(task)
    misbehave()
    kept = {name: task[name] for name in ("registered_proof", "comm_r", "comm_d", "seed", "ticket")}
    return {**kept, "vanilla_proofs": {"StackedDrg": [[]]}, "replica_id": list(replica_id(task))}


def c2(task: Task) -> object:
    """Make the proof."""
    misbehave()
    return {"proof": list(proof_of({**task, **task["c1out"]}))}


def proof_of(task: Task) -> bytes:
    """Return the proof over the values in a task."""
    comm_r, comm_d, prover = (bytes(task[name]) for name in ("comm_r", "comm_d", "prover_id"))
    sector, ticket, seed = task["sector_id"], bytes(task["ticket"]), bytes(task["seed"])
    return bytes(simulated_proof(comm_r, comm_d, prover, sector, ticket, seed))


def verify_seal(task: Task) -> object:
    """Make the proof again and compare."""
    misbehave()
    return bytes(task["proof"]) == proof_of(task)


def snap_encode(task: Task) -> object:
    """Add the data to the old replica, byte for byte, and write what is persisted."""
    size, cache = sector_size(task["registered_proof"]), Path(task["new_cache_path"])
    Path(task["sector_cache_path"], "p_aux").read_bytes()
    with Path(task["sector_path"]).open("rb") as keys, Path(task["new_replica_path"]).open("w+b") as replica:
        with Path(task["staged_data_path"]).open("rb") as data:
            while chunk := data.read(CHUNK):
                replica.write(chunk)
        misbehave()
        replica.seek(0)
        encode(keys, replica, size)
    comm_d = data_commitment(pieces_of(task), size)
    comm_r = digest(task["new_replica_path"], comm_d)
    write_trees(cache, comm_r, size)
    (cache / "t_aux").write_bytes(b"simulated")
    return {"comm_r_new": list(comm_r), "comm_r_last_new": list(comm_r), "comm_d_new": list(comm_d)}


def write_trees(cache: Path, comm_r: bytes, size: int) -> None:
    """Write p_aux and the trees that depend on the replica."""
    (cache / "p_aux").write_bytes(hashlib.sha512(comm_r).digest())
    parts = {32 << 30: 8, 64 << 30: 16}.get(size)
    for name in [f"-{part}" for part in range(parts)] if parts else [""]:
        for tree in ("tree-c", "tree-r-last"):
            (cache / f"sc-02-data-{tree}{name}.dat").write_bytes(comm_r)


def snap_vanilla(task: Task) -> object:
    """Fail where the new replica is not the one of its commitment, as the real one does."""
    misbehave()
    if digest(task["replica_path"], bytes(task["comm_d_new"])) != bytes(task["comm_r_new"]):
        raise Failed("Invalid vanilla proof generated: the new replica is not the one of comm_r")
    Path(task["sector_path"]).read_bytes()
    return [[1, 2, 3]]


def snap_proof_of(task: Task) -> bytes:
    """Return the proof of an upgrade."""
    return bytes(simulated_snap_proof(*(bytes(task[name]) for name in ("comm_r_old", "comm_r_new", "comm_d_new"))))


def snap_prove(task: Task) -> object:
    """Make a proof that binds all that a real one binds."""
    if not task["vannilla_proofs"]:
        raise Failed("there are no vanilla proofs")
    misbehave()
    return list(snap_proof_of(task))


def verify_snap(task: Task) -> object:
    """Make the proof again and compare."""
    misbehave()
    return bytes(task["proof"]) == snap_proof_of(task)


def snap_decode(task: Task) -> object:
    """Take the old replica away from the new one, byte for byte."""
    misbehave()
    subtract(Path(task["replica_path"]), Path(task["sector_path"]).read_bytes(), Path(task["out_path"]))
    return True


def unseal(task: Task) -> object:
    """Take the labels away from the replica, and the bit padding from what is left."""
    misbehave()
    sealed, out = Path(task["sealed_path"]), Path(task["out_path"])
    size = sealed.stat().st_size
    subtract(sealed, layer_of(replica_id(task), LAYERS, size), out)
    start = task["offset"] // DATA * BLOCK
    data = data_of(out.read_bytes()[start : start + task["size"] // DATA * BLOCK])
    out.write_bytes(data)
    return len(data)


def subtract(replica: Path, keys: bytes, out: Path) -> None:
    """Write what, with ``keys`` added, is the replica."""
    out.write_bytes(bytes((value - key) % 256 for value, key in zip(replica.read_bytes(), keys, strict=True)))


SEALING = (add_pieces, tree_d, pc1, pc2, synthetic_proofs, c1, c2, verify_seal)
UPGRADING = (snap_encode, snap_vanilla, snap_prove, verify_snap)
READING = (snap_decode, unseal)
STAGES = {stage.__name__: stage for stage in (*SEALING, *UPGRADING, *READING)}


def misbehave() -> None:
    """Take the time, and do the damage, that the tests' file wants of this stage."""
    where = os.environ.get("SEALFLOW_SIMULATED")
    if not where or not Path(where).exists():
        return
    stage = arguments().stage
    wanted = json.loads(Path(where).read_text()).get(stage, {})
    starts = counted(Path(where + ".counts"), stage)
    if starts > wanted.get("times", starts):
        return
    time.sleep(wanted.get("seconds", 0))
    while "until" in wanted and not Path(wanted["until"]).exists():
        time.sleep(0.02)
    if "fail" in wanted:
        raise Failed(wanted["fail"])
    if "exit" in wanted:
        sys.exit(wanted["exit"])
    if "signal" in wanted:
        os.kill(os.getpid(), wanted["signal"])
    if wanted.get("rubbish"):
        arguments().output.write_text("rubbish, not JSON")
        sys.exit(0)
    while wanted.get("hang"):
        signal.pause()


def counted(path: Path, stage: str) -> int:
    """Count a start of this stage and return how many there were."""
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        counts = json.loads(file.read() or "{}")
        counts[stage] = counts.get(stage, 0) + 1
        file.truncate(0)
        file.write(json.dumps(counts))
        return int(counts[stage])


def resolved(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return the task with every {"$file": path} replaced by the output in that file."""
    if isinstance(value, dict):
        if list(value) == ["$file"]:
            return json.loads(Path(value["$file"]).read_bytes())["output"]
        return {name: resolved(part) for name, part in value.items()}
    return [resolved(part) for part in value] if isinstance(value, list) else value


def arguments() -> argparse.Namespace:
    """Return the command line's stage, task and output. Ends with 2, the contract's status for a wrong usage."""
    parser = argparse.ArgumentParser(description="Stages that are only simulated.")
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--task", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def main() -> int:
    """Do a stage and return the exit status."""
    wanted = arguments()
    answer: Task = {"err_msg": None, "output": None}
    try:
        answer["output"] = STAGES[wanted.stage](resolved(json.loads(wanted.task.read_bytes())))
    except (Failed, OSError, KeyError, ValueError) as error:
        answer["err_msg"] = str(error) if isinstance(error, Failed) else repr(error)
    try:
        temporary = wanted.output.with_suffix(".tmp")
        with temporary.open("w") as file:
            json.dump(answer, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(wanted.output)
    except OSError as error:
        sys.stderr.write(f"cannot write the output: {error}\n")
        return 3
    return 1 if answer["err_msg"] is not None else 0


if __name__ == "__main__":
    sys.exit(main())
