"""How a client proves who it is, and whom it believes: the TLS side of a ``ClientConfig``."""

from __future__ import annotations

import os
import ssl
import tempfile

from kubette.client.config import ClientConfig


def context(config: ClientConfig) -> ssl.SSLContext:
    """For connections to ``config.server``. ssl.SSLError where a certificate or key is none."""
    out = ssl.create_default_context(cadata=config.ca or None)
    if config.insecure:
        out.check_hostname = False
        out.verify_mode = ssl.CERT_NONE
    if config.cert and config.key:
        # OpenSSL loads a client's key from a file only; this one has no name, and is readable by us alone.
        with tempfile.TemporaryFile() as pem:
            pem.write(f"{config.cert}\n{config.key}\n".encode())
            pem.flush()
            out.load_cert_chain(f"/proc/{os.getpid()}/fd/{pem.fileno()}")
    return out
