"""Real sectors of 2 KiB, sealed stage by stage. Each output is made once, when it is first asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sealing.proofs import prover_id
from tests.real.crate import Crate, Task, output_of

SIZE, DATA = 2048, 2032
"""Bytes of a sector, and how many of them are data."""
HALF = DATA // 2
NODE = 32
UPDATE = "StackedDrg2KiBV1"
PLAIN, SYNTHETIC = "StackedDrg2KiBV1_1", "StackedDrg2KiBV1_1_Feat_SyntheticPoRep"
MINER, NUMBER = 1000, 5
TICKET, SEED = [7] * NODE, [9] * NODE
PAYLOAD = 900
"""Bytes of the first piece's data, which is shorter than its piece."""


def client_data() -> bytes:
    """Return data that fills a sector, with no two halves alike; the first piece ends in zeros."""
    data = bytes(at * at % 251 for at in range(DATA))
    return data[:PAYLOAD] + bytes(HALF - PAYLOAD) + data[HALF:]


@dataclass
class Sector:
    """A sector in a folder of its own, without data or with two pieces."""

    crate: Crate
    folder: Path
    proof: str = PLAIN
    data: bytes = b""
    replica_of_pc1: bytes = b""

    def path(self, name: str) -> str:
        """Return the path of one of the sector's files."""
        return str(self.folder / name)

    def content(self, name: str) -> bytes:
        """Return what is in one of the sector's files."""
        return (self.folder / name).read_bytes()

    def job(self, stage: str, task: Task) -> Any:
        """Run a stage and return its output."""
        return self.crate.job(self.folder, stage, task).output

    def output(self, stage: str) -> Task:
        """Return what stands in a task for an earlier stage's output."""
        return {"$file": str(output_of(self.folder, stage))}

    @cached_property
    def pieces(self) -> list[Task]:
        """The pieces as a task has them: where their data is."""
        parts = [self.data[:PAYLOAD], self.data[HALF:]] if self.data else []
        for index, part in enumerate(parts):
            (self.folder / f"piece-{index}").write_bytes(part)
        return [
            {"piece_file": {"local": self.path(f"piece-{index}")}, "payload_size": len(part), "piece_size": HALF}
            for index, part in enumerate(parts)
        ]

    @property
    def identity(self) -> Task:
        """What a replica depends on beside its data."""
        return {"prover_id": list(prover_id(MINER)), "sector_id": NUMBER, "ticket": TICKET}

    @cached_property
    def infos(self) -> list[Task]:
        """The pieces' commitments, of add_pieces."""
        task = {"seal_proof_type": self.proof, "pieces": self.pieces, "staged_filepath": self.path("unsealed")}
        infos: list[Task] = self.job("add_pieces", task)
        return infos

    @cached_property
    def labels(self) -> Task:
        """PC1's output, after tree_d."""
        assert self.infos
        tree = {
            "registered_proof": self.proof,
            "staged_file": self.path("unsealed"),
            "cache_dir": self.path("cache"),
        }
        assert self.job("tree_d", tree) is True
        task = {
            "registered_proof": self.proof,
            "cache_path": self.path("cache"),
            "in_path": self.path("unsealed"),
            "out_path": self.path("sealed"),
            "piece_infos": self.infos,
            **self.identity,
        }
        labels: Task = self.job("pc1", task)
        self.replica_of_pc1 = self.content("sealed")
        return labels

    @cached_property
    def sealed(self) -> Task:
        """PC2's output."""
        assert self.labels
        task = {
            "pc1out": self.output("pc1"),
            "cache_dir": self.path("cache"),
            "sealed_file": self.path("sealed"),
        }
        sealed: Task = self.job("pc2", task)
        return sealed

    @property
    def replica(self) -> Task:
        """The fields that the stages after PC2 share."""
        return {
            "registered_proof": self.proof,
            "cache_path": self.path("cache"),
            "replica_path": self.path("sealed"),
            "comm_r": self.sealed["comm_r"],
            "comm_d": self.sealed["comm_d"],
            "piece_infos": self.infos,
            **self.identity,
        }

    @cached_property
    def challenged(self) -> Task:
        """C1's output."""
        challenged: Task = self.job("c1", {**self.replica, "seed": SEED})
        return challenged

    @cached_property
    def sealing_proof(self) -> list[int]:
        """C2's proof: about a minute on two cores."""
        assert self.challenged
        task = {
            "c1out": self.output("c1"),
            "prover_id": self.identity["prover_id"],
            "sector_id": NUMBER,
            "miner_id": MINER,
        }
        proof: list[int] = self.job("c2", task)["proof"]
        return proof

    @property
    def claim(self) -> Task:
        """What verify_seal is given beside the proof."""
        names = ("registered_proof", "comm_r", "comm_d", "prover_id", "sector_id", "ticket")
        return {**{name: self.replica[name] for name in names}, "seed": SEED}

    def unsealed(self, offset: int, size: int) -> bytes:
        """Return data read back out of the sealed file, by what is kept of a sector for good."""
        task = {
            "registered_proof": self.proof,
            "cache_path": self.path("unseal-cache"),
            "sealed_path": self.path("sealed"),
            "out_path": self.path("read-back"),
            "comm_d": self.sealed["comm_d"],
            "offset": offset,
            "size": size,
            **self.identity,
        }
        assert self.job("unseal", task) == size
        return self.content("read-back")


@dataclass
class Upgraded:
    """A sealed sector without data that gets the data of ``new``: its files are in the sealed one's folder."""

    old: Sector
    new: Sector

    @cached_property
    def encoded(self) -> Task:
        """The output of snap_encode."""
        assert self.new.infos
        task = {
            "registered_proof": UPDATE,
            "new_replica_path": self.old.path("update"),
            "new_cache_path": self.old.path("update-cache"),
            "sector_path": self.old.path("sealed"),
            "sector_cache_path": self.old.path("cache"),
            "staged_data_path": self.new.path("unsealed"),
            "piece_infos": self.new.infos,
        }
        assert self.old.sealed
        encoded: Task = self.old.job("snap_encode", task)
        return encoded

    @property
    def files(self) -> Task:
        """The old sector's files and the new."""
        return {
            "sector_path": self.old.path("sealed"),
            "sector_cache_path": self.old.path("cache"),
            "replica_path": self.old.path("update"),
            "replica_cache_path": self.old.path("update-cache"),
        }

    @property
    def claim(self) -> Task:
        """What verify_snap is given beside the proof."""
        return {
            "registered_proof": UPDATE,
            "comm_r_old": self.old.sealed["comm_r"],
            "comm_r_new": self.encoded["comm_r_new"],
            "comm_d_new": self.encoded["comm_d_new"],
        }

    @cached_property
    def vanilla(self) -> list[list[int]]:
        """The output of snap_vanilla."""
        vanilla: list[list[int]] = self.old.job("snap_vanilla", {**self.claim, **self.files})
        return vanilla

    @cached_property
    def proof(self) -> list[int]:
        """The output of snap_prove: half a minute on two cores."""
        assert self.vanilla
        task = {**self.claim, "vannilla_proofs": self.old.output("snap_vanilla")}
        proof: list[int] = self.old.job("snap_prove", task)
        return proof
