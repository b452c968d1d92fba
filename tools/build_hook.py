"""Build hook: writes ``src/kubette/api/data/`` from the published OpenAPI schema of Kubernetes 1.36.

The schema comes from the build dependency ``kubernetes-validate``; what is derived from it is not kept in the
repository. hatch runs this for wheels (editable ones too), never for a source distribution, which carries the
hook instead. By hand: ``python tools/build_hook.py``. Nothing is written when the inputs have not changed.

    schema.json               tables for structural checks and strategic merges (read by kubette.api.schema)
    openapi/v2.json.gz, v2.pb.gz, v3/GROUP-VERSION.json.gz, v3.json (the index), v2.etag
    STAMP                     digest of the inputs
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand, without hatchling
    BuildHookInterface = object  # type: ignore[assignment, misc]

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "src" / "kubette" / "api" / "data"
RELEASE = "v1.36.0"


def source_file() -> Path:
    """The schema inside the installed ``kubernetes-validate``; found without importing it."""
    spec = importlib.util.find_spec("kubernetes_validate")
    if spec is None or spec.origin is None:
        raise RuntimeError("kubernetes-validate is not installed: pip install kubernetes-validate")
    schemas = Path(spec.origin).parent / "kubernetes-json-schema"
    path = schemas / f"{RELEASE}-local" / "_definitions.json"
    if not path.exists():
        raise RuntimeError(f"kubernetes-validate has no schema of {RELEASE}: {path} is missing")
    return path


def digest(source: Path) -> str:
    """Of everything that the output depends on."""
    inputs = [
        source,
        Path(__file__),
        *sorted((ROOT / "tools" / "openapi_build").glob("*.py")),
        ROOT / "src" / "kubette" / "api" / "kinds.py",
        ROOT / "src" / "kubette" / "api" / "kinds_table.py",
    ]
    total = hashlib.sha256()
    for path in inputs:
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def build(data: Path = DATA, *, force: bool = False) -> bool:
    """Write the data directory; False when it was up to date."""
    source = source_file()
    stamp = digest(source)
    stamp_file = data / "STAMP"
    if not force and stamp_file.exists() and stamp_file.read_text() == stamp:
        return False
    for path in (ROOT / "tools", ROOT / "src"):
        sys.path.insert(0, str(path))
    try:
        written = _generate(json.loads(source.read_bytes())["$defs"])
    finally:
        del sys.path[:2]
    shutil.rmtree(data, ignore_errors=True)
    for name, content in written.items():
        path = data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    stamp_file.write_text(stamp)
    return True


def _generate(source: dict[str, Any]) -> dict[str, bytes]:
    from openapi_build import emit_v2, emit_v3, gnostic
    from openapi_build.normalise import closure, normalise
    from openapi_build.operations import Operation, operations, resource_list
    from openapi_build.tables import tables

    from kubette.api.kinds import all_kinds

    definitions = normalise(source)
    schemas = _by_gvk(definitions)
    per_version: dict[tuple[str, str], list[Operation]] = {}
    for kind in all_kinds():
        ops = per_version.setdefault((kind.group, kind.version), [resource_list(kind.group, kind.version)])
        ops.extend(operations(kind, schemas))

    out = {"schema.json": _json(tables(definitions))}
    index: dict[str, Any] = {}
    for (group, version), ops in per_version.items():
        path = f"apis/{group}/{version}" if group else f"api/{version}"
        roots = {name for gvk, name in schemas.items() if gvk[:2] == (group, version)}
        content, sha = emit_v3.encode(emit_v3.document(RELEASE, definitions, ops, roots))
        index[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={sha}"}
        out[f"openapi/v3/{path.replace('/', '__')}.json.gz"] = _gzip(content)
    out["openapi/v3.json"] = _json({"paths": index})

    everything = [op for ops in per_version.values() for op in ops]
    served = {name for gvk, name in schemas.items() if gvk[:2] in per_version}
    served.update(name for op in everything for name in (op.body, op.answer))
    v2 = emit_v2.document(RELEASE, {n: definitions[n] for n in closure(definitions, served)}, everything)
    v2_json = _json(v2)
    out["openapi/v2.json.gz"] = _gzip(v2_json)
    out["openapi/v2.pb.gz"] = _gzip(gnostic.encode(v2))
    out["openapi/v2.etag"] = hashlib.sha512(v2_json).hexdigest().upper().encode()
    return out


def _by_gvk(definitions: dict[str, Any]) -> dict[tuple[str, str, str], str]:
    """(group, version, kind) → definition name, for those that stand for exactly one kind."""
    out = {}
    for name, definition in definitions.items():
        gvks = definition.get("x-kubernetes-group-version-kind", ())
        if len(gvks) == 1:
            out[gvks[0]["group"], gvks[0]["version"], gvks[0]["kind"]] = name
    return out


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _gzip(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)  # no time inside: the same input gives the same bytes


class SchemaBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """What hatch calls."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name == "wheel":
            build()


if __name__ == "__main__":
    changed = build(force="--force" in sys.argv[1:])
    print(f"{DATA}: {'written' if changed else 'up to date'}")
