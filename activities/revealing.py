"""What Temporal shows of a failure, as text that people read: its own text may be encrypted beside it."""

from __future__ import annotations

from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter
from temporalio.exceptions import FailureError


async def revealed(converter: DataConverter, failure: Failure) -> str:
    """Return a failure's text, of a copy: decoding changes what it is given. Raises what the codec does."""
    copy = Failure()
    copy.CopyFrom(failure)
    error = await converter.decode_failure(copy)
    return error.message if isinstance(error, FailureError) else str(error)
