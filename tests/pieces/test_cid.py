"""Piece CIDs and the commitments in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealing.pieces.cid import commitment_of, piece_cid

KNOWN = {
    "fc7e928296e516faade986b28f92d44a4f24b935485223376a799027bc18f833": (
        "baga6ea4seaqpy7usqklokfx2vxuynmupslkeutzexe2uqurdg5vhtebhxqmpqmy"
    ),
    "077e5fde35c50a9303a55009e3498a4ebedff39c42b710b730d8ec7ac7afa63e": (
        "baga6ea4seaqao7s73y24kcutaosvacpdjgfe5pw76ooefnyqw4ynr3d2y6x2mpq"
    ),
}
"""The network's own CIDs of empty sectors of 2 KiB and 32 GiB, as lotus lists them."""


@pytest.mark.parametrize(("commitment", "cid"), KNOWN.items())
def test_known_commitments_have_their_known_cids(commitment: str, cid: str) -> None:
    """The text is the one that the network uses, both ways."""
    assert piece_cid(commitment) == cid
    assert commitment_of(cid) == commitment


@given(st.binary(min_size=32, max_size=32))
def test_a_commitment_comes_back_from_its_cid(commitment: bytes) -> None:
    """Every commitment has a CID of one length, and is found in it."""
    cid = piece_cid(commitment.hex())
    assert len(cid) == 64
    assert cid.startswith("baga6ea4seaq")
    assert commitment_of(cid) == commitment.hex()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "baga",
        "../../../etc/passwd",
        "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",  # another codec, as files in IPFS have
        "bagboea4b5abc" + "a" * 51,
        "BAGA6EA4SEAQPY7USQKLOKFX2VXUYNMUPSLKEUTZEXE2UQURDG5VHTEBHXQMPQMY",
        "baga6ea4seaqpy7usqklokfx2vxuynmupslkeutzexe2uqurdg5vhtebhxqmpqm1",  # 1 is no digit of base32
        "baga6ea4seaqpy7usqklokfx2vxuynmupslkeutzexe2uqurdg5vhtebhxqmpqmz",  # a spare bit is set
        "baga6ea4seaqpy7usqklokfx2vxuynmupslkeutzexe2uqurdg5vhtebhxqmpqü",
        "b" * 100,
    ],
)
def test_what_is_no_piece_cid_is_refused(text: str) -> None:
    """Another codec, another case, another length, or rubbish is named as what it is."""
    with pytest.raises(ValueError, match="is not a piece CID"):
        commitment_of(text)


@given(st.text(max_size=80) | st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=63, max_size=63).map("b".__add__))
def test_any_text_is_a_piece_cid_or_refused(text: str) -> None:
    """No text breaks the reading, and what is read has no second text."""
    try:
        commitment = commitment_of(text)
    except ValueError:
        return
    assert piece_cid(commitment) == text
