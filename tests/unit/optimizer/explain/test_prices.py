"""What a unit is worth in a relaxation does not depend on how the relaxation is written."""

import pytest

from inferno_optimizer.allocation import Rationing, solve
from inferno_optimizer.allocation.components import scarce_devices
from inferno_optimizer.explain import prices
from unit.optimizer.allocation.test_scale import crowded


@pytest.mark.parametrize("rationing", [Rationing.ALL_OR_NOTHING, Rationing.PRIORITY])
@pytest.mark.parametrize("room", [0.3, 0.6, 0.9])
def test_a_mixture_of_choices_has_the_prices_of_the_program(
    rationing: Rationing, room: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = crowded(300, 14, room, rationing)
    solution, devices = solve(problem), sorted(scarce_devices(problem))
    found = prices.prices_of(problem, solution, devices, 10.0)
    assert found
    monkeypatch.setattr(prices, "Mixture", prices.Relaxation)
    expected = prices.prices_of(problem, solution, devices, 10.0)
    assert {device: step for device, (step, _) in found.items()} == {
        device: step for device, (step, _) in expected.items()
    }
    for device, (_, price) in found.items():
        assert price == pytest.approx(expected[device][1])
