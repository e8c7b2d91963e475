"""The manager's address and headers: what is taken, and what is said about others."""

from __future__ import annotations

import pytest

from sealing.manager.address import manager_url
from sealing.manager.client import Manager


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("http://127.0.0.1:1789/", "http://127.0.0.1:1789/rpc/v0"),
        ("https://m.example/x/rpc/v0", "https://m.example/x/rpc/v0"),
        ("/ip4/127.0.0.1/tcp/1789", "http://127.0.0.1:1789/rpc/v0"),
        ("/dns4/m.example/tcp/1789", "http://m.example:1789/rpc/v0"),
    ],
)
def test_addresses_lead_to_the_managers_path(address: str, url: str) -> None:
    """A URL or a multiaddr gets the manager's path, once."""
    assert manager_url(address) == url


@pytest.mark.parametrize("address", ["", "127.0.0.1:1789", "ftp://127.0.0.1:1789", "/ip4/1.2.3.4/udp/1", "http://a\0b"])
def test_an_address_that_cannot_be_right_is_refused(address: str) -> None:
    """The error shows the address."""
    with pytest.raises(ValueError, match="the manager's address"):
        manager_url(address)


def test_a_password_in_the_address_is_refused_unseen() -> None:
    """Addresses are shown in errors and logs, so a secret in one is refused, and not repeated."""
    with pytest.raises(ValueError, match=r"rpc_client\.headers") as caught:
        manager_url("http://me:hunter2@host:1")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("headers", [{"": "x"}, {"A b": "x"}, {"A:": "x"}, {"A": "x\r\ny"}, {"A": "ü"}])
def test_a_header_that_cannot_be_sent_is_refused(headers: dict[str, str]) -> None:
    """A wrong header is found when the manager is set up, not with the first call."""
    with pytest.raises(ValueError, match="header"):
        Manager("http://127.0.0.1:1", headers=headers)
