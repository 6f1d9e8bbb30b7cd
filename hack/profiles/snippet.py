"""The VariantAutoscaling that a profile makes, ready for kubectl apply."""

from dataclasses import dataclass

from profiles.fit import Profile

_PLACES = 4


@dataclass(frozen=True, slots=True)
class Target:
    """What the profile belongs to."""

    name: str
    namespace: str
    model: str
    accelerator: str
    acc_count: int
    max_batch_size: int


def snippet(target: Target, profile: Profile) -> str:
    """YAML; the later form with prefill when TTFT was measured, else the flat form of the guide."""
    return f"""apiVersion: llmd.ai/v1alpha1
kind: VariantAutoscaling
metadata:
  name: {target.name}
  namespace: {target.namespace}
  labels:
    inference.optimization/acceleratorName: {target.accelerator}
spec:
  modelID: "{target.model}"
  modelProfile:
    accelerators:
      - acc: "{target.accelerator}"
        accCount: {target.acc_count}
        maxBatchSize: {target.max_batch_size}
{_parameters(profile)}"""


def _parameters(profile: Profile) -> str:
    alpha, beta = _shown(profile.decode.intercept.value), _shown(profile.decode.slope.value)
    if profile.prefill is None:
        return f'        alpha: "{alpha}"\n        beta: "{beta}"\n'
    gamma, delta = _shown(profile.prefill.intercept.value), _shown(profile.prefill.slope.value)
    return (
        "        perfParms:\n"
        f'          decodeParms: {{alpha: "{alpha}", beta: "{beta}"}}\n'
        f'          prefillParms: {{gamma: "{gamma}", delta: "{delta}"}}\n'
    )


def _shown(value: float) -> str:
    """As the custom resource wants it: digits and a point, no exponent."""
    return f"{value:.{_PLACES}f}".rstrip("0").rstrip(".")
