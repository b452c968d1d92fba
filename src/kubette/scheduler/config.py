"""What the scheduler is told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SchedulerConfig:
    scheduler_name: str = "default-scheduler"  # pods that name another are left alone
    parallel_bindings: int = 32
