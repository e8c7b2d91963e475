"""The chain's clock and randomness."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from sealing.devnet.chain import Chain, genesis_for
from sealing.values import Ticket
from tests.devnet.world import StillClock, config_for


def chain(clock: StillClock, **settings: object) -> Chain:
    """Return a new chain."""
    config = config_for(Path("unused"), **settings)
    return Chain(config, genesis_for(config, clock()), b"secret", clock)


def test_a_new_chain_can_give_tickets_at_once() -> None:
    """The head starts beyond the lookback, and a ticket is drawn that far behind it."""
    new = chain(StillClock())
    assert new.head() > 900
    assert new.draw_ticket().epoch == new.head() - 900


def test_epochs_follow_the_clock() -> None:
    """An epoch passes with its length, and the wait for one is in whole seconds, rounded up."""
    clock = StillClock()
    new = chain(clock, epoch_seconds=30)
    head = new.head()
    clock.now += 29.5
    assert new.head() == head
    assert new.seconds_until(head + 1) == 1
    assert new.seconds_until(head) == 0
    clock.now += 0.5
    assert new.head() == head + 1


def test_randomness_is_the_epochs_own() -> None:
    """Tickets and seeds are the same for the same epoch, differ otherwise, and fit the proofs' field."""
    new = chain(StillClock())
    values = [new.ticket_at(epoch) for epoch in range(50)] + [new.seed_at(epoch).seed for epoch in range(50)]
    assert len(set(values)) == 100
    assert new.ticket_at(7) == values[7]
    assert all(bytes.fromhex(value)[31] < 0x40 for value in values)


def test_a_ticket_is_refused_when_old_early_or_made_up() -> None:
    """The chain takes its own tickets, for as long as they live."""
    clock = StillClock()
    new = chain(clock, ticket_lookback=10, ticket_lifetime=20)
    ticket = new.draw_ticket()
    assert new.ticket_problem(ticket) is None
    clock.now += 10 * 30
    assert new.ticket_problem(ticket) is None
    clock.now += 30
    head = new.head()
    assert new.ticket_problem(ticket) == f"ticket expired: ticket epoch {ticket.epoch}, head {head}, lifetime 20"
    assert "not reached" in str(new.ticket_problem(Ticket(ticket=new.ticket_at(head + 1), epoch=head + 1)))
    assert "wrong ticket" in str(new.ticket_problem(Ticket(ticket="00" * 32, epoch=head - 10)))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"host": "0.0.0.0"}, "nothing says who may call"),  # noqa: S104
        ({"host": "manager.example"}, "nothing says who may call"),
        ({"host": "::"}, "nothing says who may call"),
        ({"proof_types": [17]}, "non-interactive"),
        ({"proof_types": []}, "proof_types"),
        ({"epoch_seconds": 0}, "epoch_seconds"),
        ({"landed_after": 0}, "packed_after"),
        ({"ticket_lifetime": 900}, "expired when it is drawn"),
        ({"stores": {"s": "relative"}}, "absolute path"),
        ({"port": 70000}, "port"),
        ({"sead_delay": 1}, "sead_delay"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object], says: str) -> None:
    """Each wrong setting is named, with what is wrong about it."""
    with pytest.raises(ValidationError, match=says):
        config_for(Path("unused"), **settings)


@pytest.mark.parametrize("settings", [{"host": "::1"}, {"host": "localhost"}, {"host": "0.0.0.0", "token": "t"}])  # noqa: S104
def test_beyond_this_machine_only_with_a_token(settings: dict[str, object]) -> None:
    """Loopback needs no token; with one, any address will do. The token is not shown."""
    assert "token='t'" not in repr(config_for(Path("unused"), **settings))
