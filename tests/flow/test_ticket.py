"""How long a sector's ticket is worth computing on."""

from __future__ import annotations

from datetime import timedelta

from sealing.sector import Home, Sector, Settings, ticket_ends
from sealing.values import UNKNOWN, SectorId, Submission, Ticket

SETTINGS = Settings(ticket_lifetime=timedelta(hours=2))
BARE = Sector(home=Home(worker="w", location="/l"), id=SectorId(miner=1000, number=1), proof_type=5)


def with_ticket(drawn_at: float = 1000.0, sent_epoch: int | None = None) -> Sector:
    """Return a sector with a ticket of epoch 10, of which a pre-commit with a ticket of ``sent_epoch`` was sent."""
    sent = None if sent_epoch is None else Submission(digest="1" * 64, ticket_epoch=sent_epoch)
    ticket = Ticket(ticket="3" * 64, epoch=10, drawn_at=drawn_at)
    return BARE.model_copy(update={"ticket": ticket, "precommit_sent": sent})


def test_it_ends_a_lifetime_after_it_was_drawn() -> None:
    """In seconds since 1970, also where another ticket's pre-commit was sent before it was drawn."""
    assert ticket_ends(with_ticket(), SETTINGS) == 1000 + 7200
    assert ticket_ends(with_ticket(sent_epoch=9), SETTINGS) == 1000 + 7200


def test_it_does_not_end_where_that_does_not_matter() -> None:
    """Without a ticket, without the time of its drawing, and once a pre-commit with it was sent."""
    assert ticket_ends(BARE, SETTINGS) is None
    assert ticket_ends(with_ticket(drawn_at=0.0), SETTINGS) is None
    assert ticket_ends(with_ticket(sent_epoch=10), SETTINGS) is None


def test_a_submission_of_which_nothing_is_known_keeps_the_end() -> None:
    """A pre-commit that was let go of under way may never have been sent: the ticket still counts."""
    doubted = with_ticket().model_copy(update={"precommit_sent": Submission(digest=UNKNOWN)})
    assert ticket_ends(doubted, SETTINGS) == 1000 + 7200
