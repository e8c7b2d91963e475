"""The flow that seals a new sector. Reads row for row beside the seed document, docs/flows.md."""

from sealing.flow.events import (
    C1,
    C2,
    PC1,
    PC2,
    AcquireDeals,
    AddPiece,
    Allocate,
    AssignSeed,
    AssignTicket,
    BuildTreeD,
    CheckPC,
    Finish,
    PC2NeedSyntheticProof,
    Persist,
    ReSubmitPC,
    ReSubmitProof,
    SubmitPC,
    SubmitPersistance,
    SubmitProof,
    SyntheticPoRep,
    TicketExpired,
)
from sealing.flow.state import State
from sealing.flow.table import Flow, Place, Step

SEALER = Flow(
    name="sealer",
    workflow="Sealer",
    version=1,
    rows={
        # No sector yet: ask for one.
        State.Empty: Step("allocate", {Allocate: State.Allocated}, Place.Thread),
        # A sector is allocated: ask for its deals.
        State.Allocated: Step("acquire_deals", {AcquireDeals: State.DealsAcquired}, Place.Manager, ("id",)),
        # The deals are known: write the pieces' data.
        State.DealsAcquired: Step("add_piece", {AddPiece: State.PieceAdded}, Place.Machine, ("deals",)),
        # The data is written: build its tree.
        State.PieceAdded: Step("build_tree_d", {BuildTreeD: State.TreeDBuilt}, Place.Machine, ("pieces",)),
        # The tree is built: draw PC1's randomness, as late as possible.
        State.TreeDBuilt: Step("assign_ticket", {AssignTicket: State.TicketAssigned}, Place.Manager, ("id",)),
        # The ticket is drawn: compute the labels, unless it is too old by now.
        State.TicketAssigned: Step(
            "pc1",
            {PC1: State.PC1Done, TicketExpired: State.TreeDBuilt},
            Place.Machine,
            ("pieces", "tree_d", "ticket"),
        ),
        # The labels are computed: encode the replica and build its trees.
        State.PC1Done: Step(
            "pc2",
            {
                PC2: State.PC2Done,
                PC2NeedSyntheticProof: State.SyntheticPoRepNeeded,
                TicketExpired: State.TreeDBuilt,
            },
            Place.Machine,
            ("pieces", "ticket", "pc1_output"),
        ),
        # The proof type is synthetic: make its vanilla proofs while the layers are there.
        State.SyntheticPoRepNeeded: Step(
            "synthetic_porep",
            {SyntheticPoRep: State.PC2Done},
            Place.Machine,
            ("pieces", "ticket", "comm_r", "comm_d", "synthetic_needed"),
        ),
        # The replica is sealed: send its commitments to the chain.
        State.PC2Done: Step(
            "submit_precommit",
            {SubmitPC: State.PCSubmitted, TicketExpired: State.TreeDBuilt},
            Place.Manager,
            ("ticket", "comm_r", "comm_d"),
            sends="precommit_sent",
        ),
        # The pre-commit is sent: it lands, or fails and is sent again.
        State.PCSubmitted: Step(
            "check_precommit",
            {ReSubmitPC: State.PC2Done, CheckPC: State.PCLanded},
            Place.Chain,
            ("comm_r", "precommit_sent"),
            again=ReSubmitPC,
        ),
        # The pre-commit landed: store the files for good, which overlaps the wait for the seed.
        State.PCLanded: Step("persist", {Persist: State.Persisted}, Place.Machine, ("comm_r", "precommit_landed")),
        # The files are stored: the manager checks them.
        State.Persisted: Step(
            "submit_persisted",
            {SubmitPersistance: State.PersistanceSubmitted},
            Place.Manager,
            ("persisted_in",),
        ),
        # The files are confirmed: wait for C1's randomness.
        State.PersistanceSubmitted: Step(
            "wait_seed",
            {AssignSeed: State.SeedAssigned},
            Place.Chain,
            ("persistence_confirmed",),
        ),
        # The seed is drawn: make the vanilla proofs.
        State.SeedAssigned: Step(
            "c1",
            {C1: State.C1Done},
            Place.Machine,
            ("pieces", "ticket", "comm_r", "comm_d", "seed"),
        ),
        # The vanilla proofs are made: prove them, and verify the proof.
        State.C1Done: Step(
            "c2",
            {C2: State.C2Done},
            Place.Pool,
            ("c1_output", "ticket", "seed", "comm_r", "comm_d"),
            packs="pack_c1",
        ),
        # The sector is proved: send the proof to the chain.
        State.C2Done: Step(
            "submit_proof",
            {SubmitProof: State.ProofSubmitted},
            Place.Manager,
            ("proof",),
            sends="proof_sent",
        ),
        # The proof is sent: it lands, fails and is sent again, or nobody looks (ignore_proof_check).
        State.ProofSubmitted: Step(
            "check_proof",
            {ReSubmitProof: State.C2Done, Finish: State.Finished},
            Place.Chain,
            ("proof", "proof_sent"),
            again=ReSubmitProof,
        ),
    },
    added=(
        (State.TicketAssigned, TicketExpired, State.TreeDBuilt),
        (State.PC1Done, TicketExpired, State.TreeDBuilt),
        (State.PC2Done, TicketExpired, State.TreeDBuilt),
        (State.PC1Done, PC2NeedSyntheticProof, State.SyntheticPoRepNeeded),
        (State.SyntheticPoRepNeeded, SyntheticPoRep, State.PC2Done),
    ),
    kept=frozenset({"precommit_sent", "precommit_failed", "proof_sent", "proof_failed"}),
)
