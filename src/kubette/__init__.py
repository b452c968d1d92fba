"""kubette: a whole Kubernetes in one pip install."""

__version__ = "0.1.0"
KUBERNETES_VERSION = "v1.36.0"  # the API version that is served
