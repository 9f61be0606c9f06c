"""No request that can be made from the OpenAPI document, or against it, is a server's fault."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    response_schema_conformance,
    status_code_conformance,
)

from conftest import Server
from groundplan.serving import openapi

POSTS = ("/predict", "/events", "/v2/models/{name}/infer")
TIMEOUT = str(openapi.TIMEOUT["name"]).lower()
GETS = (
    "/explanations/{id}",
    "/consistency",
    "/health/ready",
    "/metrics",
    "/v2",
    "/v2/models/{name}",
    "/v2/models/{name}/ready",
)
CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]


def fuzz(server: Server, path: str, method: str, mode: GenerationMode, examples: int) -> None:
    document = schemathesis.openapi.from_url(f"{server.client.base_url}/openapi.json")
    operation = document[path][method]

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    def check(case: Any) -> None:
        # Who says to wait a millisecond is rightly told that it is too short.
        for name in [name for name in case.headers or {} if name.lower() == TIMEOUT]:
            case.headers[name] = "60000"
        case.call_and_validate(checks=CHECKS)

    check()
    assert server.client.get("/health/ready").status_code == 200


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("path", POSTS)
def test_every_post_gets_an_answer_that_the_document_tells_of(
    server: Server, path: str, mode: GenerationMode
) -> None:
    """Bodies that fit the document, and bodies that do not: a documented answer, never a 5xx."""
    fuzz(server, path, "POST", mode, 150)


@pytest.mark.parametrize("path", GETS)
def test_every_get_gets_an_answer_that_the_document_tells_of(server: Server, path: str) -> None:
    """Whatever stands in a path: a documented answer, never a 5xx."""
    fuzz(server, path, "GET", GenerationMode.POSITIVE, 30)
