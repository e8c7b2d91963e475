"""The states of both flows, named as in the seed document, to the letter: operators type them."""

from enum import StrEnum


class State(StrEnum):
    """Where a task stands: what is named has been done; what comes next is the state's step."""

    Empty = "Empty"
    Allocated = "Allocated"
    DealsAcquired = "DealsAcquired"
    PieceAdded = "PieceAdded"
    TreeDBuilt = "TreeDBuilt"
    TicketAssigned = "TicketAssigned"
    PC1Done = "PC1Done"
    SyntheticPoRepNeeded = "SyntheticPoRepNeeded"
    PC2Done = "PC2Done"
    PCSubmitted = "PCSubmitted"
    PCLanded = "PCLanded"
    Persisted = "Persisted"
    PersistanceSubmitted = "PersistanceSubmitted"
    SeedAssigned = "SeedAssigned"
    C1Done = "C1Done"
    C2Done = "C2Done"
    ProofSubmitted = "ProofSubmitted"
    SnapEncoded = "SnapEncoded"
    SnapProved = "SnapProved"
    Finished = "Finished"
    Aborted = "Aborted"
