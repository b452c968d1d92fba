"""The explicit list of controllers, and running them all on shared informers."""

from __future__ import annotations

import asyncio
from typing import Any

from kubette.client.interface import Api
from kubette.controllers.base import Cluster, Controller
from kubette.controllers.clusterroleaggregation import ClusterRoleAggregation
from kubette.controllers.config import ControllersConfig
from kubette.controllers.csrapproving import CsrApproving
from kubette.controllers.csrcleaner import CsrCleaner
from kubette.controllers.csrsigning import CsrSigning
from kubette.controllers.daemonset import DaemonSet
from kubette.controllers.deployment import Deployment
from kubette.controllers.disruption import Disruption
from kubette.controllers.endpoints import Endpoints
from kubette.controllers.endpointslice import EndpointSlice
from kubette.controllers.endpointslicemirroring import EndpointSliceMirroring
from kubette.controllers.garbagecollector import GarbageCollector
from kubette.controllers.job import Job
from kubette.controllers.loadbalancer import LoadBalancer
from kubette.controllers.namespace import Namespace
from kubette.controllers.nodeipam import NodeIpam
from kubette.controllers.nodelifecycle import NodeLifecycle
from kubette.controllers.podgc import PodGc
from kubette.controllers.pvcprotection import PvcProtection
from kubette.controllers.pvprotection import PvProtection
from kubette.controllers.replicaset import ReplicaSet
from kubette.controllers.replicationcontroller import ReplicationController
from kubette.controllers.rootca import RootCa
from kubette.controllers.serviceaccount import ServiceAccount
from kubette.controllers.serviceaccounttoken import ServiceAccountToken
from kubette.controllers.tainteviction import TaintEviction
from kubette.controllers.ttl import Ttl
from kubette.controllers.ttlafterfinished import TtlAfterFinished

#: In the order in which they start to work.
CONTROLLERS: tuple[type[Controller[Any]], ...] = (
    NodeIpam,
    ServiceAccount,
    ServiceAccountToken,
    RootCa,
    ClusterRoleAggregation,
    CsrApproving,
    CsrSigning,
    CsrCleaner,
    ReplicationController,
    ReplicaSet,
    Deployment,
    DaemonSet,
    Job,
    TtlAfterFinished,
    Disruption,
    PvcProtection,
    PvProtection,
    EndpointSlice,
    Endpoints,
    EndpointSliceMirroring,
    LoadBalancer,
    NodeLifecycle,
    Ttl,
    TaintEviction,
    PodGc,
    Namespace,
    GarbageCollector,  # the last: it shares the informers of those before it
)


async def run(api: Api, config: ControllersConfig) -> None:
    """Until cancelled. One controller that fails for good ends them all: the process is then restarted."""
    cluster = Cluster(api, config)
    controllers = [c(cluster) for c in CONTROLLERS if c.name not in config.disabled]
    async with asyncio.TaskGroup() as group:
        for informer in cluster.informers.values():
            group.create_task(informer.run(), name=f"informer {informer.kind.plural}")
        for controller in controllers:
            group.create_task(controller.run(), name=controller.name)
