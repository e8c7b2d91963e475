"""The manager's address: URLs and multiaddrs, and what is said about others."""

from __future__ import annotations

import pytest

from sealing.manager.address import manager_url
from sealing.manager.client import Manager


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("http://127.0.0.1:1789", "http://127.0.0.1:1789/rpc/v0"),
        ("http://127.0.0.1:1789/", "http://127.0.0.1:1789/rpc/v0"),
        ("https://m.example/x/rpc/v0", "https://m.example/x/rpc/v0"),
        ("http://[::1]:1789", "http://[::1]:1789/rpc/v0"),
        ("/ip4/127.0.0.1/tcp/1789", "http://127.0.0.1:1789/rpc/v0"),
        ("/ip4/10.0.0.7/tcp/443/https", "https://10.0.0.7:443/rpc/v0"),
        ("/ip6/::1/tcp/1789/http", "http://[::1]:1789/rpc/v0"),
        ("/dns4/m.example/tcp/1789", "http://m.example:1789/rpc/v0"),
        ("/dns/m.example/tcp/1789/", "http://m.example:1789/rpc/v0"),
    ],
)
def test_addresses_of_both_kinds_are_taken(address: str, url: str) -> None:
    """A URL without a path gets the manager's own; a multiaddr becomes a URL."""
    assert manager_url(address) == url


@pytest.mark.parametrize(
    "address",
    [
        "",
        "127.0.0.1:1789",
        "ws://127.0.0.1:1789",
        "http://",
        "http://host:99999",
        "http://host:0",
        "http://host:x",
        "http://[::1",
        "http://a b/",
        "http://host/?q=1",
        "http://ho\nst/",
        "/",
        "/ip4/127.0.0.1",
        "/ip4/localhost/tcp/1",
        "/ip4/127.0.0.1/udp/1789",
        "/ip4/127.0.0.1/tcp/0",
        "/ip4/127.0.0.1/tcp/-1",
        "/ip6/127.0.0.1/tcp/1",
        "/unix/run/manager",
        "/dns4//tcp/1789",
    ],
)
def test_an_address_that_cannot_be_right_is_refused_with_examples(address: str) -> None:
    """The error shows the address and what to write instead."""
    with pytest.raises(ValueError, match="write http://127"):
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
