"""Every reason of a problem in a snapshot, named once; `reference.py` says what each means and what to do."""

from enum import StrEnum


class Reason(StrEnum):
    """Why something is a problem. Those of a load are the words of the condition `MetricsAvailable`."""

    METRICS_MISSING = "MetricsMissing"
    METRICS_STALE = "MetricsStale"
    PROMETHEUS_ERROR = "PrometheusError"
    PARTIAL_RESPONSE = "PartialResponse"
    CLOCK_SKEW = "ClockSkew"
    CERTIFICATE_NOT_USABLE = "CertificateNotUsable"
    TOKEN_NOT_SENT = "TokenNotSent"  # noqa: S105 - the name of a problem
    WATCH_LOST = "WatchLost"
    INVALID_OBJECT = "InvalidObject"
    INVALID_CONFIGURATION = "InvalidConfiguration"
    CONFIG_MAP_MISSING = "ConfigMapMissing"
    TARGET_NOT_FOUND = "TargetNotFound"
    DEVICE_UNKNOWN = "DeviceUnknown"
    DEVICE_TWICE = "DeviceTwice"
    SHARES_DIFFER = "SharesDiffer"
    NODE_DELETING = "NodeDeleting"
    NODE_UNSCHEDULABLE = "NodeUnschedulable"
    NODE_NOT_READY = "NodeNotReady"
    NODE_TAINTED = "NodeTainted"
    TAINT_NOT_TOLERATED_BY_ALL = "TaintNotToleratedByAll"
