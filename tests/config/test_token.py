"""The manager's token in a file of its own, so that the worker's file holds no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealing.config import ConfigError, load
from sealing.devnet.config import DevnetConfig
from tests.devnet.world import config_for, running

SECRET = "right"  # noqa: S105 - a test's own


def written(root: Path, more: str = "") -> Path:
    """Write a worker's file that names the token's file, with more lines in the manager's table."""
    (root / "thread").mkdir()
    file = root / "worker.toml"
    file.write_text(
        f'[sector_manager]\nrpc_client.addr = "http://h:1"\ntoken_file = "{root}/token"\n{more}\n'
        f'[[sealing_thread]]\nlocation = "{root}/thread"\n'
    )
    return file


def test_the_file_s_token_goes_with_each_call(tmp_path: Path) -> None:
    """It is the bearer of each call and of the pieces, without the line's end, beside the other headers."""
    (tmp_path / "token").write_text(f"{SECRET}\n")
    manager = load(written(tmp_path, 'rpc_client.headers = { X-Own = "1" }')).manager
    assert manager.headers() == {"X-Own": "1", "Authorization": f"Bearer {SECRET}"}
    assert manager.pieces_token() == SECRET


def test_a_token_of_the_pieces_goes_first(tmp_path: Path) -> None:
    """A ``piece_token`` in the file counts for the pieces alone."""
    (tmp_path / "token").write_text(SECRET)
    manager = load(written(tmp_path, 'piece_token = "other"')).manager
    assert (manager.headers()["Authorization"], manager.pieces_token()) == (f"Bearer {SECRET}", "other")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The key is named with what to do."""
    with pytest.raises(ConfigError, match=r"sector_manager\.token_file = .*is no file that this user can read"):
        load(written(tmp_path))


def test_a_file_without_a_token_is_refused(tmp_path: Path) -> None:
    """Calls without one look like a manager that refuses everybody."""
    (tmp_path / "token").write_text("\n")
    with pytest.raises(ConfigError, match=r"sector_manager\.token_file = .*holds no token; write one into it"):
        load(written(tmp_path))


async def test_the_embedded_manager_reads_the_same_file(tmp_path: Path) -> None:
    """It may then listen beyond this machine, and answers only who bears the token."""
    (tmp_path / "token").write_text(f"{SECRET}\n")
    config = config_for(tmp_path / "data", token_file=tmp_path / "token")
    async with running(config) as world:
        await world.allocated()
    beyond = DevnetConfig.model_validate({**config.model_dump(exclude={"faults"}), "host": "192.0.2.1"})
    assert beyond.bearer() == SECRET


def test_a_token_is_told_in_one_way(tmp_path: Path) -> None:
    """Both ways at once, or a file without a token, are refused."""
    with pytest.raises(ValueError, match="both set: remove one"):
        config_for(tmp_path, token=SECRET, token_file=tmp_path / "token")
    (tmp_path / "token").write_text("\n")
    with pytest.raises(ValueError, match="holds no token; write one"):
        config_for(tmp_path, token_file=tmp_path / "token").bearer()
