"""The OpenAPI document of a server, put together from the types that it decodes and encodes."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final

import msgspec

from groundplan.serving.http import Problem
from groundplan.serving.inference import Inference, Inferred

_TEMPLATE: Final = "#/components/schemas/{name}"

_REFUSALS: Final = {
    "400": "The body cannot be read.",
    "413": "The body is too large.",
    "422": "A field breaks a rule; the answer names it.",
    "503": "A stage could not answer in time; Retry-After says when to come back.",
}


def document(
    title: str,
    paths: Mapping[str, Any],
    types: list[Any],
    schemas: Mapping[str, Any],
    *,
    model: bool = True,
) -> dict[str, Any]:
    """An OpenAPI 3.1 document.

    Args:
        title: the system's name.
        paths: the pattern's own paths, made with `post` and `get`.
        types: msgspec types that the paths refer to by name.
        schemas: further JSON Schemas by name.
        model: whether the bare model is served too, by the Open Inference Protocol.
    """
    spoken = [Inference, Inferred] if model else []
    _, components = msgspec.json.schema_components(
        [*types, Problem, *spoken], ref_template=_TEMPLATE
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version("groundplan")},
        "paths": {**paths, **_SHARED, **(_MODEL if model else {})},
        "components": {"schemas": {**components, **schemas}},
    }


def post(
    summary: str,
    body: str,
    answer: str,
    also: Mapping[str, str] | None = None,
    parameters: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """A POST operation with its refusals.

    Args:
        summary: one sentence.
        body: the schema of the JSON body.
        answer: the schema of the 200 answer.
        also: further media types of the body, with their schemas.
        parameters: OpenAPI parameters.
    """
    content = {"application/json": {"schema": _ref(body)}}
    for media, name in (also or {}).items():
        content[media] = {"schema": _ref(name)}
    return {
        "post": {
            "summary": summary,
            **({"parameters": parameters} if parameters else {}),
            "requestBody": {"required": True, "content": content},
            "responses": {
                "200": _answer("Answered.", _ref(answer)),
                **{code: _answer(text, _ref("Problem")) for code, text in _REFUSALS.items()},
            },
        }
    }


def get(
    summary: str,
    parameters: list[str] | None = None,
    *,
    unready: bool = False,
    answer: str = "",
) -> dict[str, Any]:
    """A GET operation that answers with a JSON object, or with one of a schema."""
    schema = _ref(answer) if answer else {"type": "object"}
    responses = {"200": _answer("Answered.", schema)}
    if parameters:
        responses["404"] = _answer("There is no such thing.", _ref("Problem"))
    if answer:
        responses["503"] = _answer("It cannot be read now.", _ref("Problem"))
    if unready:
        responses["503"] = _answer("Not ready.", {"type": "object"})
    return {
        "get": {
            "summary": summary,
            "parameters": [parameter(name) for name in parameters or ()],
            "responses": responses,
        }
    }


def lookup(
    summary: str, name: str, answer: str, parameters: list[dict[str, Any]]
) -> dict[str, Any]:
    """A GET operation of a path with one parameter, with its refusals.

    Args:
        summary: one sentence.
        name: of the path's parameter.
        answer: the schema of the 200 answer.
        parameters: further OpenAPI parameters.
    """
    refusals = {code: _REFUSALS[code] for code in ("422", "503")}
    return {
        "get": {
            "summary": summary,
            "parameters": [parameter(name), *parameters],
            "responses": {
                "200": _answer("Answered.", _ref(answer)),
                **{code: _answer(text, _ref("Problem")) for code, text in refusals.items()},
            },
        }
    }


def parameter(name: str) -> dict[str, Any]:
    """A path parameter of type string."""
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


TIMEOUT: Final = {
    "name": "X-Request-Timeout-Ms",
    "in": "header",
    "description": "How long the client waits; shortens the server's deadline.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 86_400_000},
}
"""The header by which a client shortens the deadline."""


def page(summary: str, *, missing: bool = False) -> dict[str, Any]:
    """A GET operation that answers with HTML, or 404 where the page may be missing."""
    content = {"text/html": {"schema": {"type": "string"}}}
    responses = {"200": {"description": "The page.", "content": content}}
    if missing:
        responses["404"] = _answer("There is no such page.", _ref("Problem"))
    return {"get": {"summary": summary, "responses": responses}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": _TEMPLATE.format(name=name)}


def _answer(description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _text(summary: str) -> dict[str, Any]:
    content = {"text/plain": {"schema": {"type": "string"}}}
    return {
        "get": {
            "summary": summary,
            "responses": {"200": {"description": "The page.", "content": content}},
        }
    }


_SHARED: Final[dict[str, Any]] = {
    "/health/live": get("Whether the process answers at all."),
    "/health/ready": get("Whether it can answer.", unready=True),
    "/metrics": _text("Metrics in the Prometheus text format."),
}

_MODEL: Final[dict[str, Any]] = {
    "/v2": get("The server, by the Open Inference Protocol."),
    "/v2/health/live": get("Whether the process answers at all."),
    "/v2/health/ready": get("Whether it can predict.", unready=True),
    "/v2/models/{name}": get("What the model takes and gives.", ["name"]),
    "/v2/models/{name}/ready": get("Whether the model can answer.", ["name"]),
    "/v2/models/{name}/infer": post(
        "Score feature rows with the bare model.",
        "Inference",
        "Inferred",
        parameters=[parameter("name")],
    ),
}
