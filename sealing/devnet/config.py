"""The embedded manager's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, PlainValidator, model_validator

from sealing import tokens
from sealing.addresses import Network, is_loopback, network
from sealing.devnet.faults.kinds import Fault
from sealing.jsonrpc.preference import LONGEST
from sealing.proofs import seal_proof
from sealing.values import Frozen


class DevnetConfig(Frozen):
    """Where it listens and keeps its state, what it hands out, how its chain goes. Wrong values raise ValueError."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)  # it may hold a token

    data: Path
    """The folder of its database, made when missing."""
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, lt=1 << 16)] = 1789
    """0 means any free port."""
    token: str | None = Field(default=None, min_length=1, repr=False)
    """What callers must send as bearer."""
    token_file: Path | None = None
    """A file that holds the token, in place of ``token``."""
    token_env: str | None = Field(default=None, min_length=1)
    """The environment variable that holds it, in place of both."""
    allowed_addresses: tuple[Annotated[Network, PlainValidator(network)], ...] | None = None
    """The addresses that may call beside this machine's own loopback. Beyond it this or a token is needed."""

    miner: Annotated[int, Field(ge=0, lt=2**63)] = 1000
    proof_types: Annotated[tuple[int, ...], Field(min_length=1)] = (5,)
    """Seal proof types that it hands out, in turn."""
    max_sectors: Annotated[int, Field(ge=0)] | None = None
    """Sectors that it hands out at most; None: without limit."""
    verifier: Literal["crate", "simulated"] = "crate"
    """Who looks at proofs: our crate, or, for the simulated processor's, its counterpart."""
    stores: dict[str, Path] = Field(default_factory=dict)
    """Permanent stores: name and folder."""

    epoch_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 30.0
    ticket_lookback: Annotated[int, Field(ge=0)] = 900
    """Epochs that a ticket is behind the head when it is drawn."""
    ticket_lifetime: Annotated[int, Field(ge=0)] = 3780
    """Epochs behind the head beyond which a ticket is refused."""
    packed_after: Annotated[int, Field(ge=0)] = 1
    """Epochs from a message's arrival to its being packed."""
    landed_after: Annotated[int, Field(ge=0)] = 2
    """Epochs from a message's arrival to its landing."""
    seed_delay: Annotated[int, Field(ge=0)] = 150
    """Epochs from the pre-commit's landing to its seed."""

    hold_seconds: Annotated[int, Field(ge=0, le=LONGEST)] = 30
    """For how long a poll is held at most whose caller would wait (``Prefer: wait``); 0: none is held."""

    faults: tuple[Fault, ...] = ()
    """What goes wrong on purpose, from the first start on: each once for the data folder, also over restarts."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for number in self.proof_types:
            seal_proof(number)
        if self.landed_after < self.packed_after:
            msg = f"landed_after {self.landed_after} is before packed_after {self.packed_after}: make it larger"
            raise ValueError(msg)
        if self.ticket_lifetime <= self.ticket_lookback:
            msg = (
                f"ticket_lifetime {self.ticket_lifetime} is not above ticket_lookback {self.ticket_lookback}:"
                " every ticket would be expired when it is drawn"
            )
            raise ValueError(msg)
        given = [name for name in ("token", "token_file", "token_env") if getattr(self, name) is not None]
        if len(given) > 1:
            msg = f"{' and '.join(given)} are both set: remove one"
            raise ValueError(msg)
        if not is_loopback(self.host) and not given and self.allowed_addresses is None:
            msg = (
                f"host {self.host!r} can be reached from other machines, and nothing says who may call:"
                " set token_file, token_env or allowed_addresses, or listen on 127.0.0.1"
            )
            raise ValueError(msg)
        for name, folder in self.stores.items():
            if not name or not folder.is_absolute():
                msg = f"store {name!r}: {folder} must have a name and an absolute path: workers use it as it is"
                raise ValueError(msg)
        return self

    def bearer(self) -> str | None:
        """Return the token that callers must send, or None; one of the environment is taken out of it.

        Raises TokenError where there should be one.
        """
        if self.token_env is not None:
            return tokens.of_environment(self.token_env)
        return self.token if self.token_file is None else tokens.of_file(self.token_file)
