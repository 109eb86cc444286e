"""The OpenAPI document: made from the declarations, complete and consistent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
from jsonschema import Draft202012Validator

from tests.gateway.conftest import HOST, Scene
from virtbus.operations import OPERATIONS
from virtbus_gateway.http.arguments import method_and_path, path_fields
from virtbus_gateway.http.openapi import document
from virtbus_gateway.http.routes import OF_A_HOST, SHORTHAND


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for each in node.values():
            yield from references(each)
    elif isinstance(node, list):
        for each in node:
            yield from references(each)


def calls(made: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in made["paths"].items():
        for method, about in methods.items():
            yield path, method, about


def test_every_operation_is_documented_and_its_shorthand() -> None:
    made = document()
    for operation in OPERATIONS.values():
        method, path = method_and_path(operation)
        about = made["paths"][path][method.lower()]
        assert about["operationId"] == operation.name
        assert about["summary"].endswith(".")
        if path.startswith(OF_A_HOST):
            assert method.lower() in made["paths"][SHORTHAND + path.removeprefix(OF_A_HOST)]


def test_every_reference_leads_somewhere() -> None:
    made = document()
    for reference in set(references(made)):
        place: Any = made
        for step in reference.removeprefix("#/").split("/"):
            assert step in place, reference
            place = place[step]


def test_the_schemas_are_schemas() -> None:
    for schema in document()["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_ids_are_unique_and_paths_have_their_parameters() -> None:
    made = document()
    ids = [about["operationId"] for _, _, about in calls(made)]
    assert len(ids) == len(set(ids))
    tags = {tag["name"] for tag in made["tags"]}
    for path, _, about in calls(made):
        named = [one["name"] for one in about.get("parameters", []) if one.get("in") == "path"]
        assert sorted(named) == sorted(path_fields(path)), path
        assert "default" in about["responses"], path
        assert set(about["tags"]) <= tags


def test_a_jobs_arguments_are_no_part_of_its_schema() -> None:
    assert "arguments" not in document()["components"]["schemas"]["JobRecord"]["properties"]


async def test_the_document_is_served_and_what_is_served_fits_it(scene: Scene) -> None:
    client = scene.client()
    made = (await client.get("/openapi.json")).json()
    assert made["openapi"].startswith("3.1")
    await scene.host()
    domain = await scene.domain()
    started = await client.post(f"/v1/hosts/{HOST}/domains/{domain.uuid}/start")
    answers: dict[str, httpx.Response] = {
        "HostSummary": await client.get(f"/v1/hosts/{HOST}"),
        "DomainList": await client.get("/v1/domains"),
        "DomainSummary": await client.get(f"/v1/domains/{domain.uuid}"),
        "DeviceList": await client.get(f"/v1/domains/{domain.uuid}/devices"),
        "JobRecord": started,
        "JobList": await client.get("/v1/jobs"),
        "Problem": await client.get("/v1/nothing"),
    }
    for name, answer in answers.items():
        schema = {"$ref": f"#/components/schemas/{name}", "components": made["components"]}
        Draft202012Validator(schema).validate(answer.json())
