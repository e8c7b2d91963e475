"""Whom the embedded manager answers, from this machine and as if from another; and where its token is not."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from sealing.devnet.config import DevnetConfig
from sealing.devnet.server import DevnetServer
from sealing.devnet.verifier import SimulatedVerifier
from tests.devnet.world import config_for
from tests.pieces.store import deal_of
from tests.world.addresses import EVERYWHERE, own_address
from workers.embedded import EmbeddedError, read_config

TOKEN = "correct-horse-battery"  # noqa: S105 - the tests' own
CALL = {"jsonrpc": "2.0", "id": 1, "method": "Venus.AllocateSector", "params": [{}]}
PIECE = f"/piecestore/{deal_of(b'data').piece_cid}"


async def answers(config: DevnetConfig, host: str, **headers: str) -> tuple[int, int]:
    """Return how a call and a question for a piece that is not there are answered at a host."""
    async with DevnetServer(config, SimulatedVerifier()) as server, httpx.AsyncClient(headers=headers) as http:
        base = f"http://{host}:{server.address.rpartition(':')[2]}"
        return (
            (await http.post(f"{base}/rpc/v0", json=CALL)).status_code,
            (await http.get(base + PIECE)).status_code,
        )


async def test_beyond_the_loopback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a list, a token of the environment, or both: for the calls and for the data of pieces alike."""
    other = own_address()

    def config(**settings: object) -> DevnetConfig:
        return config_for(tmp_path / "data", host=EVERYWHERE, **settings)

    assert await answers(config(allowed_addresses=[]), "127.0.0.1") == (200, 404)
    assert await answers(config(allowed_addresses=[]), other) == (403, 403)
    assert await answers(config(allowed_addresses=[other]), other) == (200, 404)
    bearing = {"Authorization": f"Bearer {TOKEN}"}
    for settings, headers, expected in (
        ({}, {}, (401, 401)),
        ({}, bearing, (200, 404)),
        ({"allowed_addresses": []}, bearing, (403, 403)),
        ({"allowed_addresses": [other]}, bearing, (200, 404)),
    ):
        monkeypatch.setenv("MANAGER_TOKEN", TOKEN)
        assert await answers(config(token_env="MANAGER_TOKEN", **settings), other, **headers) == expected  # noqa: S106
    with pytest.raises(ValueError, match="MANAGER_TOKEN holds no token"):
        await answers(config(token_env="MANAGER_TOKEN"), other)  # noqa: S106 - a variable's name


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"allowed_addresses": ["everybody"]}, "an IP address or a network"),
        ({"allowed_addresses": ["::/0"]}, "is everybody"),
        ({"token_file": "/t", "token": TOKEN}, "token and token_file are both set: remove one"),
        ({"token_env": "T", "token": TOKEN}, "token and token_env are both set: remove one"),
        ({"token": TOKEN, "port": -1}, "port"),
        ({"token": [TOKEN]}, "valid string"),
    ],
)
def test_a_wrong_configuration_does_not_show_the_token(tmp_path: Path, settings: dict[str, object], says: str) -> None:
    """What is wrong is said by the error itself, and by the command, and the token by neither."""
    with pytest.raises(ValidationError) as refused:
        config_for(tmp_path, **settings)
    file = tmp_path / "devnet.json"
    file.write_text(json.dumps({"data": str(tmp_path), **settings}))
    with pytest.raises(EmbeddedError, match=says) as told:
        read_config(file)
    assert says in str(refused.value)
    assert [text for text in (str(refused.value), repr(refused.value), str(told.value)) if TOKEN in text] == []


def test_the_configuration_s_repr_has_no_token(tmp_path: Path) -> None:
    """It is what a traceback or a log may show."""
    assert TOKEN not in repr(config_for(tmp_path, token=TOKEN))
