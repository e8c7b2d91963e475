"""The flow that puts deals into a finished sector. Reads row for row beside the seed document, docs/flows.md."""

from dataclasses import replace

from sealing.flow.events import (
    AddPiece,
    AllocatedSnapUpSector,
    BuildTreeD,
    Finish,
    Persist,
    RePersist,
    SnapEncode,
    SnapProve,
)
from sealing.flow.state import State
from sealing.flow.table import Flow, Place, Step

SNAPUP = Flow(
    name="snapup",
    workflow="SnapUp",
    version=2,
    rows={
        # No sector yet: ask for one to upgrade, and its deals.
        State.Empty: Step("allocate_snapup", {AllocatedSnapUpSector: State.Allocated}, Place.Thread),
        # Sector and deals are allocated: write the pieces' data.
        State.Allocated: Step("add_piece", {AddPiece: State.PieceAdded}, Place.Machine, ("deals", "upgrade")),
        # The data is written: build its tree.
        State.PieceAdded: Step("build_tree_d", {BuildTreeD: State.TreeDBuilt}, Place.Machine, ("pieces",)),
        # The tree is built: encode the data into the old replica.
        State.TreeDBuilt: Step(
            "snap_encode",
            {SnapEncode: State.SnapEncoded},
            Place.Machine,
            ("pieces", "tree_d", "upgrade"),
        ),
        # The new replica is encoded: prove it, and verify the proof.
        State.SnapEncoded: Step(
            "snap_prove",
            {SnapProve: State.SnapProved},
            Place.Pool,
            ("upgrade", "comm_r", "comm_d"),
            packs="pack_vanilla",
        ),
        # The proof is made: store the files for good.
        State.SnapProved: Step("persist", {Persist: State.Persisted}, Place.Machine, ("comm_r", "proof")),
        # The files are stored: send the proof; the manager checks the files and finishes, or wants them stored again.
        State.Persisted: Step(
            "submit_snapup_proof",
            {RePersist: State.SnapProved, Finish: State.Finished},
            Place.Manager,
            ("proof", "persisted_in", "deals", "upgrade"),
            sends="proof_sent",
            again=RePersist,
        ),
    },
    kept=frozenset({"persistence_refused"}),
)

SNAPUP_1 = replace(
    SNAPUP,
    version=1,
    rows={**SNAPUP.rows, State.Persisted: replace(SNAPUP.rows[State.Persisted], again=None)},
)
"""The first version: files that the manager misses are stored again at once, as often as it says so."""
