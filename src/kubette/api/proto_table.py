"""Which protobuf field is which JSON field: the wire format of Kubernetes 1.36 as one table.

Data only; ``protobuf.py`` reads it. The facts are those of upstream's generated.proto files (numbers, types) and
of the API types behind them (which fields are optional). Written down for every message that is reachable from a
served kind, and from the kinds that belong to every group (Status, DeleteOptions, ...).

    @PACKAGE                        core.v1, apps.v1, ...: the last two parts of the proto package
    MESSAGE FIELD=NUMBER HOW TYPE   (run together: ``name=1!s``); a line that starts with a blank continues the message

``HOW`` says what a zero value on the wire means, for upstream always sends fields that are no pointers:

    ``:``  nothing: it was not set (Go: not a pointer, omitempty)
    ``!``  zero: the JSON form has it too (Go: not a pointer, without omitempty)
    ``?``  zero: it was set to that (Go: a pointer)
    ``<``  the message's fields belong to this object (Go: inline)

``TYPE``: ``s`` string, ``b`` bool, ``i`` int32, ``l`` int64, ``d`` double, ``y`` bytes (base64 in JSON), ``T`` Time,
``U`` MicroTime, ``Q`` Quantity, ``X`` IntOrString, ``R`` raw JSON (RawExtension, JSON, FieldsV1), ``V`` list of strings
in a message (Verbs, ExtraValue); otherwise a message of this package, or of another with its name before it.
``[]`` repeated, ``{}`` map with string keys.
"""

from __future__ import annotations

TABLE = """\
@meta.v1
APIGroup name=1!s versions=2![]GroupVersionForDiscovery preferredVersion=3:GroupVersionForDiscovery
 serverAddressByClientCIDRs=4:[]ServerAddressByClientCIDR
APIGroupList groups=1![]APIGroup
APIResource name=1!s namespaced=2!b kind=3!s verbs=4!V shortNames=5:[]s singularName=6!s categories=7:[]s group=8:s
 version=9:s storageVersionHash=10:s
APIResourceList groupVersion=1!s resources=2![]APIResource
APIVersions versions=1![]s serverAddressByClientCIDRs=2![]ServerAddressByClientCIDR
Condition type=1!s status=2!s observedGeneration=3:l lastTransitionTime=4!T reason=5!s message=6!s
CreateOptions dryRun=1:[]s fieldManager=3:s fieldValidation=4:s
DeleteOptions gracePeriodSeconds=1?l preconditions=2?Preconditions orphanDependents=3?b propagationPolicy=4?s
 dryRun=5:[]s ignoreStoreReadErrorWithClusterBreakingPotential=6?b
FieldSelectorRequirement key=1!s operator=2!s values=3:[]s
GetOptions resourceVersion=1:s
GroupVersionForDiscovery groupVersion=1!s version=2!s
LabelSelector matchLabels=1:{}s matchExpressions=2:[]LabelSelectorRequirement
LabelSelectorRequirement key=1!s operator=2!s values=3:[]s
ListMeta selfLink=1:s resourceVersion=2:s continue=3:s remainingItemCount=4?l shardInfo=5?ShardInfo
ListOptions labelSelector=1:s fieldSelector=2:s watch=3:b resourceVersion=4:s timeoutSeconds=5?l limit=7:l
 continue=8:s allowWatchBookmarks=9:b resourceVersionMatch=10:s sendInitialEvents=11?b shardSelector=15:s
ManagedFieldsEntry manager=1:s operation=2:s apiVersion=3:s time=4?T fieldsType=6:s fieldsV1=7?R subresource=8:s
ObjectMeta name=1:s generateName=2:s namespace=3:s selfLink=4:s uid=5:s resourceVersion=6:s generation=7:l
 creationTimestamp=8:T deletionTimestamp=9?T deletionGracePeriodSeconds=10?l labels=11:{}s annotations=12:{}s
 ownerReferences=13:[]OwnerReference finalizers=14:[]s managedFields=17:[]ManagedFieldsEntry
OwnerReference kind=1!s name=3!s uid=4!s apiVersion=5!s controller=6?b blockOwnerDeletion=7?b
PartialObjectMetadata metadata=1:ObjectMeta
PartialObjectMetadataList metadata=1:ListMeta items=2![]PartialObjectMetadata
PatchOptions dryRun=1:[]s force=2?b fieldManager=3:s fieldValidation=4:s
Preconditions uid=1?s resourceVersion=2?s
ServerAddressByClientCIDR clientCIDR=1!s serverAddress=2!s
ShardInfo selector=1!s
Status metadata=1:ListMeta status=2:s message=3:s reason=4:s details=5?StatusDetails code=6:i
StatusCause reason=1:s message=2:s field=3:s
StatusDetails name=1:s group=2:s kind=3:s causes=4:[]StatusCause retryAfterSeconds=5:i uid=6:s
UpdateOptions dryRun=1:[]s fieldManager=2:s fieldValidation=3:s
WatchEvent type=1!s object=2!R
@core.v1
AWSElasticBlockStoreVolumeSource volumeID=1!s fsType=2:s partition=3:i readOnly=4:b
Affinity nodeAffinity=1?NodeAffinity podAffinity=2?PodAffinity podAntiAffinity=3?PodAntiAffinity
AppArmorProfile type=1!s localhostProfile=2?s
AttachedVolume name=1!s devicePath=2!s
AzureDiskVolumeSource diskName=1!s diskURI=2!s cachingMode=3?s fsType=4?s readOnly=5?b kind=6?s
AzureFilePersistentVolumeSource secretName=1!s shareName=2!s readOnly=3:b secretNamespace=4?s
AzureFileVolumeSource secretName=1!s shareName=2!s readOnly=3:b
Binding metadata=1:meta.v1.ObjectMeta target=2!ObjectReference
CSIPersistentVolumeSource driver=1!s volumeHandle=2!s readOnly=3:b fsType=4:s volumeAttributes=5:{}s
 controllerPublishSecretRef=6?SecretReference nodeStageSecretRef=7?SecretReference
 nodePublishSecretRef=8?SecretReference controllerExpandSecretRef=9?SecretReference
 nodeExpandSecretRef=10?SecretReference
CSIVolumeSource driver=1!s readOnly=2?b fsType=3?s volumeAttributes=4:{}s nodePublishSecretRef=5?LocalObjectReference
Capabilities add=1:[]s drop=2:[]s
CephFSPersistentVolumeSource monitors=1![]s path=2:s user=3:s secretFile=4:s secretRef=5?SecretReference readOnly=6:b
CephFSVolumeSource monitors=1![]s path=2:s user=3:s secretFile=4:s secretRef=5?LocalObjectReference readOnly=6:b
CinderPersistentVolumeSource volumeID=1!s fsType=2:s readOnly=3:b secretRef=4?SecretReference
CinderVolumeSource volumeID=1!s fsType=2:s readOnly=3:b secretRef=4?LocalObjectReference
ClientIPConfig timeoutSeconds=1?i
ClusterTrustBundleProjection name=1?s signerName=2?s labelSelector=3?meta.v1.LabelSelector path=4!s optional=5?b
ComponentCondition type=1!s status=2!s message=3:s error=4:s
ComponentStatus metadata=1:meta.v1.ObjectMeta conditions=2:[]ComponentCondition
ComponentStatusList metadata=1:meta.v1.ListMeta items=2![]ComponentStatus
ConfigMap metadata=1:meta.v1.ObjectMeta data=2:{}s binaryData=3:{}y immutable=4?b
ConfigMapEnvSource localObjectReference=1<LocalObjectReference optional=2?b
ConfigMapKeySelector localObjectReference=1<LocalObjectReference key=2!s optional=3?b
ConfigMapList metadata=1:meta.v1.ListMeta items=2![]ConfigMap
ConfigMapNodeConfigSource namespace=1!s name=2!s uid=3:s resourceVersion=4:s kubeletConfigKey=5!s
ConfigMapProjection localObjectReference=1<LocalObjectReference items=2:[]KeyToPath optional=4?b
ConfigMapVolumeSource localObjectReference=1<LocalObjectReference items=2:[]KeyToPath defaultMode=3?i optional=4?b
Container name=1!s image=2:s command=3:[]s args=4:[]s workingDir=5:s ports=6:[]ContainerPort env=7:[]EnvVar
 resources=8:ResourceRequirements volumeMounts=9:[]VolumeMount livenessProbe=10?Probe readinessProbe=11?Probe
 lifecycle=12?Lifecycle terminationMessagePath=13:s imagePullPolicy=14:s securityContext=15?SecurityContext stdin=16:b
 stdinOnce=17:b tty=18:b envFrom=19:[]EnvFromSource terminationMessagePolicy=20:s volumeDevices=21:[]VolumeDevice
 startupProbe=22?Probe resizePolicy=23:[]ContainerResizePolicy restartPolicy=24?s
 restartPolicyRules=25:[]ContainerRestartRule
ContainerExtendedResourceRequest containerName=1!s resourceName=2!s requestName=3!s
ContainerImage names=1![]s sizeBytes=2:l
ContainerPort name=1:s hostPort=2:i containerPort=3!i protocol=4:s hostIP=5:s
ContainerResizePolicy resourceName=1!s restartPolicy=2!s
ContainerRestartRule action=1:s exitCodes=2?ContainerRestartRuleOnExitCodes
ContainerRestartRuleOnExitCodes operator=1:s values=2:[]i
ContainerState waiting=1?ContainerStateWaiting running=2?ContainerStateRunning terminated=3?ContainerStateTerminated
ContainerStateRunning startedAt=1:T
ContainerStateTerminated exitCode=1!i signal=2:i reason=3:s message=4:s startedAt=5:T finishedAt=6:T containerID=7:s
ContainerStateWaiting reason=1:s message=2:s
ContainerStatus name=1!s state=2:ContainerState lastState=3:ContainerState ready=4!b restartCount=5!i image=6!s
 imageID=7!s containerID=8:s started=9?b allocatedResources=10:{}Q resources=11?ResourceRequirements
 volumeMounts=12:[]VolumeMountStatus user=13?ContainerUser allocatedResourcesStatus=14:[]ResourceStatus
 stopSignal=15?s
ContainerUser linux=1?LinuxContainerUser
DaemonEndpoint Port=1!i
DownwardAPIProjection items=1:[]DownwardAPIVolumeFile
DownwardAPIVolumeFile path=1!s fieldRef=2?ObjectFieldSelector resourceFieldRef=3?ResourceFieldSelector mode=4?i
DownwardAPIVolumeSource items=1:[]DownwardAPIVolumeFile defaultMode=2?i
EmptyDirVolumeSource medium=1:s sizeLimit=2?Q
EndpointAddress ip=1!s targetRef=2?ObjectReference hostname=3:s nodeName=4?s
EndpointPort name=1:s port=2!i protocol=3:s appProtocol=4?s
EndpointSubset addresses=1:[]EndpointAddress notReadyAddresses=2:[]EndpointAddress ports=3:[]EndpointPort
Endpoints metadata=1:meta.v1.ObjectMeta subsets=2:[]EndpointSubset
EndpointsList metadata=1:meta.v1.ListMeta items=2![]Endpoints
EnvFromSource prefix=1:s configMapRef=2?ConfigMapEnvSource secretRef=3?SecretEnvSource
EnvVar name=1!s value=2:s valueFrom=3?EnvVarSource
EnvVarSource fieldRef=1?ObjectFieldSelector resourceFieldRef=2?ResourceFieldSelector
 configMapKeyRef=3?ConfigMapKeySelector secretKeyRef=4?SecretKeySelector fileKeyRef=5?FileKeySelector
EphemeralContainer ephemeralContainerCommon=1<EphemeralContainerCommon targetContainerName=2:s
EphemeralContainerCommon name=1!s image=2:s command=3:[]s args=4:[]s workingDir=5:s ports=6:[]ContainerPort
 env=7:[]EnvVar resources=8:ResourceRequirements volumeMounts=9:[]VolumeMount livenessProbe=10?Probe
 readinessProbe=11?Probe lifecycle=12?Lifecycle terminationMessagePath=13:s imagePullPolicy=14:s
 securityContext=15?SecurityContext stdin=16:b stdinOnce=17:b tty=18:b envFrom=19:[]EnvFromSource
 terminationMessagePolicy=20:s volumeDevices=21:[]VolumeDevice startupProbe=22?Probe
 resizePolicy=23:[]ContainerResizePolicy restartPolicy=24?s restartPolicyRules=25:[]ContainerRestartRule
EphemeralVolumeSource volumeClaimTemplate=1?PersistentVolumeClaimTemplate
Event metadata=1!meta.v1.ObjectMeta involvedObject=2!ObjectReference reason=3:s message=4:s source=5:EventSource
 firstTimestamp=6:T lastTimestamp=7:T count=8:i type=9:s eventTime=10:U series=11?EventSeries action=12:s
 related=13?ObjectReference reportingComponent=14!s reportingInstance=15!s
EventList metadata=1:meta.v1.ListMeta items=2![]Event
EventSeries count=1:i lastObservedTime=2:U
EventSource component=1:s host=2:s
ExecAction command=1:[]s
FCVolumeSource targetWWNs=1:[]s lun=2?i fsType=3:s readOnly=4:b wwids=5:[]s
FileKeySelector volumeName=1!s path=2!s key=3!s optional=4?b
FlexPersistentVolumeSource driver=1!s fsType=2:s secretRef=3?SecretReference readOnly=4:b options=5:{}s
FlexVolumeSource driver=1!s fsType=2:s secretRef=3?LocalObjectReference readOnly=4:b options=5:{}s
FlockerVolumeSource datasetName=1:s datasetUUID=2:s
GCEPersistentDiskVolumeSource pdName=1!s fsType=2:s partition=3:i readOnly=4:b
GRPCAction port=1!i service=2?s
GitRepoVolumeSource repository=1!s revision=2:s directory=3:s
GlusterfsPersistentVolumeSource endpoints=1!s path=2!s readOnly=3:b endpointsNamespace=4?s
GlusterfsVolumeSource endpoints=1!s path=2!s readOnly=3:b
HTTPGetAction path=1:s port=2!X host=3:s scheme=4:s httpHeaders=5:[]HTTPHeader
HTTPHeader name=1!s value=2!s
HostAlias ip=1!s hostnames=2:[]s
HostIP ip=1!s
HostPathVolumeSource path=1!s type=2?s
ISCSIPersistentVolumeSource targetPortal=1!s iqn=2!s lun=3!i iscsiInterface=4:s fsType=5:s readOnly=6:b portals=7:[]s
 chapAuthDiscovery=8:b secretRef=10?SecretReference chapAuthSession=11:b initiatorName=12?s
ISCSIVolumeSource targetPortal=1!s iqn=2!s lun=3!i iscsiInterface=4:s fsType=5:s readOnly=6:b portals=7:[]s
 chapAuthDiscovery=8:b secretRef=10?LocalObjectReference chapAuthSession=11:b initiatorName=12?s
ImageVolumeSource reference=1:s pullPolicy=2:s
ImageVolumeStatus imageRef=1:s
KeyToPath key=1!s path=2!s mode=3?i
Lifecycle postStart=1?LifecycleHandler preStop=2?LifecycleHandler stopSignal=3?s
LifecycleHandler exec=1?ExecAction httpGet=2?HTTPGetAction tcpSocket=3?TCPSocketAction sleep=4?SleepAction
LimitRange metadata=1:meta.v1.ObjectMeta spec=2:LimitRangeSpec
LimitRangeItem type=1!s max=2:{}Q min=3:{}Q default=4:{}Q defaultRequest=5:{}Q maxLimitRequestRatio=6:{}Q
LimitRangeList metadata=1:meta.v1.ListMeta items=2![]LimitRange
LimitRangeSpec limits=1![]LimitRangeItem
LinuxContainerUser uid=1!l gid=2!l supplementalGroups=3:[]l
List metadata=1:meta.v1.ListMeta items=2:[]R
LoadBalancerIngress ip=1:s hostname=2:s ipMode=3?s ports=4:[]PortStatus
LoadBalancerStatus ingress=1:[]LoadBalancerIngress
LocalObjectReference name=1:s
LocalVolumeSource path=1!s fsType=2?s
ModifyVolumeStatus targetVolumeAttributesClassName=1:s status=2!s
NFSVolumeSource server=1!s path=2!s readOnly=3:b
Namespace metadata=1:meta.v1.ObjectMeta spec=2:NamespaceSpec status=3:NamespaceStatus
NamespaceCondition type=1!s status=2!s lastTransitionTime=4:T reason=5:s message=6:s
NamespaceList metadata=1:meta.v1.ListMeta items=2![]Namespace
NamespaceSpec finalizers=1:[]s
NamespaceStatus phase=1:s conditions=2:[]NamespaceCondition
Node metadata=1:meta.v1.ObjectMeta spec=2:NodeSpec status=3:NodeStatus
NodeAddress type=1!s address=2!s
NodeAffinity requiredDuringSchedulingIgnoredDuringExecution=1?NodeSelector
 preferredDuringSchedulingIgnoredDuringExecution=2:[]PreferredSchedulingTerm
NodeAllocatableResourceClaimStatus resourceClaimName=1!s containers=2:[]s resources=3!{}Q
NodeCondition type=1!s status=2!s lastHeartbeatTime=3:T lastTransitionTime=4:T reason=5:s message=6:s
NodeConfigSource configMap=2?ConfigMapNodeConfigSource
NodeConfigStatus assigned=1?NodeConfigSource active=2?NodeConfigSource lastKnownGood=3?NodeConfigSource error=4:s
NodeDaemonEndpoints kubeletEndpoint=1:DaemonEndpoint
NodeFeatures supplementalGroupsPolicy=1?b
NodeList metadata=1:meta.v1.ListMeta items=2![]Node
NodeProxyOptions path=1:s
NodeRuntimeHandler name=1!s features=2?NodeRuntimeHandlerFeatures
NodeRuntimeHandlerFeatures recursiveReadOnlyMounts=1?b userNamespaces=2?b
NodeSelector nodeSelectorTerms=1![]NodeSelectorTerm
NodeSelectorRequirement key=1!s operator=2!s values=3:[]s
NodeSelectorTerm matchExpressions=1:[]NodeSelectorRequirement matchFields=2:[]NodeSelectorRequirement
NodeSpec podCIDR=1:s externalID=2:s providerID=3:s unschedulable=4:b taints=5:[]Taint configSource=6?NodeConfigSource
 podCIDRs=7:[]s
NodeStatus capacity=1:{}Q allocatable=2:{}Q phase=3:s conditions=4:[]NodeCondition addresses=5:[]NodeAddress
 daemonEndpoints=6:NodeDaemonEndpoints nodeInfo=7:NodeSystemInfo images=8:[]ContainerImage volumesInUse=9:[]s
 volumesAttached=10:[]AttachedVolume config=11?NodeConfigStatus runtimeHandlers=12:[]NodeRuntimeHandler
 features=13?NodeFeatures declaredFeatures=14:[]s
NodeSwapStatus capacity=1?l
NodeSystemInfo machineID=1!s systemUUID=2!s bootID=3!s kernelVersion=4!s osImage=5!s containerRuntimeVersion=6!s
 kubeletVersion=7!s kubeProxyVersion=8!s operatingSystem=9!s architecture=10!s swap=11?NodeSwapStatus
ObjectFieldSelector apiVersion=1:s fieldPath=2!s
ObjectReference kind=1:s namespace=2:s name=3:s uid=4:s apiVersion=5:s resourceVersion=6:s fieldPath=7:s
PersistentVolume metadata=1:meta.v1.ObjectMeta spec=2:PersistentVolumeSpec status=3:PersistentVolumeStatus
PersistentVolumeClaim metadata=1:meta.v1.ObjectMeta spec=2:PersistentVolumeClaimSpec
 status=3:PersistentVolumeClaimStatus
PersistentVolumeClaimCondition type=1!s status=2!s lastProbeTime=3:T lastTransitionTime=4:T reason=5:s message=6:s
PersistentVolumeClaimList metadata=1:meta.v1.ListMeta items=2![]PersistentVolumeClaim
PersistentVolumeClaimSpec accessModes=1:[]s resources=2:VolumeResourceRequirements volumeName=3:s
 selector=4?meta.v1.LabelSelector storageClassName=5?s volumeMode=6?s dataSource=7?TypedLocalObjectReference
 dataSourceRef=8?TypedObjectReference volumeAttributesClassName=9?s
PersistentVolumeClaimStatus phase=1:s accessModes=2:[]s capacity=3:{}Q conditions=4:[]PersistentVolumeClaimCondition
 allocatedResources=5:{}Q allocatedResourceStatuses=7:{}s currentVolumeAttributesClassName=8?s
 modifyVolumeStatus=9?ModifyVolumeStatus
PersistentVolumeClaimTemplate metadata=1:meta.v1.ObjectMeta spec=2!PersistentVolumeClaimSpec
PersistentVolumeClaimVolumeSource claimName=1!s readOnly=2:b
PersistentVolumeList metadata=1:meta.v1.ListMeta items=2![]PersistentVolume
PersistentVolumeSource gcePersistentDisk=1?GCEPersistentDiskVolumeSource
 awsElasticBlockStore=2?AWSElasticBlockStoreVolumeSource hostPath=3?HostPathVolumeSource
 glusterfs=4?GlusterfsPersistentVolumeSource nfs=5?NFSVolumeSource rbd=6?RBDPersistentVolumeSource
 iscsi=7?ISCSIPersistentVolumeSource cinder=8?CinderPersistentVolumeSource cephfs=9?CephFSPersistentVolumeSource
 fc=10?FCVolumeSource flocker=11?FlockerVolumeSource flexVolume=12?FlexPersistentVolumeSource
 azureFile=13?AzureFilePersistentVolumeSource vsphereVolume=14?VsphereVirtualDiskVolumeSource
 quobyte=15?QuobyteVolumeSource azureDisk=16?AzureDiskVolumeSource
 photonPersistentDisk=17?PhotonPersistentDiskVolumeSource portworxVolume=18?PortworxVolumeSource
 scaleIO=19?ScaleIOPersistentVolumeSource local=20?LocalVolumeSource storageos=21?StorageOSPersistentVolumeSource
 csi=22?CSIPersistentVolumeSource
PersistentVolumeSpec capacity=1:{}Q persistentVolumeSource=2<PersistentVolumeSource accessModes=3:[]s
 claimRef=4?ObjectReference persistentVolumeReclaimPolicy=5:s storageClassName=6:s mountOptions=7:[]s volumeMode=8?s
 nodeAffinity=9?VolumeNodeAffinity volumeAttributesClassName=10?s
PersistentVolumeStatus phase=1:s message=2:s reason=3:s lastPhaseTransitionTime=4?T
PhotonPersistentDiskVolumeSource pdID=1!s fsType=2:s
Pod metadata=1:meta.v1.ObjectMeta spec=2:PodSpec status=3:PodStatus
PodAffinity requiredDuringSchedulingIgnoredDuringExecution=1:[]PodAffinityTerm
 preferredDuringSchedulingIgnoredDuringExecution=2:[]WeightedPodAffinityTerm
PodAffinityTerm labelSelector=1?meta.v1.LabelSelector namespaces=2:[]s topologyKey=3!s
 namespaceSelector=4?meta.v1.LabelSelector matchLabelKeys=5:[]s mismatchLabelKeys=6:[]s
PodAntiAffinity requiredDuringSchedulingIgnoredDuringExecution=1:[]PodAffinityTerm
 preferredDuringSchedulingIgnoredDuringExecution=2:[]WeightedPodAffinityTerm
PodAttachOptions stdin=1:b stdout=2:b stderr=3:b tty=4:b container=5:s
PodCertificateProjection signerName=1:s keyType=2:s maxExpirationSeconds=3?i credentialBundlePath=4:s keyPath=5:s
 certificateChainPath=6:s userAnnotations=7:{}s
PodCondition type=1!s status=2!s lastProbeTime=3:T lastTransitionTime=4:T reason=5:s message=6:s
 observedGeneration=7:l
PodDNSConfig nameservers=1:[]s searches=2:[]s options=3:[]PodDNSConfigOption
PodDNSConfigOption name=1:s value=2?s
PodExecOptions stdin=1:b stdout=2:b stderr=3:b tty=4:b container=5:s command=6![]s
PodExtendedResourceClaimStatus requestMappings=1![]ContainerExtendedResourceRequest resourceClaimName=2!s
PodIP ip=1!s
PodList metadata=1:meta.v1.ListMeta items=2![]Pod
PodOS name=1!s
PodPortForwardOptions ports=1:[]i
PodProxyOptions path=1:s
PodReadinessGate conditionType=1!s
PodResourceClaim name=1!s resourceClaimName=3?s resourceClaimTemplateName=4?s
PodResourceClaimStatus name=1!s resourceClaimName=2?s
PodSchedulingGate name=1!s
PodSchedulingGroup podGroupName=1?s
PodSecurityContext seLinuxOptions=1?SELinuxOptions runAsUser=2?l runAsNonRoot=3?b supplementalGroups=4:[]l fsGroup=5?l
 runAsGroup=6?l sysctls=7:[]Sysctl windowsOptions=8?WindowsSecurityContextOptions fsGroupChangePolicy=9?s
 seccompProfile=10?SeccompProfile appArmorProfile=11?AppArmorProfile supplementalGroupsPolicy=12?s
 seLinuxChangePolicy=13?s
PodSpec volumes=1:[]Volume containers=2![]Container restartPolicy=3:s terminationGracePeriodSeconds=4?l
 activeDeadlineSeconds=5?l dnsPolicy=6:s nodeSelector=7:{}s serviceAccountName=8:s serviceAccount=9:s nodeName=10:s
 hostNetwork=11:b hostPID=12:b hostIPC=13:b securityContext=14?PodSecurityContext
 imagePullSecrets=15:[]LocalObjectReference hostname=16:s subdomain=17:s affinity=18?Affinity schedulerName=19:s
 initContainers=20:[]Container automountServiceAccountToken=21?b tolerations=22:[]Toleration
 hostAliases=23:[]HostAlias priorityClassName=24:s priority=25?i dnsConfig=26?PodDNSConfig shareProcessNamespace=27?b
 readinessGates=28:[]PodReadinessGate runtimeClassName=29?s enableServiceLinks=30?b preemptionPolicy=31?s
 overhead=32:{}Q topologySpreadConstraints=33:[]TopologySpreadConstraint ephemeralContainers=34:[]EphemeralContainer
 setHostnameAsFQDN=35?b os=36?PodOS hostUsers=37?b schedulingGates=38:[]PodSchedulingGate
 resourceClaims=39:[]PodResourceClaim resources=40?ResourceRequirements hostnameOverride=41?s
 schedulingGroup=43?PodSchedulingGroup
PodStatus phase=1:s conditions=2:[]PodCondition message=3:s reason=4:s hostIP=5:s podIP=6:s startTime=7?T
 containerStatuses=8:[]ContainerStatus qosClass=9:s initContainerStatuses=10:[]ContainerStatus nominatedNodeName=11:s
 podIPs=12:[]PodIP ephemeralContainerStatuses=13:[]ContainerStatus resize=14:s
 resourceClaimStatuses=15:[]PodResourceClaimStatus hostIPs=16:[]HostIP observedGeneration=17:l
 extendedResourceClaimStatus=18?PodExtendedResourceClaimStatus allocatedResources=19:{}Q
 resources=20?ResourceRequirements nodeAllocatableResourceClaimStatuses=21:[]NodeAllocatableResourceClaimStatus
PodTemplate metadata=1:meta.v1.ObjectMeta template=2:PodTemplateSpec
PodTemplateList metadata=1:meta.v1.ListMeta items=2![]PodTemplate
PodTemplateSpec metadata=1:meta.v1.ObjectMeta spec=2:PodSpec
PortStatus port=1!i protocol=2!s error=3?s
PortworxVolumeSource volumeID=1!s fsType=2:s readOnly=3:b
PreferredSchedulingTerm weight=1!i preference=2!NodeSelectorTerm
Probe handler=1<ProbeHandler initialDelaySeconds=2:i timeoutSeconds=3:i periodSeconds=4:i successThreshold=5:i
 failureThreshold=6:i terminationGracePeriodSeconds=7?l
ProbeHandler exec=1?ExecAction httpGet=2?HTTPGetAction tcpSocket=3?TCPSocketAction grpc=4?GRPCAction
ProjectedVolumeSource sources=1![]VolumeProjection defaultMode=2?i
QuobyteVolumeSource registry=1!s volume=2!s readOnly=3:b user=4:s group=5:s tenant=6:s
RBDPersistentVolumeSource monitors=1![]s image=2!s fsType=3:s pool=4:s user=5:s keyring=6:s
 secretRef=7?SecretReference readOnly=8:b
RBDVolumeSource monitors=1![]s image=2!s fsType=3:s pool=4:s user=5:s keyring=6:s secretRef=7?LocalObjectReference
 readOnly=8:b
ReplicationController metadata=1:meta.v1.ObjectMeta spec=2:ReplicationControllerSpec
 status=3:ReplicationControllerStatus
ReplicationControllerCondition type=1!s status=2!s lastTransitionTime=3:T reason=4:s message=5:s
ReplicationControllerList metadata=1:meta.v1.ListMeta items=2![]ReplicationController
ReplicationControllerSpec replicas=1?i selector=2:{}s template=3?PodTemplateSpec minReadySeconds=4:i
ReplicationControllerStatus replicas=1!i fullyLabeledReplicas=2:i observedGeneration=3:l readyReplicas=4:i
 availableReplicas=5:i conditions=6:[]ReplicationControllerCondition
ResourceClaim name=1!s request=2:s
ResourceFieldSelector containerName=1:s resource=2!s divisor=3:Q
ResourceHealth resourceID=1!s health=2:s message=6?s
ResourceQuota metadata=1:meta.v1.ObjectMeta spec=2:ResourceQuotaSpec status=3:ResourceQuotaStatus
ResourceQuotaList metadata=1:meta.v1.ListMeta items=2![]ResourceQuota
ResourceQuotaSpec hard=1:{}Q scopes=2:[]s scopeSelector=3?ScopeSelector
ResourceQuotaStatus hard=1:{}Q used=2:{}Q
ResourceRequirements limits=1:{}Q requests=2:{}Q claims=3:[]ResourceClaim
ResourceStatus name=1!s resources=2:[]ResourceHealth
SELinuxOptions user=1:s role=2:s type=3:s level=4:s
ScaleIOPersistentVolumeSource gateway=1!s system=2!s secretRef=3?SecretReference sslEnabled=4:b protectionDomain=5:s
 storagePool=6:s storageMode=7:s volumeName=8:s fsType=9:s readOnly=10:b
ScaleIOVolumeSource gateway=1!s system=2!s secretRef=3?LocalObjectReference sslEnabled=4:b protectionDomain=5:s
 storagePool=6:s storageMode=7:s volumeName=8:s fsType=9:s readOnly=10:b
ScopeSelector matchExpressions=1:[]ScopedResourceSelectorRequirement
ScopedResourceSelectorRequirement scopeName=1!s operator=2!s values=3:[]s
SeccompProfile type=1!s localhostProfile=2?s
Secret metadata=1:meta.v1.ObjectMeta data=2:{}y type=3:s stringData=4:{}s immutable=5?b
SecretEnvSource localObjectReference=1<LocalObjectReference optional=2?b
SecretKeySelector localObjectReference=1<LocalObjectReference key=2!s optional=3?b
SecretList metadata=1:meta.v1.ListMeta items=2![]Secret
SecretProjection localObjectReference=1<LocalObjectReference items=2:[]KeyToPath optional=4?b
SecretReference name=1:s namespace=2:s
SecretVolumeSource secretName=1:s items=2:[]KeyToPath defaultMode=3?i optional=4?b
SecurityContext capabilities=1?Capabilities privileged=2?b seLinuxOptions=3?SELinuxOptions runAsUser=4?l
 runAsNonRoot=5?b readOnlyRootFilesystem=6?b allowPrivilegeEscalation=7?b runAsGroup=8?l procMount=9?s
 windowsOptions=10?WindowsSecurityContextOptions seccompProfile=11?SeccompProfile appArmorProfile=12?AppArmorProfile
Service metadata=1:meta.v1.ObjectMeta spec=2:ServiceSpec status=3:ServiceStatus
ServiceAccount metadata=1:meta.v1.ObjectMeta secrets=2:[]ObjectReference imagePullSecrets=3:[]LocalObjectReference
 automountServiceAccountToken=4?b
ServiceAccountList metadata=1:meta.v1.ListMeta items=2![]ServiceAccount
ServiceAccountTokenProjection audience=1:s expirationSeconds=2?l path=3!s
ServiceList metadata=1:meta.v1.ListMeta items=2![]Service
ServicePort name=1:s protocol=2:s port=3!i targetPort=4:X nodePort=5:i appProtocol=6?s
ServiceProxyOptions path=1:s
ServiceSpec ports=1:[]ServicePort selector=2:{}s clusterIP=3:s type=4:s externalIPs=5:[]s sessionAffinity=7:s
 loadBalancerIP=8:s loadBalancerSourceRanges=9:[]s externalName=10:s externalTrafficPolicy=11:s
 healthCheckNodePort=12:i publishNotReadyAddresses=13:b sessionAffinityConfig=14?SessionAffinityConfig
 ipFamilyPolicy=17?s clusterIPs=18:[]s ipFamilies=19:[]s allocateLoadBalancerNodePorts=20?b loadBalancerClass=21?s
 internalTrafficPolicy=22?s trafficDistribution=23?s
ServiceStatus loadBalancer=1:LoadBalancerStatus conditions=2:[]meta.v1.Condition
SessionAffinityConfig clientIP=1?ClientIPConfig
SleepAction seconds=1!l
StorageOSPersistentVolumeSource volumeName=1:s volumeNamespace=2:s fsType=3:s readOnly=4:b secretRef=5?ObjectReference
StorageOSVolumeSource volumeName=1:s volumeNamespace=2:s fsType=3:s readOnly=4:b secretRef=5?LocalObjectReference
Sysctl name=1!s value=2!s
TCPSocketAction port=1!X host=2:s
Taint key=1!s value=2:s effect=3!s timeAdded=4?T
Toleration key=1:s operator=2:s value=3:s effect=4:s tolerationSeconds=5?l
TopologySelectorLabelRequirement key=1!s values=2![]s
TopologySelectorTerm matchLabelExpressions=1:[]TopologySelectorLabelRequirement
TopologySpreadConstraint maxSkew=1!i topologyKey=2!s whenUnsatisfiable=3!s labelSelector=4?meta.v1.LabelSelector
 minDomains=5?i nodeAffinityPolicy=6?s nodeTaintsPolicy=7?s matchLabelKeys=8:[]s
TypedLocalObjectReference apiGroup=1?s kind=2!s name=3!s
TypedObjectReference apiGroup=1?s kind=2!s name=3!s namespace=4?s
Volume name=1!s volumeSource=2<VolumeSource
VolumeDevice name=1!s devicePath=2!s
VolumeMount name=1!s readOnly=2:b mountPath=3!s subPath=4:s mountPropagation=5?s subPathExpr=6:s recursiveReadOnly=7?s
VolumeMountStatus name=1!s mountPath=2!s readOnly=3:b recursiveReadOnly=4?s volumeStatus=5?VolumeStatus
VolumeNodeAffinity required=1?NodeSelector
VolumeProjection secret=1?SecretProjection downwardAPI=2?DownwardAPIProjection configMap=3?ConfigMapProjection
 serviceAccountToken=4?ServiceAccountTokenProjection clusterTrustBundle=5?ClusterTrustBundleProjection
 podCertificate=6?PodCertificateProjection
VolumeResourceRequirements limits=1:{}Q requests=2:{}Q
VolumeSource hostPath=1?HostPathVolumeSource emptyDir=2?EmptyDirVolumeSource
 gcePersistentDisk=3?GCEPersistentDiskVolumeSource awsElasticBlockStore=4?AWSElasticBlockStoreVolumeSource
 gitRepo=5?GitRepoVolumeSource secret=6?SecretVolumeSource nfs=7?NFSVolumeSource iscsi=8?ISCSIVolumeSource
 glusterfs=9?GlusterfsVolumeSource persistentVolumeClaim=10?PersistentVolumeClaimVolumeSource rbd=11?RBDVolumeSource
 flexVolume=12?FlexVolumeSource cinder=13?CinderVolumeSource cephfs=14?CephFSVolumeSource
 flocker=15?FlockerVolumeSource downwardAPI=16?DownwardAPIVolumeSource fc=17?FCVolumeSource
 azureFile=18?AzureFileVolumeSource configMap=19?ConfigMapVolumeSource vsphereVolume=20?VsphereVirtualDiskVolumeSource
 quobyte=21?QuobyteVolumeSource azureDisk=22?AzureDiskVolumeSource
 photonPersistentDisk=23?PhotonPersistentDiskVolumeSource portworxVolume=24?PortworxVolumeSource
 scaleIO=25?ScaleIOVolumeSource projected=26?ProjectedVolumeSource storageos=27?StorageOSVolumeSource
 csi=28?CSIVolumeSource ephemeral=29?EphemeralVolumeSource image=30?ImageVolumeSource
VolumeStatus image=1?ImageVolumeStatus
VsphereVirtualDiskVolumeSource volumePath=1!s fsType=2:s storagePolicyName=3:s storagePolicyID=4:s
WeightedPodAffinityTerm weight=1!i podAffinityTerm=2!PodAffinityTerm
WindowsSecurityContextOptions gmsaCredentialSpecName=1?s gmsaCredentialSpec=2?s runAsUserName=3?s hostProcess=4?b
@admissionregistration.v1
ApplyConfiguration expression=1:s
AuditAnnotation key=1!s valueExpression=2!s
ExpressionWarning fieldRef=2!s warning=3!s
JSONPatch expression=1:s
MatchCondition name=1!s expression=2!s
MatchResources namespaceSelector=1?meta.v1.LabelSelector objectSelector=2?meta.v1.LabelSelector
 resourceRules=3:[]NamedRuleWithOperations excludeResourceRules=4:[]NamedRuleWithOperations matchPolicy=7?s
MutatingAdmissionPolicy metadata=1:meta.v1.ObjectMeta spec=2:MutatingAdmissionPolicySpec
MutatingAdmissionPolicyBinding metadata=1:meta.v1.ObjectMeta spec=2:MutatingAdmissionPolicyBindingSpec
MutatingAdmissionPolicyBindingList metadata=1:meta.v1.ListMeta items=2![]MutatingAdmissionPolicyBinding
MutatingAdmissionPolicyBindingSpec policyName=1:s paramRef=2?ParamRef matchResources=3?MatchResources
MutatingAdmissionPolicyList metadata=1:meta.v1.ListMeta items=2![]MutatingAdmissionPolicy
MutatingAdmissionPolicySpec paramKind=1?ParamKind matchConstraints=2?MatchResources variables=3:[]Variable
 mutations=4:[]Mutation failurePolicy=5?s matchConditions=6:[]MatchCondition reinvocationPolicy=7:s
MutatingWebhook name=1!s clientConfig=2!WebhookClientConfig rules=3:[]RuleWithOperations failurePolicy=4?s
 namespaceSelector=5?meta.v1.LabelSelector sideEffects=6?s timeoutSeconds=7?i admissionReviewVersions=8![]s
 matchPolicy=9?s reinvocationPolicy=10?s objectSelector=11?meta.v1.LabelSelector matchConditions=12:[]MatchCondition
MutatingWebhookConfiguration metadata=1:meta.v1.ObjectMeta webhooks=2:[]MutatingWebhook
MutatingWebhookConfigurationList metadata=1:meta.v1.ListMeta items=2![]MutatingWebhookConfiguration
Mutation patchType=2!s applyConfiguration=3?ApplyConfiguration jsonPatch=4?JSONPatch
NamedRuleWithOperations resourceNames=1:[]s ruleWithOperations=2<RuleWithOperations
ParamKind apiVersion=1:s kind=2:s
ParamRef name=1:s namespace=2:s selector=3?meta.v1.LabelSelector parameterNotFoundAction=4?s
Rule apiGroups=1:[]s apiVersions=2:[]s resources=3:[]s scope=4?s
RuleWithOperations operations=1:[]s rule=2<Rule
ServiceReference namespace=1!s name=2!s path=3?s port=4?i
TypeChecking expressionWarnings=1:[]ExpressionWarning
ValidatingAdmissionPolicy metadata=1:meta.v1.ObjectMeta spec=2:ValidatingAdmissionPolicySpec
 status=3:ValidatingAdmissionPolicyStatus
ValidatingAdmissionPolicyBinding metadata=1:meta.v1.ObjectMeta spec=2:ValidatingAdmissionPolicyBindingSpec
ValidatingAdmissionPolicyBindingList metadata=1:meta.v1.ListMeta items=2![]ValidatingAdmissionPolicyBinding
ValidatingAdmissionPolicyBindingSpec policyName=1:s paramRef=2?ParamRef matchResources=3?MatchResources
 validationActions=4:[]s
ValidatingAdmissionPolicyList metadata=1:meta.v1.ListMeta items=2![]ValidatingAdmissionPolicy
ValidatingAdmissionPolicySpec paramKind=1?ParamKind matchConstraints=2?MatchResources validations=3:[]Validation
 failurePolicy=4?s auditAnnotations=5:[]AuditAnnotation matchConditions=6:[]MatchCondition variables=7:[]Variable
ValidatingAdmissionPolicyStatus observedGeneration=1:l typeChecking=2?TypeChecking conditions=3:[]meta.v1.Condition
ValidatingWebhook name=1!s clientConfig=2!WebhookClientConfig rules=3:[]RuleWithOperations failurePolicy=4?s
 namespaceSelector=5?meta.v1.LabelSelector sideEffects=6?s timeoutSeconds=7?i admissionReviewVersions=8![]s
 matchPolicy=9?s objectSelector=10?meta.v1.LabelSelector matchConditions=11:[]MatchCondition
ValidatingWebhookConfiguration metadata=1:meta.v1.ObjectMeta webhooks=2:[]ValidatingWebhook
ValidatingWebhookConfigurationList metadata=1:meta.v1.ListMeta items=2![]ValidatingWebhookConfiguration
Validation expression=1!s message=2:s reason=3?s messageExpression=4:s
Variable name=1!s expression=2!s
WebhookClientConfig service=1?ServiceReference caBundle=2:y url=3?s
@apiextensions.v1
CustomResourceColumnDefinition name=1!s type=2!s format=3:s description=4:s priority=5:i jsonPath=6!s
CustomResourceConversion strategy=1!s webhook=2?WebhookConversion
CustomResourceDefinition metadata=1:meta.v1.ObjectMeta spec=2!CustomResourceDefinitionSpec
 status=3:CustomResourceDefinitionStatus
CustomResourceDefinitionCondition type=1!s status=2!s lastTransitionTime=3:T reason=4:s message=5:s
 observedGeneration=6:l
CustomResourceDefinitionList metadata=1:meta.v1.ListMeta items=2![]CustomResourceDefinition
CustomResourceDefinitionNames plural=1!s singular=2:s shortNames=3:[]s kind=4!s listKind=5:s categories=6:[]s
CustomResourceDefinitionSpec group=1!s names=3!CustomResourceDefinitionNames scope=4!s
 versions=7![]CustomResourceDefinitionVersion conversion=9?CustomResourceConversion preserveUnknownFields=10:b
CustomResourceDefinitionStatus conditions=1![]CustomResourceDefinitionCondition
 acceptedNames=2!CustomResourceDefinitionNames storedVersions=3![]s observedGeneration=4:l
CustomResourceDefinitionVersion name=1!s served=2!b storage=3!b schema=4?CustomResourceValidation
 subresources=5?CustomResourceSubresources additionalPrinterColumns=6:[]CustomResourceColumnDefinition deprecated=7:b
 deprecationWarning=8?s selectableFields=9:[]SelectableField
CustomResourceSubresourceScale specReplicasPath=1!s statusReplicasPath=2!s labelSelectorPath=3?s
CustomResourceSubresourceStatus
CustomResourceSubresources status=1?CustomResourceSubresourceStatus scale=2?CustomResourceSubresourceScale
CustomResourceValidation openAPIV3Schema=1?JSONSchemaProps
ExternalDocumentation description=1:s url=2:s
JSONSchemaProps id=1:s $schema=2:s $ref=3?s description=4:s type=5:s format=6:s title=7:s default=8?R maximum=9?d
 exclusiveMaximum=10:b minimum=11?d exclusiveMinimum=12:b maxLength=13?l minLength=14?l pattern=15:s maxItems=16?l
 minItems=17?l uniqueItems=18:b multipleOf=19?d enum=20:[]R maxProperties=21?l minProperties=22?l required=23:[]s
 items=24?JSONSchemaPropsOrArray allOf=25:[]JSONSchemaProps oneOf=26:[]JSONSchemaProps anyOf=27:[]JSONSchemaProps
 not=28?JSONSchemaProps properties=29:{}JSONSchemaProps additionalProperties=30?JSONSchemaPropsOrBool
 patternProperties=31:{}JSONSchemaProps dependencies=32:{}JSONSchemaPropsOrStringArray
 additionalItems=33?JSONSchemaPropsOrBool definitions=34:{}JSONSchemaProps externalDocs=35?ExternalDocumentation
 example=36?R nullable=37:b x-kubernetes-preserve-unknown-fields=38?b x-kubernetes-embedded-resource=39:b
 x-kubernetes-int-or-string=40:b x-kubernetes-list-map-keys=41:[]s x-kubernetes-list-type=42?s
 x-kubernetes-map-type=43?s x-kubernetes-validations=44:[]ValidationRule
JSONSchemaPropsOrArray schema=1:JSONSchemaProps jSONSchemas=2:[]JSONSchemaProps
JSONSchemaPropsOrBool allows=1:b schema=2:JSONSchemaProps
JSONSchemaPropsOrStringArray schema=1:JSONSchemaProps property=2:[]s
SelectableField jsonPath=1!s
ServiceReference namespace=1!s name=2!s path=3?s port=4?i
ValidationRule rule=1!s message=2:s messageExpression=3:s reason=4?s fieldPath=5:s optionalOldSelf=6?b
WebhookClientConfig service=1?ServiceReference caBundle=2:y url=3?s
WebhookConversion clientConfig=2?WebhookClientConfig conversionReviewVersions=3![]s
@apiregistration.v1
APIService metadata=1:meta.v1.ObjectMeta spec=2:APIServiceSpec status=3:APIServiceStatus
APIServiceCondition type=1!s status=2!s lastTransitionTime=3:T reason=4:s message=5:s
APIServiceList metadata=1:meta.v1.ListMeta items=2![]APIService
APIServiceSpec service=1?ServiceReference group=2:s version=3:s insecureSkipTLSVerify=4:b caBundle=5:y
 groupPriorityMinimum=7!i versionPriority=8!i
APIServiceStatus conditions=1:[]APIServiceCondition
ServiceReference namespace=1:s name=2:s port=3?i
@apps.v1
ControllerRevision metadata=1:meta.v1.ObjectMeta data=2:R revision=3!l
ControllerRevisionList metadata=1:meta.v1.ListMeta items=2![]ControllerRevision
DaemonSet metadata=1:meta.v1.ObjectMeta spec=2:DaemonSetSpec status=3:DaemonSetStatus
DaemonSetCondition type=1!s status=2!s lastTransitionTime=3:T reason=4:s message=5:s
DaemonSetList metadata=1:meta.v1.ListMeta items=2![]DaemonSet
DaemonSetSpec selector=1?meta.v1.LabelSelector template=2!core.v1.PodTemplateSpec
 updateStrategy=3:DaemonSetUpdateStrategy minReadySeconds=4:i revisionHistoryLimit=6?i
DaemonSetStatus currentNumberScheduled=1!i numberMisscheduled=2!i desiredNumberScheduled=3!i numberReady=4!i
 observedGeneration=5:l updatedNumberScheduled=6:i numberAvailable=7:i numberUnavailable=8:i collisionCount=9?i
 conditions=10:[]DaemonSetCondition
DaemonSetUpdateStrategy type=1:s rollingUpdate=2?RollingUpdateDaemonSet
Deployment metadata=1:meta.v1.ObjectMeta spec=2:DeploymentSpec status=3:DeploymentStatus
DeploymentCondition type=1!s status=2!s reason=4:s message=5:s lastUpdateTime=6:T lastTransitionTime=7:T
DeploymentList metadata=1:meta.v1.ListMeta items=2![]Deployment
DeploymentSpec replicas=1?i selector=2?meta.v1.LabelSelector template=3!core.v1.PodTemplateSpec
 strategy=4:DeploymentStrategy minReadySeconds=5:i revisionHistoryLimit=6?i paused=7:b progressDeadlineSeconds=9?i
DeploymentStatus observedGeneration=1:l replicas=2:i updatedReplicas=3:i availableReplicas=4:i unavailableReplicas=5:i
 conditions=6:[]DeploymentCondition readyReplicas=7:i collisionCount=8?i terminatingReplicas=9?i
DeploymentStrategy type=1:s rollingUpdate=2?RollingUpdateDeployment
ReplicaSet metadata=1:meta.v1.ObjectMeta spec=2:ReplicaSetSpec status=3:ReplicaSetStatus
ReplicaSetCondition type=1!s status=2!s lastTransitionTime=3:T reason=4:s message=5:s
ReplicaSetList metadata=1:meta.v1.ListMeta items=2![]ReplicaSet
ReplicaSetSpec replicas=1?i selector=2?meta.v1.LabelSelector template=3:core.v1.PodTemplateSpec minReadySeconds=4:i
ReplicaSetStatus replicas=1!i fullyLabeledReplicas=2:i observedGeneration=3:l readyReplicas=4:i availableReplicas=5:i
 conditions=6:[]ReplicaSetCondition terminatingReplicas=7?i
RollingUpdateDaemonSet maxUnavailable=1?X maxSurge=2?X
RollingUpdateDeployment maxUnavailable=1?X maxSurge=2?X
RollingUpdateStatefulSetStrategy partition=1?i maxUnavailable=2?X
StatefulSet metadata=1:meta.v1.ObjectMeta spec=2:StatefulSetSpec status=3:StatefulSetStatus
StatefulSetCondition type=1!s status=2!s lastTransitionTime=3:T reason=4:s message=5:s
StatefulSetList metadata=1:meta.v1.ListMeta items=2![]StatefulSet
StatefulSetOrdinals start=1!i
StatefulSetPersistentVolumeClaimRetentionPolicy whenDeleted=1:s whenScaled=2:s
StatefulSetSpec replicas=1?i selector=2?meta.v1.LabelSelector template=3!core.v1.PodTemplateSpec
 volumeClaimTemplates=4:[]core.v1.PersistentVolumeClaim serviceName=5!s podManagementPolicy=6:s
 updateStrategy=7:StatefulSetUpdateStrategy revisionHistoryLimit=8?i minReadySeconds=9:i
 persistentVolumeClaimRetentionPolicy=10?StatefulSetPersistentVolumeClaimRetentionPolicy
 ordinals=11?StatefulSetOrdinals
StatefulSetStatus observedGeneration=1:l replicas=2!i readyReplicas=3:i currentReplicas=4:i updatedReplicas=5:i
 currentRevision=6:s updateRevision=7:s collisionCount=9?i conditions=10:[]StatefulSetCondition availableReplicas=11!i
StatefulSetUpdateStrategy type=1:s rollingUpdate=2?RollingUpdateStatefulSetStrategy
@authentication.v1
BoundObjectReference kind=1:s apiVersion=2:s name=3:s uid=4:s
SelfSubjectReview metadata=1:meta.v1.ObjectMeta status=2:SelfSubjectReviewStatus
SelfSubjectReviewStatus userInfo=1:UserInfo
TokenRequest metadata=1:meta.v1.ObjectMeta spec=2!TokenRequestSpec status=3:TokenRequestStatus
TokenRequestSpec audiences=1![]s boundObjectRef=3?BoundObjectReference expirationSeconds=4?l
TokenRequestStatus token=1!s expirationTimestamp=2!T
TokenReview metadata=1:meta.v1.ObjectMeta spec=2!TokenReviewSpec status=3:TokenReviewStatus
TokenReviewSpec token=1:s audiences=2:[]s
TokenReviewStatus authenticated=1:b user=2:UserInfo error=3:s audiences=4:[]s
UserInfo username=1:s uid=2:s groups=3:[]s extra=4:{}V
@authorization.v1
FieldSelectorAttributes rawSelector=1:s requirements=2:[]meta.v1.FieldSelectorRequirement
LabelSelectorAttributes rawSelector=1:s requirements=2:[]meta.v1.LabelSelectorRequirement
LocalSubjectAccessReview metadata=1:meta.v1.ObjectMeta spec=2!SubjectAccessReviewSpec
 status=3:SubjectAccessReviewStatus
NonResourceAttributes path=1:s verb=2:s
NonResourceRule verbs=1![]s nonResourceURLs=2:[]s
ResourceAttributes namespace=1:s verb=2:s group=3:s version=4:s resource=5:s subresource=6:s name=7:s
 fieldSelector=8?FieldSelectorAttributes labelSelector=9?LabelSelectorAttributes
ResourceRule verbs=1![]s apiGroups=2:[]s resources=3:[]s resourceNames=4:[]s
SelfSubjectAccessReview metadata=1:meta.v1.ObjectMeta spec=2!SelfSubjectAccessReviewSpec
 status=3:SubjectAccessReviewStatus
SelfSubjectAccessReviewSpec resourceAttributes=1?ResourceAttributes nonResourceAttributes=2?NonResourceAttributes
SelfSubjectRulesReview metadata=1:meta.v1.ObjectMeta spec=2!SelfSubjectRulesReviewSpec
 status=3:SubjectRulesReviewStatus
SelfSubjectRulesReviewSpec namespace=1:s
SubjectAccessReview metadata=1:meta.v1.ObjectMeta spec=2!SubjectAccessReviewSpec status=3:SubjectAccessReviewStatus
SubjectAccessReviewSpec resourceAttributes=1?ResourceAttributes nonResourceAttributes=2?NonResourceAttributes user=3:s
 groups=4:[]s extra=5:{}V uid=6:s
SubjectAccessReviewStatus allowed=1!b reason=2:s evaluationError=3:s denied=4:b
SubjectRulesReviewStatus resourceRules=1![]ResourceRule nonResourceRules=2![]NonResourceRule incomplete=3!b
 evaluationError=4:s
@autoscaling.v1
CrossVersionObjectReference kind=1!s name=2!s apiVersion=3:s
HorizontalPodAutoscaler metadata=1:meta.v1.ObjectMeta spec=2:HorizontalPodAutoscalerSpec
 status=3:HorizontalPodAutoscalerStatus
HorizontalPodAutoscalerList metadata=1:meta.v1.ListMeta items=2![]HorizontalPodAutoscaler
HorizontalPodAutoscalerSpec scaleTargetRef=1!CrossVersionObjectReference minReplicas=2?i maxReplicas=3!i
 targetCPUUtilizationPercentage=4?i
HorizontalPodAutoscalerStatus observedGeneration=1?l lastScaleTime=2?T currentReplicas=3!i desiredReplicas=4!i
 currentCPUUtilizationPercentage=5?i
Scale metadata=1:meta.v1.ObjectMeta spec=2:ScaleSpec status=3:ScaleStatus
ScaleSpec replicas=1:i
ScaleStatus replicas=1!i selector=2:s
@autoscaling.v2
ContainerResourceMetricSource name=1!s target=2!MetricTarget container=3!s
ContainerResourceMetricStatus name=1!s current=2!MetricValueStatus container=3!s
CrossVersionObjectReference kind=1!s name=2!s apiVersion=3:s
ExternalMetricSource metric=1!MetricIdentifier target=2!MetricTarget
ExternalMetricStatus metric=1!MetricIdentifier current=2!MetricValueStatus
HPAScalingPolicy type=1!s value=2!i periodSeconds=3!i
HPAScalingRules selectPolicy=1?s policies=2:[]HPAScalingPolicy stabilizationWindowSeconds=3?i tolerance=4?Q
HorizontalPodAutoscaler metadata=1:meta.v1.ObjectMeta spec=2:HorizontalPodAutoscalerSpec
 status=3:HorizontalPodAutoscalerStatus
HorizontalPodAutoscalerBehavior scaleUp=1?HPAScalingRules scaleDown=2?HPAScalingRules
HorizontalPodAutoscalerCondition type=1!s status=2!s lastTransitionTime=3:T reason=4:s message=5:s
HorizontalPodAutoscalerList metadata=1:meta.v1.ListMeta items=2![]HorizontalPodAutoscaler
HorizontalPodAutoscalerSpec scaleTargetRef=1!CrossVersionObjectReference minReplicas=2?i maxReplicas=3!i
 metrics=4:[]MetricSpec behavior=5?HorizontalPodAutoscalerBehavior
HorizontalPodAutoscalerStatus observedGeneration=1?l lastScaleTime=2?T currentReplicas=3:i desiredReplicas=4!i
 currentMetrics=5![]MetricStatus conditions=6:[]HorizontalPodAutoscalerCondition
MetricIdentifier name=1!s selector=2?meta.v1.LabelSelector
MetricSpec type=1!s object=2?ObjectMetricSource pods=3?PodsMetricSource resource=4?ResourceMetricSource
 external=5?ExternalMetricSource containerResource=7?ContainerResourceMetricSource
MetricStatus type=1!s object=2?ObjectMetricStatus pods=3?PodsMetricStatus resource=4?ResourceMetricStatus
 external=5?ExternalMetricStatus containerResource=7?ContainerResourceMetricStatus
MetricTarget type=1!s value=2?Q averageValue=3?Q averageUtilization=4?i
MetricValueStatus value=1?Q averageValue=2?Q averageUtilization=3?i
ObjectMetricSource describedObject=1!CrossVersionObjectReference target=2!MetricTarget metric=3!MetricIdentifier
ObjectMetricStatus metric=1!MetricIdentifier current=2!MetricValueStatus describedObject=3!CrossVersionObjectReference
PodsMetricSource metric=1!MetricIdentifier target=2!MetricTarget
PodsMetricStatus metric=1!MetricIdentifier current=2!MetricValueStatus
ResourceMetricSource name=1!s target=2!MetricTarget
ResourceMetricStatus name=1!s current=2!MetricValueStatus
@batch.v1
CronJob metadata=1:meta.v1.ObjectMeta spec=2:CronJobSpec status=3:CronJobStatus
CronJobList metadata=1:meta.v1.ListMeta items=2![]CronJob
CronJobSpec schedule=1!s startingDeadlineSeconds=2?l concurrencyPolicy=3:s suspend=4?b jobTemplate=5!JobTemplateSpec
 successfulJobsHistoryLimit=6?i failedJobsHistoryLimit=7?i timeZone=8?s
CronJobStatus active=1:[]core.v1.ObjectReference lastScheduleTime=4?T lastSuccessfulTime=5?T
Job metadata=1:meta.v1.ObjectMeta spec=2:JobSpec status=3:JobStatus
JobCondition type=1!s status=2!s lastProbeTime=3:T lastTransitionTime=4:T reason=5:s message=6:s
JobList metadata=1:meta.v1.ListMeta items=2![]Job
JobSpec parallelism=1?i completions=2?i activeDeadlineSeconds=3?l selector=4?meta.v1.LabelSelector manualSelector=5?b
 template=6!core.v1.PodTemplateSpec backoffLimit=7?i ttlSecondsAfterFinished=8?i completionMode=9?s suspend=10?b
 podFailurePolicy=11?PodFailurePolicy backoffLimitPerIndex=12?i maxFailedIndexes=13?i podReplacementPolicy=14?s
 managedBy=15?s successPolicy=16?SuccessPolicy
JobStatus conditions=1:[]JobCondition startTime=2?T completionTime=3?T active=4:i succeeded=5:i failed=6:i
 completedIndexes=7:s uncountedTerminatedPods=8?UncountedTerminatedPods ready=9?i failedIndexes=10?s terminating=11?i
JobTemplateSpec metadata=1:meta.v1.ObjectMeta spec=2:JobSpec
PodFailurePolicy rules=1![]PodFailurePolicyRule
PodFailurePolicyOnExitCodesRequirement containerName=1?s operator=2!s values=3![]i
PodFailurePolicyOnPodConditionsPattern type=1!s status=2!s
PodFailurePolicyRule action=1!s onExitCodes=2?PodFailurePolicyOnExitCodesRequirement
 onPodConditions=3:[]PodFailurePolicyOnPodConditionsPattern
SuccessPolicy rules=1![]SuccessPolicyRule
SuccessPolicyRule succeededIndexes=1?s succeededCount=2?i
UncountedTerminatedPods succeeded=1:[]s failed=2:[]s
@certificates.v1
CertificateSigningRequest metadata=1:meta.v1.ObjectMeta spec=2!CertificateSigningRequestSpec
 status=3:CertificateSigningRequestStatus
CertificateSigningRequestCondition type=1!s reason=2:s message=3:s lastUpdateTime=4:T lastTransitionTime=5:T
 status=6!s
CertificateSigningRequestList metadata=1:meta.v1.ListMeta items=2![]CertificateSigningRequest
CertificateSigningRequestSpec request=1!y username=2:s uid=3:s groups=4:[]s usages=5:[]s extra=6:{}V signerName=7!s
 expirationSeconds=8?i
CertificateSigningRequestStatus conditions=1:[]CertificateSigningRequestCondition certificate=2:y
@coordination.v1
Lease metadata=1:meta.v1.ObjectMeta spec=2:LeaseSpec
LeaseList metadata=1:meta.v1.ListMeta items=2![]Lease
LeaseSpec holderIdentity=1?s leaseDurationSeconds=2?i acquireTime=3?U renewTime=4?U leaseTransitions=5?i strategy=6?s
 preferredHolder=7?s
@discovery.v1
Endpoint addresses=1![]s conditions=2:EndpointConditions hostname=3?s targetRef=4?core.v1.ObjectReference
 deprecatedTopology=5:{}s nodeName=6?s zone=7?s hints=8?EndpointHints
EndpointConditions ready=1?b serving=2?b terminating=3?b
EndpointHints forZones=1:[]ForZone forNodes=2:[]ForNode
EndpointPort name=1?s protocol=2?s port=3?i appProtocol=4?s
EndpointSlice metadata=1:meta.v1.ObjectMeta endpoints=2![]Endpoint ports=3![]EndpointPort addressType=4!s
EndpointSliceList metadata=1:meta.v1.ListMeta items=2![]EndpointSlice
ForNode name=1!s
ForZone name=1!s
@events.v1
Event metadata=1!meta.v1.ObjectMeta eventTime=2!U series=3?EventSeries reportingController=4:s reportingInstance=5:s
 action=6:s reason=7:s regarding=8:core.v1.ObjectReference related=9?core.v1.ObjectReference note=10:s type=11:s
 deprecatedSource=12:core.v1.EventSource deprecatedFirstTimestamp=13:T deprecatedLastTimestamp=14:T
 deprecatedCount=15:i
EventList metadata=1:meta.v1.ListMeta items=2![]Event
EventSeries count=1!i lastObservedTime=2!U
@flowcontrol.v1
ExemptPriorityLevelConfiguration nominalConcurrencyShares=1?i lendablePercent=2?i
FlowDistinguisherMethod type=1!s
FlowSchema metadata=1:meta.v1.ObjectMeta spec=2:FlowSchemaSpec status=3:FlowSchemaStatus
FlowSchemaCondition type=1:s status=2:s lastTransitionTime=3:T reason=4:s message=5:s
FlowSchemaList metadata=1:meta.v1.ListMeta items=2![]FlowSchema
FlowSchemaSpec priorityLevelConfiguration=1!PriorityLevelConfigurationReference matchingPrecedence=2!i
 distinguisherMethod=3?FlowDistinguisherMethod rules=4:[]PolicyRulesWithSubjects
FlowSchemaStatus conditions=1:[]FlowSchemaCondition
GroupSubject name=1!s
LimitResponse type=1!s queuing=2?QueuingConfiguration
LimitedPriorityLevelConfiguration nominalConcurrencyShares=1?i limitResponse=2:LimitResponse lendablePercent=3?i
 borrowingLimitPercent=4?i
NonResourcePolicyRule verbs=1![]s nonResourceURLs=6![]s
PolicyRulesWithSubjects subjects=1![]Subject resourceRules=2:[]ResourcePolicyRule
 nonResourceRules=3:[]NonResourcePolicyRule
PriorityLevelConfiguration metadata=1:meta.v1.ObjectMeta spec=2:PriorityLevelConfigurationSpec
 status=3:PriorityLevelConfigurationStatus
PriorityLevelConfigurationCondition type=1:s status=2:s lastTransitionTime=3:T reason=4:s message=5:s
PriorityLevelConfigurationList metadata=1:meta.v1.ListMeta items=2![]PriorityLevelConfiguration
PriorityLevelConfigurationReference name=1!s
PriorityLevelConfigurationSpec type=1!s limited=2?LimitedPriorityLevelConfiguration
 exempt=3?ExemptPriorityLevelConfiguration
PriorityLevelConfigurationStatus conditions=1:[]PriorityLevelConfigurationCondition
QueuingConfiguration queues=1!i handSize=2!i queueLengthLimit=3!i
ResourcePolicyRule verbs=1![]s apiGroups=2![]s resources=3![]s clusterScope=4:b namespaces=5![]s
ServiceAccountSubject namespace=1!s name=2!s
Subject kind=1!s user=2?UserSubject group=3?GroupSubject serviceAccount=4?ServiceAccountSubject
UserSubject name=1!s
@networking.v1
HTTPIngressPath path=1:s backend=2!IngressBackend pathType=3?s
HTTPIngressRuleValue paths=1![]HTTPIngressPath
IPAddress metadata=1:meta.v1.ObjectMeta spec=2:IPAddressSpec
IPAddressList metadata=1:meta.v1.ListMeta items=2![]IPAddress
IPAddressSpec parentRef=1?ParentReference
IPBlock cidr=1!s except=2:[]s
Ingress metadata=1:meta.v1.ObjectMeta spec=2:IngressSpec status=3:IngressStatus
IngressBackend resource=3?core.v1.TypedLocalObjectReference service=4?IngressServiceBackend
IngressClass metadata=1:meta.v1.ObjectMeta spec=2:IngressClassSpec
IngressClassList metadata=1:meta.v1.ListMeta items=2![]IngressClass
IngressClassParametersReference apiGroup=1?s kind=2!s name=3!s scope=4?s namespace=5?s
IngressClassSpec controller=1:s parameters=2?IngressClassParametersReference
IngressList metadata=1:meta.v1.ListMeta items=2![]Ingress
IngressLoadBalancerIngress ip=1:s hostname=2:s ports=4:[]IngressPortStatus
IngressLoadBalancerStatus ingress=1:[]IngressLoadBalancerIngress
IngressPortStatus port=1!i protocol=2!s error=3?s
IngressRule host=1:s ingressRuleValue=2<IngressRuleValue
IngressRuleValue http=1?HTTPIngressRuleValue
IngressServiceBackend name=1!s port=2:ServiceBackendPort
IngressSpec defaultBackend=1?IngressBackend tls=2:[]IngressTLS rules=3:[]IngressRule ingressClassName=4?s
IngressStatus loadBalancer=1:IngressLoadBalancerStatus
IngressTLS hosts=1:[]s secretName=2:s
NetworkPolicy metadata=1:meta.v1.ObjectMeta spec=2:NetworkPolicySpec
NetworkPolicyEgressRule ports=1:[]NetworkPolicyPort to=2:[]NetworkPolicyPeer
NetworkPolicyIngressRule ports=1:[]NetworkPolicyPort from=2:[]NetworkPolicyPeer
NetworkPolicyList metadata=1:meta.v1.ListMeta items=2![]NetworkPolicy
NetworkPolicyPeer podSelector=1?meta.v1.LabelSelector namespaceSelector=2?meta.v1.LabelSelector ipBlock=3?IPBlock
NetworkPolicyPort protocol=1?s port=2?X endPort=3?i
NetworkPolicySpec podSelector=1!meta.v1.LabelSelector ingress=2:[]NetworkPolicyIngressRule
 egress=3:[]NetworkPolicyEgressRule policyTypes=4:[]s
ParentReference group=1:s resource=2:s namespace=3:s name=4:s
ServiceBackendPort name=1:s number=2:i
ServiceCIDR metadata=1:meta.v1.ObjectMeta spec=2:ServiceCIDRSpec status=3:ServiceCIDRStatus
ServiceCIDRList metadata=1:meta.v1.ListMeta items=2![]ServiceCIDR
ServiceCIDRSpec cidrs=1:[]s
ServiceCIDRStatus conditions=1:[]meta.v1.Condition
@node.v1
Overhead podFixed=1:{}Q
RuntimeClass metadata=1:meta.v1.ObjectMeta handler=2!s overhead=3?Overhead scheduling=4?Scheduling
RuntimeClassList metadata=1:meta.v1.ListMeta items=2![]RuntimeClass
Scheduling nodeSelector=1:{}s tolerations=2:[]core.v1.Toleration
@policy.v1
Eviction metadata=1:meta.v1.ObjectMeta deleteOptions=2?meta.v1.DeleteOptions
PodDisruptionBudget metadata=1:meta.v1.ObjectMeta spec=2:PodDisruptionBudgetSpec status=3:PodDisruptionBudgetStatus
PodDisruptionBudgetList metadata=1:meta.v1.ListMeta items=2![]PodDisruptionBudget
PodDisruptionBudgetSpec minAvailable=1?X selector=2?meta.v1.LabelSelector maxUnavailable=3?X
 unhealthyPodEvictionPolicy=4?s
PodDisruptionBudgetStatus observedGeneration=1:l disruptedPods=2:{}T disruptionsAllowed=3!i currentHealthy=4!i
 desiredHealthy=5!i expectedPods=6!i conditions=7:[]meta.v1.Condition
@rbac.v1
AggregationRule clusterRoleSelectors=1:[]meta.v1.LabelSelector
ClusterRole metadata=1:meta.v1.ObjectMeta rules=2![]PolicyRule aggregationRule=3?AggregationRule
ClusterRoleBinding metadata=1:meta.v1.ObjectMeta subjects=2:[]Subject roleRef=3!RoleRef
ClusterRoleBindingList metadata=1:meta.v1.ListMeta items=2![]ClusterRoleBinding
ClusterRoleList metadata=1:meta.v1.ListMeta items=2![]ClusterRole
PolicyRule verbs=1![]s apiGroups=2:[]s resources=3:[]s resourceNames=4:[]s nonResourceURLs=5:[]s
Role metadata=1:meta.v1.ObjectMeta rules=2![]PolicyRule
RoleBinding metadata=1:meta.v1.ObjectMeta subjects=2:[]Subject roleRef=3!RoleRef
RoleBindingList metadata=1:meta.v1.ListMeta items=2![]RoleBinding
RoleList metadata=1:meta.v1.ListMeta items=2![]Role
RoleRef apiGroup=1!s kind=2!s name=3!s
Subject kind=1!s apiGroup=2:s name=3!s namespace=4:s
@resource.v1
AllocatedDeviceStatus driver=1!s pool=2!s device=3!s conditions=4![]meta.v1.Condition data=5?R
 networkData=6?NetworkDeviceData shareID=7?s
AllocationResult devices=1:DeviceAllocationResult nodeSelector=3?core.v1.NodeSelector allocationTimestamp=5?T
CELDeviceSelector expression=1!s
CapacityRequestPolicy default=1?Q validValues=3:[]Q validRange=4?CapacityRequestPolicyRange
CapacityRequestPolicyRange min=1?Q max=2?Q step=3?Q
CapacityRequirements requests=1:{}Q
Counter value=1!Q
CounterSet name=1!s counters=2:{}Counter
Device name=1!s attributes=2:{}DeviceAttribute capacity=3:{}DeviceCapacity
 consumesCounters=4:[]DeviceCounterConsumption nodeName=5?s nodeSelector=6?core.v1.NodeSelector allNodes=7?b
 taints=8:[]DeviceTaint bindsToNode=9?b bindingConditions=10:[]s bindingFailureConditions=11:[]s
 allowMultipleAllocations=12?b nodeAllocatableResourceMappings=13:{}NodeAllocatableResourceMapping
DeviceAllocationConfiguration source=1!s requests=2:[]s deviceConfiguration=3<DeviceConfiguration
DeviceAllocationResult results=1:[]DeviceRequestAllocationResult config=2:[]DeviceAllocationConfiguration
DeviceAttribute int=2?l bool=3?b string=4?s version=5?s ints=6:[]l bools=7:[]b strings=8:[]s versions=9:[]s
DeviceCapacity value=1!Q requestPolicy=2?CapacityRequestPolicy
DeviceClaim requests=1![]DeviceRequest constraints=2:[]DeviceConstraint config=3:[]DeviceClaimConfiguration
DeviceClaimConfiguration requests=1:[]s deviceConfiguration=2<DeviceConfiguration
DeviceClass metadata=1:meta.v1.ObjectMeta spec=2!DeviceClassSpec
DeviceClassConfiguration deviceConfiguration=1<DeviceConfiguration
DeviceClassList metadata=1:meta.v1.ListMeta items=2![]DeviceClass
DeviceClassSpec selectors=1:[]DeviceSelector config=2:[]DeviceClassConfiguration extendedResourceName=4?s
DeviceConfiguration opaque=1?OpaqueDeviceConfiguration
DeviceConstraint requests=1:[]s matchAttribute=2?s distinctAttribute=3?s
DeviceCounterConsumption counterSet=1!s counters=2:{}Counter
DeviceRequest name=1!s exactly=2?ExactDeviceRequest firstAvailable=3:[]DeviceSubRequest
DeviceRequestAllocationResult request=1!s driver=2!s pool=3!s device=4!s adminAccess=5?b
 tolerations=6:[]DeviceToleration bindingConditions=7:[]s bindingFailureConditions=8:[]s shareID=9?s
 consumedCapacity=10:{}Q
DeviceSelector cel=1?CELDeviceSelector
DeviceSubRequest name=1!s deviceClassName=2!s selectors=3:[]DeviceSelector allocationMode=4:s count=5:l
 tolerations=6:[]DeviceToleration capacity=7?CapacityRequirements
DeviceTaint key=1!s value=2:s effect=3!s timeAdded=4?T
DeviceToleration key=1:s operator=2:s value=3:s effect=4:s tolerationSeconds=5?l
ExactDeviceRequest deviceClassName=1!s selectors=2:[]DeviceSelector allocationMode=3:s count=4:l adminAccess=5?b
 tolerations=6:[]DeviceToleration capacity=7?CapacityRequirements
NetworkDeviceData interfaceName=1:s ips=2:[]s hardwareAddress=3:s
NodeAllocatableResourceMapping capacityKey=1?s allocationMultiplier=2?Q
OpaqueDeviceConfiguration driver=1!s parameters=2!R
ResourceClaim metadata=1:meta.v1.ObjectMeta spec=2!ResourceClaimSpec status=3:ResourceClaimStatus
ResourceClaimConsumerReference apiGroup=1:s resource=3!s name=4!s uid=5!s
ResourceClaimList metadata=1:meta.v1.ListMeta items=2![]ResourceClaim
ResourceClaimSpec devices=1!DeviceClaim
ResourceClaimStatus allocation=1?AllocationResult reservedFor=2:[]ResourceClaimConsumerReference
 devices=4:[]AllocatedDeviceStatus
ResourceClaimTemplate metadata=1:meta.v1.ObjectMeta spec=2!ResourceClaimTemplateSpec
ResourceClaimTemplateList metadata=1:meta.v1.ListMeta items=2![]ResourceClaimTemplate
ResourceClaimTemplateSpec metadata=1:meta.v1.ObjectMeta spec=2!ResourceClaimSpec
ResourcePool name=1!s generation=2!l resourceSliceCount=3!l
ResourceSlice metadata=1:meta.v1.ObjectMeta spec=2!ResourceSliceSpec
ResourceSliceList metadata=1:meta.v1.ListMeta items=2![]ResourceSlice
ResourceSliceSpec driver=1!s pool=2!ResourcePool nodeName=3?s nodeSelector=4?core.v1.NodeSelector allNodes=5?b
 devices=6:[]Device perDeviceNodeSelection=7?b sharedCounters=8:[]CounterSet
@scheduling.v1
PriorityClass metadata=1:meta.v1.ObjectMeta value=2!i globalDefault=3:b description=4:s preemptionPolicy=5?s
PriorityClassList metadata=1:meta.v1.ListMeta items=2![]PriorityClass
@storage.v1
CSIDriver metadata=1:meta.v1.ObjectMeta spec=2!CSIDriverSpec
CSIDriverList metadata=1:meta.v1.ListMeta items=2![]CSIDriver
CSIDriverSpec attachRequired=1?b podInfoOnMount=2?b volumeLifecycleModes=3:[]s storageCapacity=4?b fsGroupPolicy=5?s
 tokenRequests=6:[]TokenRequest requiresRepublish=7?b seLinuxMount=8?b nodeAllocatableUpdatePeriodSeconds=9?l
 serviceAccountTokenInSecrets=10?b preventPodSchedulingIfMissing=11?b
CSINode metadata=1:meta.v1.ObjectMeta spec=2!CSINodeSpec
CSINodeDriver name=1!s nodeID=2!s topologyKeys=3![]s allocatable=4?VolumeNodeResources
CSINodeList metadata=1:meta.v1.ListMeta items=2![]CSINode
CSINodeSpec drivers=1![]CSINodeDriver
CSIStorageCapacity metadata=1:meta.v1.ObjectMeta nodeTopology=2?meta.v1.LabelSelector storageClassName=3!s
 capacity=4?Q maximumVolumeSize=5?Q
CSIStorageCapacityList metadata=1:meta.v1.ListMeta items=2![]CSIStorageCapacity
StorageClass metadata=1:meta.v1.ObjectMeta provisioner=2!s parameters=3:{}s reclaimPolicy=4?s mountOptions=5:[]s
 allowVolumeExpansion=6?b volumeBindingMode=7?s allowedTopologies=8:[]core.v1.TopologySelectorTerm
StorageClassList metadata=1:meta.v1.ListMeta items=2![]StorageClass
TokenRequest audience=1!s expirationSeconds=2?l
VolumeAttachment metadata=1:meta.v1.ObjectMeta spec=2!VolumeAttachmentSpec status=3:VolumeAttachmentStatus
VolumeAttachmentList metadata=1:meta.v1.ListMeta items=2![]VolumeAttachment
VolumeAttachmentSource persistentVolumeName=1?s inlineVolumeSpec=2?core.v1.PersistentVolumeSpec
VolumeAttachmentSpec attacher=1!s source=2!VolumeAttachmentSource nodeName=3!s
VolumeAttachmentStatus attached=1!b attachmentMetadata=2:{}s attachError=3?VolumeError detachError=4?VolumeError
VolumeAttributesClass metadata=1:meta.v1.ObjectMeta driverName=2!s parameters=3:{}s
VolumeAttributesClassList metadata=1:meta.v1.ListMeta items=2![]VolumeAttributesClass
VolumeError time=1:T message=2:s errorCode=3?i
VolumeNodeResources count=1?i
"""
