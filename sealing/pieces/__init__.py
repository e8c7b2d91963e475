"""Pieces of client data: their CIDs and commitments."""
