"""Every endpoint of the optimizer against its own OpenAPI document: whatever Schemathesis makes of it."""

from typing import Any

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance

from inferno_optimizer.app import create_optimizer_app
from inferno_optimizer.settings import OptimizerSettings

EXAMPLES = 12  # for each of the three endpoints; each takes a server's start and end

schema = schemathesis.openapi.from_asgi("/openapi.json", create_optimizer_app(OptimizerSettings()))


@schema.include(method="POST").parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_is_beyond_an_answer(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate(checks=[not_a_server_error, response_schema_conformance])
