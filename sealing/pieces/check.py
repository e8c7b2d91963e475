"""Whether the data that was staged is that of the deals: each piece's commitment is the one in its CID."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sealing.failures import Permanent
from sealing.pieces.cid import commitment_of, piece_cid
from sealing.values import Deal, Piece


def check_added(deals: Sequence[Deal], pieces: Sequence[Piece], origins: Mapping[str, str]) -> None:
    """Compare what was added with what the deals promise. Permanent for the first piece that differs.

    ``origins`` tells in words, by CID, where the data came from, as far as that is known. A sector without deals has
    one piece of zeros, which nobody has promised.
    """
    if not deals:
        return
    if len(deals) != len(pieces):
        raise Permanent(
            f"{len(pieces)} pieces were added where {len(deals)} were given: is the processor the right one?"
        )
    for number, (deal, piece) in enumerate(zip(deals, pieces, strict=True)):
        if deal.piece_cid:
            _compare(number, deal, piece, origins.get(deal.piece_cid))


def _compare(number: int, deal: Deal, piece: Piece, origin: str | None) -> None:
    expected = commitment_of(deal.piece_cid)
    if piece.commitment == expected and piece.size == deal.size:
        return
    came = f"{piece_cid(piece.commitment)} of {piece.size} bytes (commitment {piece.commitment})"
    source = "zeros that fill the sector" if deal.is_filler else f"the data from {origin or 'where it was fetched'}"
    raise Permanent(
        f"piece {number} of the sector, {deal.piece_cid}: {source} is not that piece: expected {deal.size} bytes with "
        f"commitment {expected}, came {came}; put the data right, then resume, and it is fetched and added again"
    )
