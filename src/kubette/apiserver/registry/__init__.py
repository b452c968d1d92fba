"""The rules of each kind: defaulting, validation, allocation, subresources.

``strategy_for(kind)`` gives the one shared strategy of a kind, built when first asked for; kinds
without rules of their own get the generic one. The table below is the whole wiring.
"""

from __future__ import annotations

from importlib import import_module

from kubette.api.kinds import Kind
from kubette.apiserver.registry import config as _config
from kubette.apiserver.registry.base import Strategy
from kubette.apiserver.registry.config import RegistryConfig, TokenClaims

__all__ = ["RegistryConfig", "Strategy", "TokenClaims", "configure", "strategy_for"]

#: group resource → module:class, relative to this package.
_STRATEGIES: dict[str, str] = {
    "pods": "pods:Pods",
    "podtemplates": "podtemplates:PodTemplates",
    "services": "services:Services",
    "endpoints": "endpoints:EndpointsStrategy",
    "endpointslices.discovery.k8s.io": "endpointslices:EndpointSlices",
    "replicationcontrollers": "replicationcontrollers:ReplicationControllers",
    "replicasets.apps": "replicasets:ReplicaSets",
    "deployments.apps": "deployments:Deployments",
    "controllerrevisions.apps": "controllerrevisions:ControllerRevisions",
    "daemonsets.apps": "daemonsets:DaemonSets",
    "statefulsets.apps": "statefulsets:StatefulSets",
    "jobs.batch": "jobs:Jobs",
    "cronjobs.batch": "cronjobs:CronJobs",
    "nodes": "nodes:Nodes",
    "namespaces": "namespaces:Namespaces",
    "configmaps": "configmaps:ConfigMaps",
    "secrets": "secrets:Secrets",
    "serviceaccounts": "serviceaccounts:ServiceAccounts",
    "ingresses.networking.k8s.io": "ingresses:Ingresses",
    "ingressclasses.networking.k8s.io": "ingressclasses:IngressClasses",
    "networkpolicies.networking.k8s.io": "networkpolicies:NetworkPolicies",
    "ipaddresses.networking.k8s.io": "ipaddresses:IPAddresses",
    "servicecidrs.networking.k8s.io": "servicecidrs:ServiceCIDRs",
    "events": "events:Events",
    "events.events.k8s.io": "events:Events",
    "leases.coordination.k8s.io": "leases:Leases",
    "clusterroles.rbac.authorization.k8s.io": "rbac:Roles",
    "roles.rbac.authorization.k8s.io": "rbac:Roles",
    "clusterrolebindings.rbac.authorization.k8s.io": "rbac:Bindings",
    "rolebindings.rbac.authorization.k8s.io": "rbac:Bindings",
    "priorityclasses.scheduling.k8s.io": "priorityclasses:PriorityClasses",
    "persistentvolumeclaims": "persistentvolumeclaims:PersistentVolumeClaims",
    "persistentvolumes": "persistentvolumes:PersistentVolumes",
    "storageclasses.storage.k8s.io": "storageclasses:StorageClasses",
    "csidrivers.storage.k8s.io": "csidrivers:CSIDrivers",
    "csinodes.storage.k8s.io": "csinodes:CSINodes",
    "csistoragecapacities.storage.k8s.io": "csistoragecapacities:CSIStorageCapacities",
    "volumeattachments.storage.k8s.io": "volumeattachments:VolumeAttachments",
    "volumeattributesclasses.storage.k8s.io": "volumeattributesclasses:VolumeAttributesClasses",
    "resourcequotas": "resourcequotas:ResourceQuotas",
    "limitranges": "limitranges:LimitRanges",
    "runtimeclasses.node.k8s.io": "runtimeclasses:RuntimeClasses",
    "flowschemas.flowcontrol.apiserver.k8s.io": "flowschemas:FlowSchemas",
    "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io": "prioritylevels:PriorityLevels",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io": "webhookconfigurations:WebhookConfigurations",
    "validatingwebhookconfigurations.admissionregistration.k8s.io": "webhookconfigurations:WebhookConfigurations",
    "mutatingadmissionpolicies.admissionregistration.k8s.io": "admissionpolicies:AdmissionPolicies",
    "validatingadmissionpolicies.admissionregistration.k8s.io": "admissionpolicies:AdmissionPolicies",
    "mutatingadmissionpolicybindings.admissionregistration.k8s.io": "admissionpolicies:AdmissionPolicyBindings",
    "validatingadmissionpolicybindings.admissionregistration.k8s.io": "admissionpolicies:AdmissionPolicyBindings",
    "apiservices.apiregistration.k8s.io": "apiservices:APIServices",
    "resourceclaims.resource.k8s.io": "resourceclaims:ResourceClaims",
    "resourceclaimtemplates.resource.k8s.io": "resourceclaims:ResourceClaimTemplates",
    "deviceclasses.resource.k8s.io": "devices:DeviceClasses",
    "resourceslices.resource.k8s.io": "devices:ResourceSlices",
    "customresourcedefinitions.apiextensions.k8s.io": "customresourcedefinitions:CustomResourceDefinitions",
    "horizontalpodautoscalers.autoscaling": "autoscalers:Autoscalers",
    "poddisruptionbudgets.policy": "disruptionbudgets:DisruptionBudgets",
    "certificatesigningrequests.certificates.k8s.io": "signingrequests:SigningRequests",
}

_built: dict[str, Strategy] = {}


def strategy_for(kind: Kind) -> Strategy:
    """The shared strategy of ``kind``: the same instance for every caller."""
    key = f"{kind.group_resource}/{kind.version}"
    strategy = _built.get(key)
    if strategy is None:
        where = _STRATEGIES.get(kind.group_resource)
        strategy = _load(where)(kind) if where else Strategy(kind)
        _built[key] = strategy
    return strategy


def configure(config: RegistryConfig) -> None:
    """Put ``config`` in force. Strategies built before are dropped with what they had allocated."""
    _config.replace(config)
    _built.clear()


def _load(where: str) -> type[Strategy]:
    module, name = where.split(":")
    cls: type[Strategy] = getattr(import_module(f"{__name__}.{module}"), name)
    return cls
