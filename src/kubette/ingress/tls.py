"""Whether a certificate fits its key, checked before HAProxy gets the pair: HAProxy refuses all pairs for a bad one."""

from __future__ import annotations

import os
import ssl

from kubette.ingress.model import Certificate


def check(certificate: Certificate) -> Certificate | str:
    """The certificate, or what is wrong with it. The key touches memory only."""
    at = os.memfd_create("pair")
    try:
        os.write(at, certificate.pem.encode())
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(f"/proc/self/fd/{at}", password=lambda: b"")
    except (ssl.SSLError, OSError, ValueError) as error:
        return f"certificate and key cannot be used: {getattr(error, 'reason', None) or error}"
    finally:
        os.close(at)
    return certificate
