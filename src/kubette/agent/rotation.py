"""Container logs are kept small: a file that has grown too big is renamed, and the oldest ones go.

Source: the kubelet's containerLogMaxSize (10Mi) and containerLogMaxFiles (5).
"""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

from kubette.agent.logs import files_of
from kubette.runtime.interface import ContainerState, Runtime

log = logging.getLogger(__name__)

_SECONDS = 10.0
_FILES = 5


@runtime_checkable
class Reopens(Protocol):
    """A runtime that can be told to write to a new file of the same name."""

    def reopen_logs(self, container_id: str) -> None: ...


async def keep(runtime: Runtime, limit: int) -> None:
    """Look at the logs of what runs from time to time; until cancelled."""
    while isinstance(runtime, Reopens):
        await asyncio.sleep(_SECONDS)
        for c in await runtime.containers():
            try:
                if c.state is ContainerState.RUNNING and rotate(c.log_path, limit):
                    runtime.reopen_logs(c.id)
            except OSError as error:
                log.warning("log of container %s: %s", c.name, error)


def rotate(path: Path, limit: int) -> bool:
    """Rename the file if it has reached the limit; True when the runtime must open a new one."""
    if not path.is_file() or path.stat().st_size < limit:
        return False
    path.rename(path.with_name(f"{path.name}.{datetime.now(UTC):%Y%m%d-%H%M%S%f}"))
    for old in files_of(path)[:-_FILES]:
        old.unlink(missing_ok=True)
    return True
