"""Pod Security admission: the Pod Security Standards, as the labels of a namespace ask for them.

``policy`` reads the labels, ``checks`` is the table of what each level forbids in each version, and ``admission``
applies both to a write. Source: k8s.io/pod-security-admission; KEP-2579.
"""

from kubette.apiserver.podsecurity.admission import admit

__all__ = ["admit"]
