"""Container lifecycle hooks, ``postStart`` and ``preStop``: exec, httpGet or sleep.

Source: https://kubernetes.io/docs/concepts/containers/container-lifecycle-hooks/.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from kubette.agent import probe_actions
from kubette.runtime.interface import Runtime, RuntimeFailure

Obj = dict[str, Any]

_HTTP_SECONDS = 30.0


class HookFailure(Exception):
    """The hook did not succeed. ``subject``: which one, as the kubelet names it. May tell secrets: not for events."""

    def __init__(self, subject: str, message: str) -> None:
        super().__init__(message)
        self.subject = subject


async def run(handler: Obj, container: Obj, pod_ip: str, container_id: str, runtime: Runtime, limit: float) -> None:
    """Run the hook, for at most ``limit`` seconds. HookFailure when it does not succeed."""
    subject = _subject(handler)
    try:
        async with asyncio.timeout(limit):
            if action := handler.get("exec"):
                result = await runtime.exec(container_id, action.get("command") or (), limit)
                if result.exit_code:
                    text = result.output.decode(errors="replace")
                    why = f"command '{' '.join(action['command'])}' exited with {result.exit_code}: {text}"
                    raise HookFailure(subject, f"error: {why}, message: {json.dumps(text, ensure_ascii=False)}")
            elif action := handler.get("httpGet"):
                seconds = min(limit, _HTTP_SECONDS)
                success, output = await probe_actions.http_get(action, container, pod_ip, seconds)
                if not success:
                    raise HookFailure(subject, f"error: {output}")
            elif action := handler.get("sleep"):
                await asyncio.sleep(float(action.get("seconds") or 0))
    except TimeoutError as error:
        raise HookFailure(subject, f"error: it did not complete in {limit:g} seconds") from error
    except (RuntimeFailure, probe_actions.Unsettled) as error:
        raise HookFailure(subject, f"error: {error}") from error


def _subject(handler: Obj) -> str:
    if action := handler.get("exec"):
        return f"Exec lifecycle hook ([{' '.join(action.get('command') or ())}])"
    if action := handler.get("httpGet"):
        return f"HTTP lifecycle hook ({action.get('path') or ''})"
    return "Sleep lifecycle hook"
