"""What the agent reads through the API for its pods: ConfigMaps, Secrets, claims, tokens."""

from __future__ import annotations

import time
from collections.abc import Callable

from kubette.agent.volumes.base import VolumeError
from kubette.api import errors, meta
from kubette.api.kinds import Kind, resource
from kubette.api.meta import Object
from kubette.client.interface import Api

_RENEW_AT = 0.8  # of a token's life
_MAX_TOKEN_AGE = 24 * 3600.0


class ApiObjects:
    """Reads are not cached: a container starts with what is there now. Tokens are, until they need renewal."""

    def __init__(self, api: Api, clock: Callable[[], float] = time.time) -> None:
        self._api = api
        self._clock = clock
        self._tokens: dict[tuple[str, str, int], tuple[str, float]] = {}

    async def config_map(self, namespace: str, name: str) -> Object | None:
        return await self._get(resource("configmaps"), namespace, name)

    async def secret(self, namespace: str, name: str) -> Object | None:
        return await self._get(resource("secrets"), namespace, name)

    async def _get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        try:
            return await self._api.get(kind, name, namespace)
        except errors.NotFound:
            return None
        except errors.ApiError as error:
            raise VolumeError(f"failed to fetch {kind.singular} {namespace}/{name}: {error.message}") from error

    async def claim_source(self, namespace: str, name: str) -> Object:
        claim = await self._get(resource("persistentvolumeclaims"), namespace, name)
        if claim is None:
            raise VolumeError(f'persistentvolumeclaim "{name}" not found')
        volume_name = (claim.get("spec") or {}).get("volumeName")
        if not volume_name or (claim.get("status") or {}).get("phase") != "Bound":
            raise VolumeError(f"PVC {namespace}/{name} is not bound")
        try:
            volume = await self._api.get(resource("persistentvolumes"), volume_name)
        except errors.ApiError as error:
            raise VolumeError(f"failed to fetch PV {volume_name}: {error.message}") from error
        spec: Object = volume.get("spec") or {}
        return spec

    async def token(self, pod: Object, audience: str, seconds: int) -> str:
        """A token bound to the pod; a new one when 80% of its life (at most a day) are over."""
        key = (meta.uid(pod), audience, seconds)
        held = self._tokens.get(key)
        if held is not None and self._clock() < held[1]:
            return held[0]
        account = (pod.get("spec") or {}).get("serviceAccountName") or "default"
        audiences = [audience] if audience else []
        bound = {"apiVersion": "v1", "kind": "Pod", "name": meta.name(pod), "uid": meta.uid(pod)}
        body: Object = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {},
            "spec": {"expirationSeconds": seconds, "boundObjectRef": bound, "audiences": audiences},
        }
        kind, namespace = resource("serviceaccounts"), meta.namespace(pod)
        try:
            answer = await self._api.create(kind, body, namespace, name=account, subresource="token")
        except errors.ApiError as error:
            raise VolumeError(f"failed to fetch token: {error.message}") from error
        status = answer.get("status") or {}
        now = self._clock()
        life = meta.parse_time(status["expirationTimestamp"]).timestamp() - now if status else 0.0
        self._tokens[key] = (str(status.get("token") or ""), now + min(life * _RENEW_AT, _MAX_TOKEN_AGE))
        return self._tokens[key][0]

    def forget(self, pod_uid: str) -> None:
        """The pod has gone, and its tokens with it."""
        for key in [k for k in self._tokens if k[0] == pod_uid]:
            del self._tokens[key]
