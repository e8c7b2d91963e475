"""What stands in configuration, and in what it names: files, addresses, durations, sizes, CPUs, keys, tokens."""

from __future__ import annotations

from sealing.addresses import host_port, http_base, is_loopback, network
from sealing.config import hot
from sealing.config.problems import ConfigError
from sealing.config.reading import load, read
from sealing.config.scanned import described
from sealing.keyring import KeyFileError, read_keys
from sealing.manager.address import manager_url
from sealing.processors.placement import MAX_CPU, cpus_text, parse_cpus
from sealing.stores.layout import HOT_CONFIG, STORE_MARK
from sealing.units import duration_text, parse_duration, parse_size, size_text
from tests.fuzz.target import Target, check_text, folder, text_of, written
from workers.embedded import EmbeddedError, read_config


def worker(data: bytes) -> None:
    """Read a worker's configuration, and tell all that is to be told about it."""
    file = written("worker.toml", data)
    for said in read(file, places=False).notes:
        check_text(str(said))
    load(file, places=False)


def thread(data: bytes) -> None:
    """Read a thread's hot configuration, before a task: a broken one is told of, never raised."""
    written(HOT_CONFIG, data)
    found = hot.read(folder())
    check_text(found.broken)


def address(data: bytes) -> None:
    """Read an address as each key that holds one does."""
    text = text_of(data)
    is_loopback(text)
    for parse in (http_base, manager_url, host_port, network):
        try:
            parse(text)
        except ValueError as error:
            check_text(str(error))


def units(data: bytes) -> None:
    """Read a duration and a size; what is written of them again means the same."""
    text = text_of(data)
    try:
        duration = parse_duration(text)
        assert parse_duration(duration_text(duration)) == duration
    except ValueError as error:
        check_text(str(error))
    check_text(size_text(parse_size(text)))


def cpus(data: bytes) -> None:
    """Read a list of CPUs."""
    found = parse_cpus(text_of(data))
    assert parse_cpus(cpus_text(found)) == found
    assert max(found) <= MAX_CPU


def keys(data: bytes) -> None:
    """Read a key file, of which nothing is ever shown."""
    file = written("keys", data)
    file.chmod(0o600)
    read_keys(file)


def store(data: bytes) -> None:
    """Read what a folder says that it is."""
    described(written(STORE_MARK, data).parent)


def devnet(data: bytes) -> None:
    """Read the embedded manager's configuration."""
    read_config(written("devnet.json", data))


TOML = (
    b"[worker]\n", b"[[sealing_thread]]\n", b"[[attached]]\n", b"[temporal]\n", b"[processors.limitation.concurrent]\n",
    b"[[processors.pc1]]\n", b'location = "/x"\n', b'name = "store"\n', b"[sector_manager]\n", b'"""', b"'''",
    b'rpc_client.addr = "/ip4/127.0.0.1/tcp/1789"\n', b"a." * 50, b"[" * 40, b"{a=" * 40, b"1979-05-27T07:32:00Z",
    b"inf", b"-nan", b"0x7fffffffffffffffff", b"1e400", b"= 9223372036854775808\n", b"\\U0010ffff", b"\xef\xbb\xbf",
    b'recover_interval = "30s"\n', b"[processors.ext_locks]\n", b'cgroup.cpuset = "0-7:1/2"\n', b"sealing.",
)  # fmt: skip
ADDRESSES = (
    b"/ip4/", b"/ip6/", b"/dns/", b"/tcp/", b"/http", b"http://", b"[::1]", b":", b"@", b"%00", b"0x7f.1", b"xn--",
    b"65536",
    b"9" * 4301, b"\xe2\x80\xae", b"//", b"?", b"#", b"wss://", b"\xef\xbc\xa1",
)  # fmt: skip
UNITS = (b"1h", b"30min", b" ", b"8GiB", b"512.5KiB", b"ns", "µs".encode(), b"9" * 4301, b".", b"1M", b"0")
CPUS = (b"0-7", b",", b"16", b"0-8191:1/2", b":", b"/", b"-", b" ", b"9" * 4301)
KEYS = (b"first ", b"# ", b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=", b"\n", b"\x85", b"\xef\xbb\xbf")
JSON = (b'"Name":', b'"ID":', b'"ReadOnly":true', b'"data":"/d"', b'"stores":{"a":"/s"}', b'"faults":[', b"[" * 2000,
        b'"kind":', b'"proof_types":[5]', b"1e999", b'"host":"0.0.0.0"', b'"token":', b"\\u0000", b'"\\ud800"',
    b"~")  # fmt: skip

TARGETS = (
    Target("config-worker", worker, (ConfigError,), TOML),
    Target("config-thread", thread, words=TOML),
    Target("config-devnet", devnet, (EmbeddedError,), JSON),
    Target("store-mark", store, (ValueError,), JSON),
    Target("address", address, words=ADDRESSES),
    Target("units", units, (ValueError,), UNITS),
    Target("cpus", cpus, (ValueError,), CPUS),
    Target("key-file", keys, (KeyFileError,), KEYS),
)
