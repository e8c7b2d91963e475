"""This machine's address as others see it, from which a test calls as if it were another machine."""

from __future__ import annotations

import socket

from sealing.addresses import is_loopback
from tests.needs import missing

EVERYWHERE = "0.0.0.0"  # noqa: S104 - what the tests are about
SOMEWHERE = ("192.0.2.1", 9)
"""An address that is nobody's: nothing is sent."""


def own_address() -> str:
    """Return it, or skip the test on a machine without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(SOMEWHERE)
            found: str = probe.getsockname()[0]
        except OSError:
            found = "127.0.0.1"
    if is_loopback(found):
        missing("a network", "give this machine an address besides the loopback's")
    return found
