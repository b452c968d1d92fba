"""What the runtime remembers of each container on disk, so that the next agent finds it again.

One directory a container: ``record.json`` here, and the OCI bundle (config.json, root, overlay's upper).
"""

from __future__ import annotations

import logging
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from kubette.runtime import rootfs
from kubette.runtime.interface import Container, ContainerState, RuntimeFailure

log = logging.getLogger(__name__)


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


class Records:
    """Those of one node, as they lie below ``root`` when this is made."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._records: dict[str, Record] = {}
        self._unsaved: set[str] = set()
        for directory in root.iterdir():
            if record := load(directory):
                self._records[record.id] = record
            else:  # a crash between making the directory and its record
                rootfs.discard(directory)

    def directory(self, container_id: str) -> Path:
        """The container's own: its record and its OCI bundle."""
        return self._root / container_id

    def all(self) -> list[Record]:
        return list(self._records.values())

    def of_pod(self, pod_uid: str) -> list[Record]:
        return [r for r in self._records.values() if r.pod_uid == pod_uid]

    def get(self, container_id: str) -> Record | None:
        return self._records.get(container_id)

    def require(self, container_id: str) -> Record:
        """RuntimeFailure when there is none."""
        record = self._records.get(container_id)
        if record is None:
            raise RuntimeFailure(f"container {container_id} not found")
        return record

    def add(self, record: Record) -> None:
        """One that lies on disk already."""
        self._records[record.id] = record

    def save(self, record: Record) -> None:
        """Write a record down. When the disk is full it is kept in memory, for ``save_rest``."""
        try:
            save(self.directory(record.id), record)
            self._unsaved.discard(record.id)
        except OSError as error:
            if record.id not in self._unsaved:
                log.warning("container %s: its record is not saved: %s", record.id, error)
            self._unsaved.add(record.id)

    def save_rest(self) -> None:
        """Try again to write down what could not be saved."""
        for record in [self._records[i] for i in self._unsaved if i in self._records]:
            self.save(record)

    def forget(self, container_id: str) -> None:
        """Delete the record. The next agent discards the directory if this one does not."""
        self._records.pop(container_id, None)
        self._unsaved.discard(container_id)
        (self.directory(container_id) / "record.json").unlink(missing_ok=True)


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
