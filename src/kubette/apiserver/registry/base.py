"""What a kind adds to the one generic resource implementation: the Strategy slot.

The generic verbs call these hooks in a fixed order; a kind overrides only what is its own. All hooks
are synchronous and work on JSON dicts in place. Order on create:

    decode → structural validation → default → prepare_create → validate → warnings_on_create → allocate → append

and on update the same with prepare_update, validate_update and warnings_on_update. ``allocate`` runs without an
await between it and the append to the log; when the append is refused, ``release`` is called with the same
arguments. ``deleted`` runs once the object is gone from the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from kubette.api.errors import FieldError
from kubette.api.kinds import Kind

Object = dict[str, Any]


class Reader(Protocol):
    """Reads of committed and pending state, for strategies that must look at other objects."""

    def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None: ...
    def list(self, kind: Kind, namespace: str | None = None) -> Iterable[Object]: ...


@dataclass(slots=True)
class Context:
    """One request as a strategy sees it."""

    user: str
    groups: tuple[str, ...]
    now: Callable[[], str]  # RFC 3339, seconds
    reader: Reader
    subresource: str = ""
    dry_run: bool = False
    warnings: list[str] = field(default_factory=list)  # sent as Warning headers


def bump_generation(new: Object, old: Object | None) -> None:
    """Set ``metadata.generation``: 1 on create, one more whenever anything but metadata and status changed."""
    meta = new.setdefault("metadata", {})
    if old is None:
        meta["generation"] = 1
        return
    was = int(old.get("metadata", {}).get("generation") or 0)
    meta["generation"] = was + 1 if _desired(new) != _desired(old) else was
    if not meta["generation"]:
        meta["generation"] = 1


def _desired(obj: Object) -> Object:
    return {k: v for k, v in obj.items() if k not in _NOT_DESIRED}


_NOT_DESIRED = frozenset({"apiVersion", "kind", "metadata", "status"})


#: The kinds whose upstream strategies keep a generation.
_WITH_GENERATION = frozenset(
    {
        "pods", "podtemplates", "replicationcontrollers", "daemonsets.apps",
        "deployments.apps", "replicasets.apps", "statefulsets.apps", "cronjobs.batch", "jobs.batch",
        "ingressclasses.networking.k8s.io", "ingresses.networking.k8s.io", "networkpolicies.networking.k8s.io",
        "poddisruptionbudgets.policy", "customresourcedefinitions.apiextensions.k8s.io",
        "priorityclasses.scheduling.k8s.io", "endpointslices.discovery.k8s.io",
        "flowschemas.flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io",
        "mutatingadmissionpolicies.admissionregistration.k8s.io",
        "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
        "deviceclasses.resource.k8s.io", "resourceslices.resource.k8s.io",
    }
)  # fmt: skip


#: Where PUT to a name that does not exist creates it (upstream: AllowCreateOnUpdate).
_CREATE_ON_UPDATE = frozenset(
    {
        "endpoints", "services", "limitranges", "events", "events.events.k8s.io", "leases.coordination.k8s.io",
        "runtimeclasses.node.k8s.io", "roles.rbac.authorization.k8s.io", "clusterroles.rbac.authorization.k8s.io",
        "rolebindings.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io",
    }
)  # fmt: skip

#: Where an update must carry its resourceVersion (upstream: AllowUnconditionalUpdate is false).
_CONDITIONAL_UPDATE = frozenset(
    {
        "leases.coordination.k8s.io", "runtimeclasses.node.k8s.io", "poddisruptionbudgets.policy",
        "csidrivers.storage.k8s.io", "csinodes.storage.k8s.io", "csistoragecapacities.storage.k8s.io",
        "volumeattachments.storage.k8s.io", "apiservices.apiregistration.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
        "mutatingadmissionpolicies.admissionregistration.k8s.io",
        "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
    }
)  # fmt: skip


class Strategy:
    """The default behaviour: what most kinds need. Subclass per kind, register in ``registry/__init__``."""

    #: Whether `metadata.generation` is kept; follows upstream's kinds.
    has_generation: bool
    #: Whether the kind has a status that only its subresource may write; follows the table of kinds.
    has_status: bool
    #: Whether PUT to a name that does not exist creates it.
    allow_create_on_update: bool
    #: Whether an update without resourceVersion is accepted.
    allow_unconditional_update: bool
    #: Seconds of grace a DELETE without options gives; None: deleted at once (only pods differ).
    default_grace_period: int | None = None
    #: Field selectors beyond metadata.name and metadata.namespace: label → value of an object.
    selectable_fields: dict[str, Callable[[Object], str]] = {}  # noqa: RUF012

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.has_status = kind.subresource("status") is not None
        self.has_generation = kind.group_resource in _WITH_GENERATION
        self.allow_create_on_update = kind.group_resource in _CREATE_ON_UPDATE
        self.allow_unconditional_update = kind.group_resource not in _CONDITIONAL_UPDATE

    def default(self, obj: Object) -> None:
        """Upstream's SetDefaults for the kind."""

    def prepare_create(self, obj: Object, ctx: Context) -> None:
        """Drop what a client may not set (status, …) and derive what the server sets."""
        if self.has_status:
            obj.pop("status", None)
        if self.has_generation:
            bump_generation(obj, None)

    def prepare_update(self, new: Object, old: Object, ctx: Context) -> None:
        """As PrepareForUpdate: keep status on a main write, keep all but status on a status write.

        The generic verb has already restored spec (for `status`) or status (for the main resource)."""
        if self.has_generation:
            bump_generation(new, old)

    def validate(self, obj: Object, ctx: Context) -> list[FieldError]:
        return []

    def validate_update(self, new: Object, old: Object, ctx: Context) -> list[FieldError]:
        return self.validate(new, ctx)

    def warnings_on_create(self, obj: Object, ctx: Context) -> Iterable[str]:
        """What upstream's WarningsOnCreate says of an object that passed validation."""
        return ()

    def warnings_on_update(self, new: Object, old: Object, ctx: Context) -> Iterable[str]:
        """As upstream's WarningsOnUpdate; by default nothing, also where creating warns."""
        return ()

    def allocate(self, new: Object, old: Object | None, ctx: Context) -> list[FieldError]:
        """Take cluster-wide resources (ClusterIPs, node ports) for the write; may fill fields in."""
        return []

    def release(self, new: Object, old: Object | None, ctx: Context) -> None:
        """Undo ``allocate``: the write was refused."""

    def deleted(self, obj: Object) -> None:
        """The object is gone: free what it held."""

    def restore(self, objects: Iterable[Object]) -> None:
        """At start-up, once: rebuild allocators from what is stored."""

    def check_delete(self, obj: Object, ctx: Context) -> None:
        """Raise an ApiError to refuse a delete (protected namespaces, …)."""

    def finalizers_on_create(self, obj: Object) -> list[str]:
        return []

    def connect(self, sub: str, parent: Object, body: Object, ctx: Context) -> SubresourceResult | None:
        """POST/PUT to a subresource that is neither status nor scale (binding, eviction, token, …).

        Return what to write and what to answer; None when the kind does not handle it."""
        return None


@dataclass(slots=True)
class SubresourceResult:
    """``update``: the parent object to write back (None: unchanged); ``delete_options``: delete the parent after that,
    with these DeleteOptions; ``also``: other objects to write; ``answer``: the response body; ``code``: its status."""

    answer: Object
    update: Object | None = None
    delete_options: Object | None = None
    also: list[tuple[Kind, Object]] = field(default_factory=list)
    code: int = 201
