"""Fixtures of the configuration's tests."""

from pathlib import Path

import pytest

from tests.config.files import Writer

HEAD = 'sector_manager.rpc_client.addr = "/ip4/127.0.0.1/tcp/1789"\n[[sealing_thread]]\n'


@pytest.fixture
def write(tmp_path: Path) -> Writer:
    """Return a writer of a file with a manager and one thread."""

    def writer(rest: str) -> Path:
        path = tmp_path / "worker.toml"
        path.write_text(HEAD + rest)
        return path

    return writer
