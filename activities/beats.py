"""When an activity says that it lives: with its heartbeats, after which the server waits for it no longer in vain."""

from __future__ import annotations

from datetime import timedelta

from temporalio import activity

BEAT_AT_MOST = 5.0
"""Seconds between heartbeats at most: a cancellation is noticed with the next one."""
BEATS_PER_TIMEOUT = 4
LONG = timedelta(days=1)
"""What may take longer than this is a computation, and beats from its start. A call beats only where it is slow: most
end before, and one more request for each of them would be felt at the server."""


def pause(info: activity.Info) -> float | None:
    """Return the seconds between two heartbeats of an activity; None: it has none."""
    if info.is_local or info.heartbeat_timeout is None:
        return None
    return min(info.heartbeat_timeout.total_seconds() / BEATS_PER_TIMEOUT, BEAT_AT_MOST)


def from_start(info: activity.Info) -> bool:
    """Tell whether an activity beats from its start, so that every attempt leaves word of itself."""
    limit = info.start_to_close_timeout
    return pause(info) is not None and (limit is None or limit > LONG)
