"""Every endpoint of the optimizer against its own OpenAPI document: whatever Schemathesis makes of it."""

import itertools
from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation.meta import TestPhase
from schemathesis.specs.openapi.checks import response_schema_conformance

from inferno_optimizer.app import create_optimizer_app
from inferno_optimizer.settings import OptimizerSettings

EXAMPLES = 5
"""Documents made up for each of the three endpoints; drawing one from so large a schema takes 0.1 s."""

EVERY = 6
"""Of the 2,700 documents that go through every field's limits, each sixth is sent; `make e2e` sends all."""

ANSWER_SECONDS = 60.0
"""Instead of Schemathesis' 10 s, which a machine that others use can take for some of them."""

cases = itertools.count()

schema = schemathesis.openapi.from_asgi("/openapi.json", create_optimizer_app(OptimizerSettings(workers=0)))


@schema.include(method="POST").parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_is_beyond_an_answer(case: schemathesis.Case[Any]) -> None:
    if case.meta is not None and case.meta.phase.name is TestPhase.COVERAGE and next(cases) % EVERY:
        return
    case.call_and_validate(checks=[not_a_server_error, response_schema_conformance], timeout=ANSWER_SECONDS)
