"""The built-in kinds: what the product, its manifests and kubectl use of Kubernetes, and little else.

A kind that only needs to be stored and listed is one line here.
"""

from devcluster.apiserver.beyond import aggregation
from devcluster.apiserver.kinds import crd, defaults, definition_checks, validation
from devcluster.apiserver.kinds.shapes import with_shape
from devcluster.apiserver.objects.resource_types import ResourceType, ScalePaths
from devcluster.apiserver.printing import core_columns, workload_columns
from devcluster.apiserver.printing.pod_columns import POD_COLUMNS

_CREATE_ONLY = ("create",)

CORE = (
    ResourceType(
        "",
        "v1",
        "pods",
        "Pod",
        short_names=("po",),
        categories=("all",),
        subresources=("status", "log", "binding", "eviction", "proxy", "portforward", "exec", "attach"),
        columns=POD_COLUMNS,
        has_generation=True,
        set_defaults=defaults.set_pod_defaults,
        validate=validation.check_pod,
    ),
    ResourceType(
        "",
        "v1",
        "services",
        "Service",
        short_names=("svc",),
        categories=("all",),
        subresources=("status", "proxy"),
        columns=core_columns.SERVICE_COLUMNS,
        set_defaults=defaults.set_service_defaults,
        validate=validation.check_service,
    ),
    ResourceType(
        "",
        "v1",
        "nodes",
        "Node",
        namespaced=False,
        short_names=("no",),
        subresources=("status",),
        columns=core_columns.NODE_COLUMNS,
        keeps_status_on_create=True,
        set_defaults=defaults.set_node_defaults,
        validate=validation.check_node,
    ),
    ResourceType(
        "",
        "v1",
        "configmaps",
        "ConfigMap",
        short_names=("cm",),
        columns=core_columns.CONFIG_MAP_COLUMNS,
        validate=validation.check_config_map,
    ),
    ResourceType(
        "",
        "v1",
        "namespaces",
        "Namespace",
        namespaced=False,
        short_names=("ns",),
        subresources=("status", "finalize"),
        columns=core_columns.NAMESPACE_COLUMNS,
        set_defaults=defaults.set_namespace_defaults,
    ),
    ResourceType(
        "",
        "v1",
        "events",
        "Event",
        short_names=("ev",),
        columns=core_columns.EVENT_COLUMNS,
        validate=validation.check_event,
    ),
    ResourceType(
        "",
        "v1",
        "secrets",
        "Secret",
        columns=core_columns.SECRET_COLUMNS,
        set_defaults=defaults.set_secret_defaults,
    ),
    ResourceType(
        "",
        "v1",
        "serviceaccounts",
        "ServiceAccount",
        short_names=("sa",),
        subresources=("token",),
        columns=core_columns.SERVICE_ACCOUNT_COLUMNS,
    ),
    ResourceType("", "v1", "endpoints", "Endpoints", short_names=("ep",), list_kind="EndpointsList"),
    ResourceType("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", short_names=("pvc",)),
    ResourceType("", "v1", "resourcequotas", "ResourceQuota", short_names=("quota",)),
    ResourceType("", "v1", "limitranges", "LimitRange", short_names=("limits",)),
)
APPS = (
    ResourceType(
        "apps",
        "v1",
        "deployments",
        "Deployment",
        short_names=("deploy",),
        categories=("all",),
        subresources=("status", "scale"),
        columns=workload_columns.DEPLOYMENT_COLUMNS,
        scale=ScalePaths(),
        has_generation=True,
        set_defaults=defaults.set_deployment_defaults,
        validate=validation.check_workload,
    ),
    ResourceType(
        "apps",
        "v1",
        "replicasets",
        "ReplicaSet",
        short_names=("rs",),
        categories=("all",),
        subresources=("status", "scale"),
        columns=workload_columns.REPLICA_SET_COLUMNS,
        scale=ScalePaths(),
        has_generation=True,
        set_defaults=defaults.set_replica_set_defaults,
        validate=validation.check_workload,
    ),
    ResourceType(
        "apps",
        "v1",
        "statefulsets",
        "StatefulSet",
        short_names=("sts",),
        categories=("all",),
        subresources=("status", "scale"),
        columns=workload_columns.STATEFUL_SET_COLUMNS,
        scale=ScalePaths(),
        has_generation=True,
        set_defaults=defaults.set_stateful_set_defaults,
        validate=validation.check_workload,
    ),
)
AUTOSCALING = (
    ResourceType(
        "autoscaling",
        "v2",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        short_names=("hpa",),
        categories=("all",),
        subresources=("status",),
        columns=workload_columns.AUTOSCALER_COLUMNS,
        set_defaults=defaults.set_horizontal_pod_autoscaler_defaults,
        validate=validation.check_horizontal_pod_autoscaler,
    ),
)
COORDINATION = (
    ResourceType(
        "coordination.k8s.io",
        "v1",
        "leases",
        "Lease",
        columns=core_columns.LEASE_COLUMNS,
        validate=validation.check_lease,
    ),
)
_RBAC = "rbac.authorization.k8s.io"
ACCESS = (
    ResourceType(_RBAC, "v1", "roles", "Role", columns=core_columns.ROLE_COLUMNS),
    ResourceType(_RBAC, "v1", "rolebindings", "RoleBinding", columns=core_columns.ROLE_BINDING_COLUMNS),
    ResourceType(
        _RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False, columns=core_columns.ROLE_COLUMNS
    ),
    ResourceType(
        _RBAC,
        "v1",
        "clusterrolebindings",
        "ClusterRoleBinding",
        namespaced=False,
        columns=core_columns.ROLE_BINDING_COLUMNS,
    ),
    ResourceType(
        "authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False, verbs=_CREATE_ONLY
    ),
    ResourceType(
        "authorization.k8s.io",
        "v1",
        "subjectaccessreviews",
        "SubjectAccessReview",
        namespaced=False,
        verbs=_CREATE_ONLY,
    ),
    ResourceType(
        "authorization.k8s.io",
        "v1",
        "selfsubjectaccessreviews",
        "SelfSubjectAccessReview",
        namespaced=False,
        verbs=_CREATE_ONLY,
    ),
    ResourceType(
        "authorization.k8s.io",
        "v1",
        "localsubjectaccessreviews",
        "LocalSubjectAccessReview",
        verbs=_CREATE_ONLY,
    ),
)
EXTENSION = (
    ResourceType(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        namespaced=False,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        subresources=("status",),
        columns=core_columns.ROLE_COLUMNS,
        has_generation=True,
        set_defaults=crd.set_crd_defaults,
        validate=definition_checks.check_crd,
    ),
    ResourceType(
        "apiregistration.k8s.io",
        "v1",
        "apiservices",
        "APIService",
        namespaced=False,
        categories=("api-extensions",),
        subresources=("status",),
        columns=core_columns.API_SERVICE_COLUMNS,
        validate=aggregation.check_api_service,
    ),
)
OTHERS = (
    ResourceType("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
    ResourceType("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", short_names=("netpol",)),
    ResourceType("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", short_names=("pdb",)),
    ResourceType(
        "scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", namespaced=False, short_names=("pc",)
    ),
    ResourceType(
        "storage.k8s.io", "v1", "storageclasses", "StorageClass", namespaced=False, short_names=("sc",)
    ),
)
BUILTIN_TYPES = tuple(
    with_shape(resource)
    for resource in (*CORE, *APPS, *AUTOSCALING, *COORDINATION, *ACCESS, *EXTENSION, *OTHERS)
)
