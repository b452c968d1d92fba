"""Settings for all tests: a slow machine never refutes a property (Hypothesis' deadline for an example, and its check
for slow generation of data)."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("kubette", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("kubette")
