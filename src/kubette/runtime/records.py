"""What the runtime remembers of each container on disk, so that the next agent finds it again.

One directory a container: ``record.json`` here, and the OCI bundle (config.json, root, overlay's upper).
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from kubette.runtime.interface import Container, ContainerState


@dataclass(slots=True)
class Record:
    """A container's own facts. Times are seconds since the epoch; ``ticks`` is the pid's start time."""

    id: str
    pod_uid: str
    name: str
    attempt: int
    image: str
    log_path: str
    labels: dict[str, str] = field(default_factory=dict)
    stop_signal: str = "SIGTERM"
    tty: bool = False
    stdin: bool = False
    stdin_once: bool = False
    state: str = "created"
    created_at: float = 0
    started_at: float = 0
    finished_at: float = 0
    exit_code: int = 0
    oom_killed: bool = False
    pid: int = 0
    ticks: int = 0
    conmon: int = 0
    conmon_ticks: int = 0
    reason: str = ""
    message: str = ""
    user: list[int] = field(default_factory=list)

    def container(self) -> Container:
        return Container(
            id=self.id,
            pod_uid=self.pod_uid,
            name=self.name,
            attempt=self.attempt,
            image=self.image,
            state=ContainerState(self.state),
            created_at=self.created_at,
            started_at=self.started_at,
            finished_at=self.finished_at,
            exit_code=self.exit_code,
            oom_killed=self.oom_killed,
            pid=self.pid if self.state == "running" else 0,
            log_path=Path(self.log_path),
            labels=dict(self.labels),
            reason=self.reason,
            message=self.message,
            user=tuple(self.user),
        )


def save(directory: Path, record: Record) -> None:
    write_json(directory / "record.json", asdict(record))


def load(directory: Path) -> Record | None:
    try:
        data = orjson.loads((directory / "record.json").read_bytes())
        return Record(**data)
    except (OSError, ValueError, TypeError):
        return None


def write_json(path: Path, data: Any) -> None:
    """Atomically: a reader, or the next agent, sees the old text or the new."""
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(orjson.dumps(data))
    os.replace(temporary, path)
