"""Who may do what: the token file, the roles' permissions, and the refusals."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import ValidationError

from tests.gateway.conftest import HOST, Scene
from virtbus.errors import AlreadyExists, Forbidden, NotFound, Unauthenticated
from virtbus.operations import OPERATIONS
from virtbus_gateway.auth import Principal, Role, Tokens, authorize, create_token, list_tokens, revoke_token

ALLOWED = {
    "host:read": "viewer operator admin",
    "domain:read": "viewer operator admin",
    "job:read": "viewer operator admin",
    "storage:read": "viewer operator admin",
    "network:read": "viewer operator admin",
    "event:read": "viewer operator admin",
    "metrics:read": "viewer operator admin",
    "domain:define": "operator admin",
    "domain:start": "operator admin",
    "domain:tune": "operator admin",
    "domain:console": "operator admin",
    "domain:snapshot": "operator admin",
    "domain:exec": "operator admin",
    "device:attach": "operator admin",
    "device:detach": "operator admin",
    "job:cancel": "operator admin",
    "qemu:monitor": "admin",
}


@pytest.mark.parametrize(("permission", "roles"), ALLOWED.items())
@pytest.mark.parametrize("role", list(Role))
def test_each_role_grants_what_the_table_says(permission: str, roles: str, role: Role) -> None:
    principal = Principal("p", role)
    if role in roles.split():
        authorize(principal, permission, HOST, "default")
    else:
        with pytest.raises(Forbidden) as refused:
            authorize(principal, permission, HOST, "default")
        assert refused.value.host == HOST


def test_the_table_has_every_declared_permission() -> None:
    assert {operation.permission for operation in OPERATIONS.values()} <= ALLOWED.keys()


def test_a_token_reaches_only_its_hosts_and_projects() -> None:
    principal = Principal("p", Role.ADMIN, hosts=("lab-*",), projects=("blue",))
    authorize(principal, "domain:start", "lab-7", "blue")
    for host, project in (("prod-1", "blue"), ("lab-7", "red")):
        with pytest.raises(Forbidden):
            authorize(principal, "domain:start", host, project)


def test_the_file_is_private_and_holds_no_token(tmp_path: Path) -> None:
    path = tmp_path / "new" / "tokens.json"
    token = create_token(path, "alice", "operator")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert token not in path.read_text()
    assert [(entry.name, entry.role) for entry in list_tokens(path)] == [("alice", Role.OPERATOR)]


def test_a_token_is_good_until_it_is_revoked(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    tokens = Tokens(path)
    token = create_token(path, "alice", Role.VIEWER, hosts=("lab-*",))
    other = create_token(path, "bob", Role.ADMIN)
    assert tokens.authenticate(f"Bearer {token}") == Principal("alice", Role.VIEWER, ("lab-*",), ("*",))
    revoke_token(path, "alice")
    with pytest.raises(Unauthenticated):
        tokens.authenticate(f"Bearer {token}")
    assert tokens.authenticate(f"bearer {other}").name == "bob"


def test_a_name_stands_for_one_token(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    create_token(path, "alice", Role.VIEWER)
    with pytest.raises(AlreadyExists):
        create_token(path, "alice", Role.ADMIN)
    with pytest.raises(NotFound):
        revoke_token(path, "bob")
    with pytest.raises(ValidationError):
        create_token(path, "a b", Role.ADMIN)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer vbt_wrong", "Bearer \x00"])
def test_what_is_no_good_token_is_refused(tmp_path: Path, header: str | None) -> None:
    path = tmp_path / "tokens.json"
    create_token(path, "alice", Role.VIEWER)
    with pytest.raises(Unauthenticated):
        Tokens(path).authenticate(header)


async def test_a_request_without_a_token_is_challenged(scene: Scene) -> None:
    answer = await scene.client(token="nobody").get("/v1/hosts")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["code_name"] == "VIR_ERR_AUTH_FAILED"


async def test_authorisation_comes_before_parsing(scene: Scene) -> None:
    await scene.host()
    answer = await scene.client("viewer").post(
        f"/v1/hosts/{HOST}/domains", content="<not xml", headers={"Content-Type": "application/xml"}
    )
    assert answer.status_code == 403
    assert answer.json()["evidence"] == {"permission": "domain:define", "role": "viewer"}


async def test_lists_show_only_what_the_token_reaches(scene: Scene) -> None:
    await scene.host()
    await scene.host("prod-1")
    uuid = uuid4()
    await scene.domain("blue", project="blue", uuid=uuid)
    await scene.domain("red", project="red")
    last = await scene.domain("far", host="prod-1", project="blue")
    stored = await scene.bus.domains.get(f"prod-1.{last.uuid}")
    assert stored is not None
    token = create_token(scene.token_file, "narrow", Role.ADMIN, hosts=("lab-*",), projects=("blue",))
    client = scene.client(token=token)
    domains = (await client.get("/v1/domains", params={"min_revision": stored.revision})).json()["domains"]
    assert [domain["name"] for domain in domains] == ["blue"]
    assert [host["record"]["name"] for host in (await client.get("/v1/hosts")).json()["hosts"]] == [HOST]
    assert (await client.get(f"/v1/hosts/prod-1/domains/{last.uuid}")).status_code == 403
    assert (await client.post(f"/v1/domains/{last.uuid}/start")).status_code == 403
    assert (await client.post(f"/v1/domains/{uuid}/start")).status_code == 202


async def test_a_file_that_is_broken_lets_nobody_in(scene: Scene) -> None:
    scene.token_file.write_text(json.dumps({"tokens": "all"}))
    answer = await scene.client().get("/v1/hosts")
    assert answer.status_code == 500
    assert "tokens" not in answer.json()["evidence"]


async def test_a_token_is_told_whose_it_is_and_what_it_may_do(scene: Scene) -> None:
    token = create_token(scene.token_file, "lab", Role.OPERATOR, hosts=("lab-*",), projects=("default",))
    answer = await scene.client(token=token).get("/v1/whoami")
    assert answer.json() == {
        "name": "lab", "role": "operator", "permissions": ["*:read", "domain:*", "device:*", "job:*"],
        "hosts": ["lab-*"], "projects": ["default"],
    }  # fmt: skip
    assert (await scene.client(token="vbt_wrong").get("/v1/whoami")).status_code == 401
