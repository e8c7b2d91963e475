"""Tasks and answers are on the wire exactly what processors of others read and write."""

from __future__ import annotations

from typing import Any

import pytest

from sealing.processors.tasks import (
    C1,
    C2,
    AddPieces,
    Pc1,
    Pc2,
    SourcePiece,
    StageTask,
    SyntheticProofs,
    TreeD,
    VerifySeal,
)
from sealing.values import Deal, FileRef, Piece

ONES, INTEGERS = "01" * 32, [1] * 32
REF = FileRef(path="/jobs/pc1/output.json", size=1, sha256=ONES)
REPLICA: dict[str, Any] = {
    "registered_proof": "P",
    "cache_path": "/c",
    "replica_path": "/r",
    "prover_id": ONES,
    "sector_id": 5,
    "ticket": ONES,
    "comm_r": ONES,
    "comm_d": ONES,
    "piece_infos": (Piece(commitment=ONES, size=2048),),
}
ON_WIRE: dict[str, Any] = {
    **REPLICA,
    **dict.fromkeys(("prover_id", "ticket", "comm_r", "comm_d"), INTEGERS),
    "piece_infos": [{"commitment": INTEGERS, "size": 2032}],
}
PC1 = Pc1(
    registered_proof="P",
    cache_path="/c",
    in_path="/i",
    out_path="/o",
    prover_id=ONES,
    sector_id=5,
    ticket=ONES,
    piece_infos=(Piece(commitment=ONES, size=2048),),
)
PLEDGE = SourcePiece.of(Deal(piece_cid="baga", size=1024), "pledge")
LOCAL = SourcePiece.of(Deal(piece_cid="baga", size=1024, payload_size=7), {"local": "/d"})
VERIFY = VerifySeal(
    registered_proof="P",
    comm_r=ONES,
    comm_d=ONES,
    prover_id=ONES,
    sector_id=5,
    ticket=ONES,
    seed=ONES,
    proof="AQL/",
)


@pytest.mark.parametrize(
    ("task", "wire"),
    [
        (
            AddPieces(seal_proof_type="P", pieces=(PLEDGE, LOCAL), staged_filepath="/s"),
            {
                "seal_proof_type": "P",
                "pieces": [
                    {"piece_file": "pledge", "payload_size": 0, "piece_size": 1016},
                    {"piece_file": {"local": "/d"}, "payload_size": 7, "piece_size": 1016},
                ],
                "staged_filepath": "/s",
            },
        ),
        (
            TreeD(registered_proof="P", staged_file="/s", cache_dir="/c"),
            {"registered_proof": "P", "staged_file": "/s", "cache_dir": "/c"},
        ),
        (
            PC1,
            {
                "registered_proof": "P",
                "cache_path": "/c",
                "in_path": "/i",
                "out_path": "/o",
                "prover_id": INTEGERS,
                "sector_id": 5,
                "ticket": INTEGERS,
                "piece_infos": [{"commitment": INTEGERS, "size": 2032}],
            },
        ),
        (
            Pc2(pc1out=REF, cache_dir="/c", sealed_file="/f"),
            {"pc1out": {"$file": REF.path}, "cache_dir": "/c", "sealed_file": "/f"},
        ),
        (SyntheticProofs(**REPLICA), ON_WIRE),
        (C1(**REPLICA, seed=ONES), {**ON_WIRE, "seed": INTEGERS}),
        (
            C2(c1out=REF, prover_id=ONES, sector_id=5, miner_id=1000),
            {"c1out": {"$file": REF.path}, "prover_id": INTEGERS, "sector_id": 5, "miner_id": 1000},
        ),
        (
            VERIFY,
            {
                "registered_proof": "P",
                "comm_r": INTEGERS,
                "comm_d": INTEGERS,
                "prover_id": INTEGERS,
                "sector_id": 5,
                "ticket": INTEGERS,
                "seed": INTEGERS,
                "proof": [1, 2, 255],
            },
        ),
    ],
    ids=lambda value: value.stage if isinstance(value, StageTask) else "",
)
def test_on_the_wire(task: StageTask[Any], wire: dict[str, Any]) -> None:
    """Each task has the protocol's fields: bytes as integers, pieces unpadded, large outputs by their file."""
    assert task.wire() == wire


def test_answers() -> None:
    """Answers become the domain's values: hex digits, base64, padded sizes."""
    pieces = [{"commitment": INTEGERS, "size": 2032}]
    commitments = {"registered_proof": "P", "comm_r": INTEGERS, "comm_d": INTEGERS}
    add, pc2 = (
        AddPieces(seal_proof_type="P", pieces=(), staged_filepath="/s"),
        Pc2(pc1out=REF, cache_dir="", sealed_file=""),
    )
    c2 = C2(c1out=REF, prover_id=ONES, sector_id=5, miner_id=1000)
    assert add.read(pieces) == (Piece(commitment=ONES, size=2048),)
    assert pc2.read(commitments).comm_r == ONES
    assert PC1.read({**commitments, "labels": {"P": {}}, "config": {}}).comm_d == ONES
    assert c2.read({"proof": [1, 2, 255]}).proof == "AQL/"
    assert VERIFY.read(False) is False  # noqa: FBT003 - an answer


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (VERIFY, 1),
        (VERIFY, None),
        (TreeD(registered_proof="P", staged_file="", cache_dir=""), False),
        (AddPieces(seal_proof_type="P", pieces=(), staged_filepath=""), [{"commitment": [1], "size": 127}]),
        (AddPieces(seal_proof_type="P", pieces=(), staged_filepath=""), [{"commitment": INTEGERS, "size": 128}]),
        (AddPieces(seal_proof_type="P", pieces=(), staged_filepath=""), {}),
        (Pc2(pc1out=REF, cache_dir="", sealed_file=""), {"comm_r": INTEGERS, "comm_d": INTEGERS}),
        (C2(c1out=REF, prover_id=ONES, sector_id=5, miner_id=1), {"proof": [256]}),
        (C2(c1out=REF, prover_id=ONES, sector_id=5, miner_id=1), {"proof": ["x"]}),
    ],
)
def test_an_answer_of_another_shape_is_refused(task: StageTask[Any], answer: object) -> None:
    """What a processor answers is not trusted to be of the stage's shape."""
    with pytest.raises(ValueError, match=r"validation error|expected"):
        task.read(answer)


def test_inputs() -> None:
    """A task tells which outputs of earlier stages it reads."""
    assert Pc2(pc1out=REF, cache_dir="", sealed_file="").inputs() == (REF,)
    assert VERIFY.inputs() == ()
