"""Who asks, and what they may do: bearer tokens, their roles, and the file that holds them.

The file is JSON and holds the SHA-256 of each token, never the token: `{"tokens": [{"name": "alice", "role":
"operator", "sha256": "...", "hosts": ["lab-*"], "projects": ["default"]}]}`. A token is 256 random bits, so its digest
needs no salt. The file is read again when it changes; needs no web framework, so that the CLI can write it.
"""

from __future__ import annotations

import fcntl
import hmac
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from virtbus.errors import AlreadyExists, Forbidden, InternalError, NotFound, Unauthenticated
from virtbus.records import now

PREFIX = "vbt_"
"""Starts every token, so that one in a log or a repository is recognised."""


class Role(StrEnum):
    """What a token is for."""

    VIEWER = "viewer"
    """Sees everything that holds no secret, changes nothing."""
    OPERATOR = "operator"
    """Runs domains: their life, definition, devices, size, screen and jobs."""
    ADMIN = "admin"
    """May do everything, the hypervisor's own monitor included."""


PERMISSIONS: dict[Role, tuple[str, ...]] = {
    Role.VIEWER: ("*:read",),
    Role.OPERATOR: ("*:read", "domain:*", "device:*", "job:*"),
    Role.ADMIN: ("*",),
}
"""The permissions (`object:verb`, declared by each operation) that each role grants, as globs."""


class TokenEntry(BaseModel):
    """A token as the file keeps it."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9_.@-]{1,64}$")
    """The principal: who stands in job records and in the audit."""
    role: Role
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    hosts: tuple[str, ...] = ("*",)
    """Globs of the hosts that it is good for."""
    projects: tuple[str, ...] = ("*",)
    """Globs of the projects that it is good for."""
    created: datetime = Field(default_factory=now)


class TokenFile(BaseModel):
    """The file's contents."""

    model_config = ConfigDict(extra="forbid")

    tokens: list[TokenEntry] = []


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody whose token was accepted."""

    name: str
    role: Role
    hosts: tuple[str, ...] = ("*",)
    projects: tuple[str, ...] = ("*",)

    def holds(self, permission: str) -> bool:
        """Whether the role grants a permission at all."""
        return any(fnmatchcase(permission, glob) for glob in PERMISSIONS[self.role])

    def sees(self, host: str, project: str) -> bool:
        """Whether a host and a project are within the token's reach."""
        return self.reaches(host) and any(fnmatchcase(project, glob) for glob in self.projects)

    def reaches(self, host: str) -> bool:
        """Whether a host is within the token's reach."""
        return any(fnmatchcase(host, glob) for glob in self.hosts)


def authorize(principal: Principal, permission: str, host: str | None = None, project: str | None = None) -> None:
    """Let it pass or refuse it. A host or project that is not known yet is None, and is checked once it is known.

    :raises Forbidden: the role or the token's reach does not allow it.
    """
    if not principal.holds(permission):
        raise Forbidden(
            f"the role {principal.role} of {principal.name} does not grant {permission}",
            host=host,
            hint="ask an administrator for a token with another role",
            evidence={"permission": permission, "role": str(principal.role)},
        )
    if host is not None and not principal.reaches(host):
        raise Forbidden(f"the token of {principal.name} is not good for this host", host=host)
    if project is not None and not any(fnmatchcase(project, glob) for glob in principal.projects):
        raise Forbidden(f"the token of {principal.name} is not good for the project {project}", host=host)


class Tokens:
    """The tokens that are good now; follows the file as it changes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries: list[TokenEntry] = []
        self._stamp: tuple[int, int, int] | None = None

    def authenticate(self, authorization: str | None) -> Principal:
        """The principal of an Authorization header.

        :raises Unauthenticated: there is none, or its token is not in the file.
        """
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("a bearer token is needed", hint="send the header `Authorization: Bearer TOKEN`")
        self._follow()
        digest = _digest(token)
        found = None
        for entry in self._entries:
            # All are compared, so that the time taken tells nothing.
            if hmac.compare_digest(entry.sha256, digest):
                found = entry
        if found is None:
            raise Unauthenticated("the token is not known", hint="it may have been revoked; `virtbus token list` shows")
        return Principal(found.name, found.role, found.hosts, found.projects)

    def _follow(self) -> None:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            self._entries, self._stamp = [], None
            return
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        if stamp != self._stamp:
            self._entries = list_tokens(self.path)
            self._stamp = stamp


def create_token(
    path: Path,
    name: str,
    role: Role | str,
    *,
    hosts: tuple[str, ...] = ("*",),
    projects: tuple[str, ...] = ("*",),
) -> str:
    """Make a token and add it to the file (mode 0600, made where it is missing).

    :returns: the token; it is kept nowhere else.
    :raises AlreadyExists: there is a token of that name.
    :raises pydantic.ValidationError: the name or the role cannot be.
    """
    token = PREFIX + secrets.token_urlsafe(32)
    entry = TokenEntry(name=name, role=Role(role), sha256=_digest(token), hosts=hosts, projects=projects)
    with _locked(path):
        entries = list_tokens(path)
        if any(one.name == name for one in entries):
            raise AlreadyExists(f"there is a token of {name} already", hint="revoke it first, or choose another name")
        _write(path, [*entries, entry])
    return token


def revoke_token(path: Path, name: str) -> None:
    """Take a token out of the file; gateways refuse it from their next request on.

    :raises NotFound: there is no token of that name.
    """
    with _locked(path):
        entries = list_tokens(path)
        left = [entry for entry in entries if entry.name != name]
        if len(left) == len(entries):
            raise NotFound(f"there is no token of {name}")
        _write(path, left)


def list_tokens(path: Path) -> list[TokenEntry]:
    """The tokens in the file, in the order in which they were made.

    :raises InternalError: the file is not what it should be.
    """
    try:
        return TokenFile.model_validate_json(path.read_bytes()).tokens
    except FileNotFoundError:
        return []
    except (ValidationError, OSError) as error:
        raise InternalError(f"the token file {path} cannot be read: {error}", hint="restore it") from error


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def _write(path: Path, entries: list[TokenEntry]) -> None:
    draft = path.with_name(path.name + ".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(TokenFile(tokens=entries).model_dump_json(indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600), "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
