"""The embedded manager's HTTP interface against its schema: whatever is sent, each answer is one that it describes."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.checks import CheckFunction
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from sealing.addresses import RPC_PATH
from sealing.devnet import piecestore
from sealing.devnet.openapi import METHODS, document
from sealing.jsonrpc.errors import PROTOCOL_ERRORS
from sealing.jsonrpc.method import Method
from tests.devnet.world import World

CHECKS: list[CheckFunction] = [content_type_conformance, response_schema_conformance, status_code_conformance]
SECONDS = 10.0
"""An answer that takes longer hangs; the machine may be under load."""
PAGE = Path(__file__).parents[2] / "docs" / "manager.openapi.json"
bounded = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def send(world: World, session: requests.Session, case: Case[Any]) -> None:
    """Send a case and hold its answer to the schema: an HTTP 500 that is no error of JSON-RPC's own is none."""
    response = case.call(base_url=world.server.address, session=session, timeout=SECONDS)
    case.validate_response(response, checks=CHECKS)
    if response.status_code >= 500:
        assert response.json()["error"]["code"] in PROTOCOL_ERRORS


def sent(world: World, cases: st.SearchStrategy[Case[Any]]) -> int:
    """Send the cases of a strategy, in a thread, for the server lives in the test's event loop; return how many."""
    count = 0
    with requests.Session() as session:
        session.trust_env = False

        @bounded
        @given(case=cases)
        def run(case: Case[Any]) -> None:
            nonlocal count
            count += 1
            send(world, session, case)

        run()
    return count


def about_a_sector(number: int) -> dict[str, int]:
    """Return the identity of a sector that the manager has handed out, or of none."""
    return {"Miner": 1000, "Number": number}


def known(case: Case[Any]) -> Case[Any]:
    """Let a call speak of a sector that there is, where it speaks of one and its number is even."""
    body: Any = case.body
    params = body["params"] if isinstance(body, dict) else []
    for at, value in enumerate(params):
        found = value.get("ID", value) if isinstance(value, dict) else {}
        if set(found) >= {"Miner", "Number"} and found["Number"] % 2 == 0:
            params[at] = {**value, **({"ID": about_a_sector(1)} if "ID" in value else about_a_sector(1))}
    return case


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
async def test_every_call_gets_an_answer_of_the_schema(world: World, method: Method[Any]) -> None:
    """Whatever right parameters a call has, its answer is described, comes soon, and is no accident."""
    await world.allocated()
    operation = schemathesis.openapi.from_dict(document([method]))[RPC_PATH]["POST"]
    assert await asyncio.to_thread(sent, world, operation.as_strategy().map(known)) > 0
    await world.allocated()


async def test_every_wrong_call_gets_an_answer_of_the_schema(world: World) -> None:
    """The same holds for what the schema does not allow."""
    operation = schemathesis.openapi.from_dict(document())[RPC_PATH]["POST"]
    assert await asyncio.to_thread(sent, world, operation.as_strategy(GenerationMode.NEGATIVE)) > 0
    await world.allocated()


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
async def test_the_piece_store_answers_by_the_schema(world: World, mode: GenerationMode) -> None:
    """Pieces that there are and that there are not, ranges right and wrong."""
    operation = schemathesis.openapi.from_dict(document())[piecestore.PATH]["GET"]
    assert await asyncio.to_thread(sent, world, operation.as_strategy(mode)) > 0
    await world.allocated()


def test_the_document_is_the_one_in_docs() -> None:
    """docs/manager.openapi.json is what ``make docs`` writes, and each method stands in it."""
    written = json.loads(PAGE.read_text())
    assert written == document(), "make docs"
    requests_of = written["paths"][RPC_PATH]["post"]["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    assert [one["title"] for one in requests_of] == [method.name for method in METHODS]
