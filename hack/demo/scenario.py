"""What the demo plays and what it must see: the seed's load, and replicas 1 -> 4 -> 1."""

from dataclasses import dataclass

NAMESPACE = "llm-d-sim"
SYSTEM_NAMESPACE = "inferno-autoscaler-system"
VARIANT = "ms-inference-scheduling-llm-d-modelservice-decode"
HPA = "vllm-deployment-hpa"
MODEL = "Qwen/Qwen3-0.6B"
SLO_ITL_MS = 24.0
SLO_TTFT_MS = 500.0
GPUS_PER_NODE = 8
NODES = 4
DEVICE = "NVIDIA-H100-80GB-HBM3"


@dataclass(frozen=True)
class Scenario:
    """One run of the demo; only configuration differs between the full and the short form.

    Worked number: one replica keeps its SLO up to 14.31 requests/min, so 50 requests/min need
    ceil(50 / 14.31) = 4. A Poisson window that shows more than 4 * 14.31 = 57.2 asks for 5.
    The arrivals are a fixed draw near their mean, so that the story is the guide's; half of 200 draws have a
    half minute above 67 requests/min, where 5, and sometimes 6, are right.
    """

    load_seconds: int
    rate_rpm: int = 50
    prompt_tokens: int = 150
    arrivals_seed: int = 68
    interval_seconds: int = 5
    scrape_seconds: float = 2.0
    window_seconds: int = 300
    hpa_sync_seconds: float = 2.0
    startup_seconds: float = 3.0
    limit_seconds: int = 480
    peak_replicas: int = 4
    peak_with_noise: int = 5


FULL = Scenario(load_seconds=180)
SHORT = Scenario(load_seconds=75, limit_seconds=170)
