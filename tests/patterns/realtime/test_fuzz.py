"""No request that can be made from the OpenAPI document, or against it, is a server's fault."""

import schemathesis
from conftest import Server
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    response_schema_conformance,
    status_code_conformance,
)
import pytest


@pytest.fixture
def api(server: Server):  # type: ignore[no-untyped-def]  # schemathesis has no types to name
    """The document that the server itself gives."""
    return schemathesis.openapi.from_url(f"{server.client.base_url}/openapi.json")


schema = schemathesis.pytest.from_fixture("api")


@schema.parametrize()
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_one_that_the_document_tells_of(case: Case) -> None:
    """Valid and invalid requests get a documented status and body, never a 5xx."""
    case.call_and_validate(
        checks=[not_a_server_error, status_code_conformance, response_schema_conformance]
    )
