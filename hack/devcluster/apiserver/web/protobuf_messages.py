"""The protobuf messages of the objects that kubectl's own `create` commands send.

Field numbers are those of Kubernetes' published .proto files. One line per field: number, JSON name, type. A
type is `string`, `int`, `bool`, `bytes` or a message, after `list` or `map` (of strings to it) if it is
repeated; `?` marks a field that is only sent when it is set, so that its zero means something.
"""

from dataclasses import dataclass

_MESSAGES = """
message Namespace
  1 metadata ObjectMeta
  2 spec NamespaceSpec
  3 status Ignored
message NamespaceSpec
  1 finalizers list string
message ConfigMap
  1 metadata ObjectMeta
  2 data map string
  3 binaryData map bytes
  4 immutable bool?
message Secret
  1 metadata ObjectMeta
  2 data map bytes
  3 type string
  4 stringData map string
  5 immutable bool?
message ServiceAccount
  1 metadata ObjectMeta
  2 secrets list ObjectReference
  3 imagePullSecrets list LocalObjectReference
  4 automountServiceAccountToken bool?
message Service
  1 metadata ObjectMeta
  2 spec ServiceSpec
  3 status Ignored
message ServiceSpec
  1 ports list ServicePort
  2 selector map string
  3 clusterIP string
  4 type string
  5 externalIPs list string
  7 sessionAffinity string
  8 loadBalancerIP string
  10 externalName string
  11 externalTrafficPolicy string
  12 healthCheckNodePort int
  13 publishNotReadyAddresses bool
  18 clusterIPs list string
message ServicePort
  1 name string
  2 protocol string
  3 port int
  4 targetPort IntOrString
  5 nodePort int
  6 appProtocol string?
message Deployment
  1 metadata ObjectMeta
  2 spec DeploymentSpec
  3 status Ignored
message DeploymentSpec
  1 replicas int?
  2 selector LabelSelector
  3 template PodTemplateSpec
  4 strategy DeploymentStrategy
  5 minReadySeconds int
  6 revisionHistoryLimit int?
  7 paused bool
  9 progressDeadlineSeconds int?
message DeploymentStrategy
  1 type string
message PodTemplateSpec
  1 metadata ObjectMeta
  2 spec PodSpec
message PodSpec
  2 containers list Container
  3 restartPolicy string
  4 terminationGracePeriodSeconds int?
  6 dnsPolicy string
  7 nodeSelector map string
  8 serviceAccountName string
  9 serviceAccount string
  10 nodeName string
  11 hostNetwork bool
  12 hostPID bool
  13 hostIPC bool
  14 securityContext Ignored
  16 hostname string
  17 subdomain string
  19 schedulerName string
  24 priorityClassName string
message Container
  1 name string
  2 image string
  3 command list string
  4 args list string
  5 workingDir string
  6 ports list ContainerPort
  7 env list EnvVar
  8 resources ResourceRequirements
  13 terminationMessagePath string
  14 imagePullPolicy string
  16 stdin bool
  17 stdinOnce bool
  18 tty bool
  20 terminationMessagePolicy string
message ContainerPort
  1 name string
  2 hostPort int
  3 containerPort int
  4 protocol string
  5 hostIP string
message EnvVar
  1 name string
  2 value string
message ResourceRequirements
  1 limits map Quantity
  2 requests map Quantity
message HorizontalPodAutoscaler
  1 metadata ObjectMeta
  2 spec HorizontalPodAutoscalerSpec
  3 status Ignored
message HorizontalPodAutoscalerSpec
  1 scaleTargetRef CrossVersionObjectReference
  2 minReplicas int?
  3 maxReplicas int
  4 metrics list MetricSpec
message CrossVersionObjectReference
  1 kind string
  2 name string
  3 apiVersion string
message MetricSpec
  1 type string
  4 resource ResourceMetricSource
message ResourceMetricSource
  1 name string
  2 target MetricTarget
message MetricTarget
  1 type string
  2 value Quantity
  3 averageValue Quantity
  4 averageUtilization int?
message LabelSelector
  1 matchLabels map string
message Role
  1 metadata ObjectMeta
  2 rules list PolicyRule
message ClusterRole
  1 metadata ObjectMeta
  2 rules list PolicyRule
  3 aggregationRule AggregationRule
message AggregationRule
  1 clusterRoleSelectors list LabelSelector
message PolicyRule
  1 verbs list string
  2 apiGroups list string
  3 resources list string
  4 resourceNames list string
  5 nonResourceURLs list string
message RoleBinding
  1 metadata ObjectMeta
  2 subjects list Subject
  3 roleRef RoleRef
message ClusterRoleBinding
  1 metadata ObjectMeta
  2 subjects list Subject
  3 roleRef RoleRef
message Subject
  1 kind string
  2 apiGroup string
  3 name string
  4 namespace string
message RoleRef
  1 apiGroup string
  2 kind string
  3 name string
message TokenRequest
  1 metadata ObjectMeta
  2 spec TokenRequestSpec
  3 status Ignored
message TokenRequestSpec
  1 audiences list string
  3 boundObjectRef BoundObjectReference
  4 expirationSeconds int?
message BoundObjectReference
  1 kind string
  2 apiVersion string
  3 name string
  4 uid string
message SelfSubjectAccessReview
  1 metadata ObjectMeta
  2 spec SelfSubjectAccessReviewSpec
  3 status Ignored
message SelfSubjectAccessReviewSpec
  1 resourceAttributes ResourceAttributes
  2 nonResourceAttributes NonResourceAttributes
message ResourceAttributes
  1 namespace string
  2 verb string
  3 group string
  4 version string
  5 resource string
  6 subresource string
  7 name string
message NonResourceAttributes
  1 path string
  2 verb string
message Eviction
  1 metadata ObjectMeta
  2 deleteOptions DeleteOptions
message DeleteOptions
  1 gracePeriodSeconds int?
  2 preconditions Preconditions
  3 orphanDependents bool?
  4 propagationPolicy string?
  5 dryRun list string
message Preconditions
  1 uid string?
  2 resourceVersion string?
message PodDisruptionBudget
  1 metadata ObjectMeta
  2 spec PodDisruptionBudgetSpec
  3 status Ignored
message PodDisruptionBudgetSpec
  1 minAvailable IntOrString
  2 selector LabelSelector
  3 maxUnavailable IntOrString
message ObjectMeta
  1 name string
  2 generateName string
  3 namespace string
  4 selfLink string
  5 uid string
  6 resourceVersion string
  7 generation int
  8 creationTimestamp Ignored
  11 labels map string
  12 annotations map string
  13 ownerReferences list OwnerReference
  14 finalizers list string
message OwnerReference
  1 kind string
  3 name string
  4 uid string
  5 apiVersion string
  6 controller bool?
  7 blockOwnerDeletion bool?
message ObjectReference
  1 kind string
  2 namespace string
  3 name string
  4 uid string
  5 apiVersion string
  6 resourceVersion string
  7 fieldPath string
message LocalObjectReference
  1 name string
message Quantity
  1 string string
message IntOrString
  1 type int?
  2 intVal int?
  3 strVal string?
message TypeMeta
  1 apiVersion string
  2 kind string
message Unknown
  1 typeMeta TypeMeta
  2 raw bytes
  3 contentEncoding string
  4 contentType string
"""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message."""

    name: str
    type: str
    repeated: str = ""  # "", "list" or "map"
    keeps_zero: bool = False


def _parsed(text: str) -> dict[str, dict[int, Field]]:
    messages: dict[str, dict[int, Field]] = {}
    fields: dict[int, Field] = {}
    for line in text.strip().splitlines():
        match line.split():
            case ["message", name]:
                fields = messages[name] = {}
            case [number, name, ("list" | "map") as repeated, kind]:
                fields[int(number)] = Field(name, kind, repeated, keeps_zero=True)
            case [number, name, kind]:
                fields[int(number)] = Field(name, kind.removesuffix("?"), keeps_zero=kind.endswith("?"))
    return messages


MESSAGES = _parsed(_MESSAGES)
