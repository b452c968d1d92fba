"""Settings for all tests: a property is never refuted by a slow machine (Hypothesis' deadline of 200 ms an example)."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("kubette", deadline=None)
settings.load_profile("kubette")
