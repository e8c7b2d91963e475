"""Addresses may be URLs, multiaddrs or host:port, and wrong ones are refused."""

import pytest

from sealing.addresses import host_port, http_base


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("/ip4/127.0.0.1/tcp/1789", "http://127.0.0.1:1789"),
        ("/ip4/10.0.0.1/tcp/1789/", "http://10.0.0.1:1789"),
        ("/ip6/::1/tcp/1789", "http://[::1]:1789"),
        ("/dns4/manager.example/tcp/443/https", "https://manager.example:443"),
        ("http://127.0.0.1:1789", "http://127.0.0.1:1789"),
        ("http://127.0.0.1:1789/", "http://127.0.0.1:1789"),
        ("ws://127.0.0.1:1789", "http://127.0.0.1:1789"),
        ("wss://manager.example", "https://manager.example"),
        ("/ip4/127.0.0.1/tcp/1789/ws", "http://127.0.0.1:1789"),
        ("https://manager.example/rpc/v0", "https://manager.example"),
        ("http://manager.example/behind/a/proxy/", "http://manager.example/behind/a/proxy"),
    ],
)
def test_addresses_of_a_manager(address: str, expected: str) -> None:
    """Every form gives the URL to which the JSON-RPC's path is added."""
    assert http_base(address) == expected


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nowhere",
        "127.0.0.1:1789",
        "ftp://host:1",
        "http://",
        "http://host:99999",
        "http://host:0",
        "http://ho st:1",
        "http://host:1?a=b",
        "http://[::1",
        "/ip4/127.0.0.1",
        "/ip4/127.0.0.1/udp/1789",
        "/ip4/127.0.0.1/tcp/0",
        "/unix/socket",
    ],
)
def test_what_is_no_address_of_a_manager(address: str) -> None:
    """A wrong address is refused with two that would be right."""
    with pytest.raises(ValueError, match=r"/ip4/127\.0\.0\.1/tcp/1789"):
        http_base(address)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:7233", ("127.0.0.1", 7233)),
        ("temporal.example:443", ("temporal.example", 443)),
        ("[::1]:1", ("::1", 1)),
    ],
)
def test_host_and_port(address: str, expected: tuple[str, int]) -> None:
    """The last colon parts host and port."""
    assert host_port(address) == expected


@pytest.mark.parametrize(
    "address", ["", "x", ":1", "x:", "x:0", "x:65536", "x:1a", "::1:7233", "http://x:1", "a b:1", "x:²"]
)
def test_what_is_no_host_and_port(address: str) -> None:
    """A wrong one is refused with one that would be right."""
    with pytest.raises(ValueError, match=r"10\.0\.0\.1:4000"):
        host_port(address)
