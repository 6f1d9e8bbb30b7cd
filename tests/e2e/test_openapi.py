"""All documents that Schemathesis makes of the optimizer's schema, some 2,700, are answered.

`make test` sends each sixth (tests/contract); all of them take half a minute of processor time.
"""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance

from inferno_optimizer.app import create_optimizer_app
from inferno_optimizer.settings import OptimizerSettings

MADE_UP = 10
ANSWER_SECONDS = 60.0
"""A document with tens of thousands of mistakes takes two seconds of a processor, which others may use."""

schema = schemathesis.openapi.from_asgi("/openapi.json", create_optimizer_app(OptimizerSettings(workers=0)))


@schema.include(method="POST").parametrize()
@settings(max_examples=MADE_UP, deadline=None, suppress_health_check=list(HealthCheck))
@pytest.mark.timeout(900)
def test_every_document_is_answered(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate(checks=[not_a_server_error, response_schema_conformance], timeout=ANSWER_SECONDS)
