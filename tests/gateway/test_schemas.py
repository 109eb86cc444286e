"""JSON Schema of the documents: published twice, and what the API takes and gives fits it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from tests.gateway.conftest import Scene
from virtbus.domain import Domain, parse_device
from virtbus.domain.devices import BY_TAG
from virtbus_gateway.http.openapi import document
from virtbus_gateway.http.schemas import DOCUMENTS, schema_of

GOLDEN = Path(__file__).parents[1] / "domain" / "golden"
DEVICES = [path for path in sorted((GOLDEN / "vocabulary").glob("*.xml")) if not path.name.startswith("domain")]


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema_of(name)))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_schema_is_one_of_draft_2020_12(name: str) -> None:
    schema = json.loads(schema_of(name))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("guests/*.xml")), ids=lambda path: path.name)
def test_a_domain_as_json_fits_its_schema(path: Path) -> None:
    validator("domain").validate(Domain.parse(path.read_bytes()).to_json(secure=True))


def test_a_device_of_every_kind_fits_the_schema() -> None:
    check = validator("device")
    seen = set()
    for path in DEVICES:
        device = parse_device(path.read_text())
        kind = device.element_tag
        check.validate({"kind": kind, **device.to_json(secure=True)})
        seen.add(kind)
    assert seen == set(BY_TAG)


WRONG: dict[str, dict[str, Any]] = {
    "unknown key": {"type": "kvm", "name": "a", "colour": "red"},
    "not of the enumeration": {"type": "toaster", "name": "a"},
    "required key missing": {"type": "kvm"},
    "number as text": {"type": "kvm", "name": "a", "iothreads": "2"},
    "unknown key of a device": {"type": "kvm", "name": "a", "devices": {"disks": [{"target": {"dev": "vda", "x": 1}}]}},
}


@pytest.mark.parametrize("name", WRONG)
def test_what_the_model_refuses_does_not_fit(name: str) -> None:
    with pytest.raises(ValidationError):
        validator("domain").validate(WRONG[name])


def test_it_says_enumerations_units_and_secrets() -> None:
    definitions = json.loads(schema_of("domain"))["$defs"]
    assert "kvm" in definitions["domain.Domain"]["properties"]["type"]["enum"]
    assert definitions["domain.Domain"]["description"] == "A virtual machine or container."
    assert set(definitions["domain.Domain"]["required"]) == {"type", "name"}
    assert "KiB" in definitions["memory.Memory"]["properties"]["kib"]["description"]
    assert "running" in definitions["domain.Domain"]["properties"]["id"]["description"]
    secrets = [
        (name, key)
        for name, each in definitions.items()
        for key, value in each.get("properties", {}).items()
        if value.get("writeOnly")
    ]
    assert ("graphics.Graphics", "password") in secrets


def test_the_openapi_document_has_the_same_model() -> None:
    made = document()
    apart = json.loads(schema_of("domain"))["$defs"]
    known = made["components"]["schemas"]
    assert set(apart) <= set(known)
    define = made["paths"]["/v1/hosts/{host}/domains"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert define["properties"]["document"]["$ref"] == "#/components/schemas/domain.Domain"
    attach = made["paths"]["/v1/domains/{domain}/devices"]["post"]["requestBody"]["content"]["application/json"]
    assert attach["schema"]["properties"]["document"]["$ref"] == "#/components/schemas/device.Document"
    whole = {"$ref": "#/components/schemas/domain.Domain", "components": made["components"]}
    domain = Domain.parse((GOLDEN / "guests" / "web.out.xml").read_bytes())
    Draft202012Validator(whole).validate(domain.to_json(secure=True))


async def test_the_gateway_serves_them_without_a_token(scene: Scene) -> None:
    client = scene.client()
    del client.headers["Authorization"]
    for name in DOCUMENTS:
        answer = await client.get(f"/v1/schemas/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/schema+json"
        assert answer.json() == json.loads(schema_of(name))
    assert (await client.get("/v1/schemas/nothing")).status_code == 404
