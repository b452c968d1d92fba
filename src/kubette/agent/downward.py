"""The downward API: what a pod may learn about itself, in env and in files. Pure.

Source: https://kubernetes.io/docs/concepts/workloads/pods/downward-api/.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_CEILING
from typing import Any

from kubette.api import meta, quantity
from kubette.api.meta import Object

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']*)'\]")


class Unknown(Exception):
    """The field or resource cannot be told; the message is upstream's."""


def field_value(pod: Object, path: str, pod_ips: Sequence[str], host_ips: Sequence[str]) -> str:
    """The text of a ``fieldRef``. ``metadata.labels`` and ``.annotations`` as whole are for files."""
    if found := _SUBSCRIPT.fullmatch(path):
        return str((meta.metadata(pod).get(found[1]) or {}).get(found[2], ""))
    spec = pod.get("spec") or {}
    if path in ("metadata.labels", "metadata.annotations"):
        values = meta.metadata(pod).get(path.partition(".")[2]) or {}
        return "\n".join(f"{k}={_quoted(str(values[k]))}" for k in sorted(values))
    simple = {
        "metadata.name": meta.name(pod),
        "metadata.namespace": meta.namespace(pod),
        "metadata.uid": meta.uid(pod),
        "spec.nodeName": str(spec.get("nodeName") or ""),
        "spec.serviceAccountName": str(spec.get("serviceAccountName") or ""),
        "status.hostIP": host_ips[0] if host_ips else "",
        "status.hostIPs": ",".join(host_ips),
        "status.podIP": pod_ips[0] if pod_ips else "",
        "status.podIPs": ",".join(pod_ips),
    }
    if path not in simple:
        raise Unknown(f"unsupported fieldPath: {path}")
    return simple[path]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def resource_value(pod: Object, container: Object, ref: Mapping[str, Any], allocatable: Mapping[str, str]) -> str:
    """The number of a ``resourceFieldRef``, in units of its divisor, rounded up.

    A limit that is not set is the node's allocatable."""
    if name := ref.get("containerName"):
        spec = pod.get("spec") or {}
        every = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
        found = next((c for c in every if c["name"] == name), None)
        if found is None:
            raise Unknown(f"container {name} not found")
        container = found
    which, _, resource = str(ref["resource"]).partition(".")
    if which not in ("limits", "requests"):
        raise Unknown(f"unsupported container resource : {ref['resource']}")
    resources = container.get("resources") or {}
    value = (resources.get(which) or {}).get(resource)
    if value is None:
        value = allocatable.get(resource, "0") if which == "limits" else "0"
    divisor = quantity.parse(str(ref.get("divisor") or "1")) or quantity.parse("1")
    return str(int((quantity.parse(str(value)) / divisor).to_integral_value(ROUND_CEILING)))
