"""A few requests with the admin's certificate, for the command line.

The whole client would take longer to load than these requests take.
"""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any

from kubette.clusterspec import ClusterSpec


class ApiFailure(http.client.HTTPException):
    """An answer that is not a success. ``code`` is the HTTP status, ``message`` that of the Status object."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"HTTP {code}: {message}")
        self.code, self.message = code, message


class Api:
    """One connection, opened when it is needed and again after it failed."""

    def __init__(self, spec: ClusterSpec, seconds: float = 5.0) -> None:
        """``seconds``: how long one answer may take."""
        self._spec, self._seconds = spec, seconds
        self._context: ssl.SSLContext | None = None
        self._connection: http.client.HTTPSConnection | None = None

    def get(self, path: str) -> Any:
        """The JSON answer. OSError or HTTPException when there is none."""
        return self.request("GET", path)

    def request(self, method: str, path: str, body: Any = None, media_type: str = "application/json") -> Any:
        """The JSON answer. OSError or HTTPException when there is none, ApiFailure when it is not a success."""
        if self._context is None:
            pki = self._spec.pki_dir
            self._context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
            self._context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        if self._connection is None:
            self._connection = http.client.HTTPSConnection(
                self._spec.control_plane_ip, self._spec.api_port, timeout=self._seconds, context=self._context
            )
        data = None if body is None else json.dumps(body)
        try:
            self._connection.request(method, path, data, {"Content-Type": media_type} if data else {})
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            self._connection = None
            raise
        if response.status >= 300:
            raise ApiFailure(response.status, _message(answer))
        return json.loads(answer)

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()


def _message(answer: bytes) -> str:
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, LookupError, TypeError):
        return answer[:200].decode(errors="replace")
