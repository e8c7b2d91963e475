"""The ports of the stack, and that they are free."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Self

from workers.devserver import LOOPBACK
from workers.devserver import PORT as TEMPORAL

CHOSEN_FROM = range(20_000, 32_000)
"""Where free ports are looked for: below those that the system gives to anybody who asks for any."""


class PortsTakenError(Exception):
    """Others hold ports; the text says which, what they are for, and what to set."""


@dataclass(frozen=True)
class Ports:
    """A port for each that listens, all on the loopback interface."""

    temporal: int = TEMPORAL
    web_ui: int = 8080
    prometheus: int = 9090
    manager: int = 1789
    postgres: int = 5433
    """Beside Debian's own cluster, which has 5432."""
    temporal_metrics: int = 8000
    worker_metrics: int = 9000
    temporal_history: int = 7234
    temporal_matching: int = 7235
    temporal_worker: int = 7239
    """These three and the membership's are of the server's services among themselves."""
    frontend_membership: int = 6933
    history_membership: int = 6934
    matching_membership: int = 6935
    worker_membership: int = 6939

    @classmethod
    def free(cls) -> Self:
        """Return ports that nobody holds."""
        found = free_ports()
        return cls(**{each.name: next(found) for each in fields(cls)})

    def check(self) -> None:
        """See that all are free. Raises PortsTakenError."""
        named = {each.name: getattr(self, each.name) for each in fields(self)}
        taken = {name: port for name, port in named.items() if not is_free(port)}
        if taken:
            which = ", ".join(f"{port} ({name})" for name, port in taken.items())
            wanted = " ".join(f"--port {name}=NUMBER" for name in taken)
            raise PortsTakenError(f"ports are taken: {which}; end what holds them, or choose others: {wanted}")


def is_free(port: int) -> bool:
    """Tell whether a port of the loopback interface can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def free_ports() -> Iterator[int]:
    """Give ports that nobody holds, one after the other."""
    candidates = random.sample(CHOSEN_FROM, len(CHOSEN_FROM))
    return filter(is_free, candidates)
