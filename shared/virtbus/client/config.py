"""Where the gateway is and with which token: from arguments, environment, a file, or the machine's own Virtbus.

Four sources, the first that names a URL decides:

1. what the caller gives (`--url`, `--token-file`),
2. `VIRTBUS_URL`, `VIRTBUS_TOKEN`, `VIRTBUS_TOKEN_FILE`,
3. `~/.config/virtbus/client.toml` with `url`, and `token` or `token_file`,
4. `ready.json` in the state directory of single-machine mode, as `virtbus up` writes it.

A token that the caller or the environment gives is used with any URL; one from a file only with that file's URL, so
that it is never sent to somebody else. This module needs nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

READY_FILE = "ready.json"
"""In the state directory: `{"http": URL, "token_file": PATH, ...}` while single-machine mode is up."""


class NotConfigured(Exception):
    """No source says where the gateway is, or one of them cannot be read."""


@dataclass(frozen=True)
class ClientConfig:
    """How a client reaches its gateway."""

    url: str
    token: str | None


@dataclass(frozen=True)
class _Source:
    """What one source says."""

    url: str | None = None
    token: str | None = None
    token_file: str | None = None

    def secret(self) -> str | None:
        if self.token:
            return self.token
        return _read(Path(self.token_file).expanduser()).strip() if self.token_file else None


def default_state_dir(environ: Mapping[str, str] | None = None) -> Path:
    """The state directory of single-machine mode: `VIRTBUS_STATE_DIR`, else /var/lib/virtbus for root, else
    `$XDG_STATE_HOME/virtbus` (`~/.local/state/virtbus`).
    """
    environ = os.environ if environ is None else environ
    if chosen := environ.get("VIRTBUS_STATE_DIR"):
        return Path(chosen)
    if os.geteuid() == 0:
        return Path("/var/lib/virtbus")
    return Path(environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "virtbus"


def client_file(environ: Mapping[str, str] | None = None) -> Path:
    """The user's file with `url` and `token` or `token_file`."""
    environ = os.environ if environ is None else environ
    return Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "virtbus" / "client.toml"


def load(
    url: str | None = None,
    token: str | None = None,
    token_file: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> ClientConfig:
    """How to reach the gateway.

    :raises NotConfigured: no source names a URL, or a file that is named cannot be read.
    """
    environ = os.environ if environ is None else environ
    given = _Source(url, token, token_file)
    ambient = _Source(environ.get("VIRTBUS_URL"), environ.get("VIRTBUS_TOKEN"), environ.get("VIRTBUS_TOKEN_FILE"))
    chosen = given.url or ambient.url
    secret = given.secret() or ambient.secret()
    if chosen and secret:
        return ClientConfig(chosen.rstrip("/"), secret)
    for source in (_user_file(client_file(environ)), _ready_file(default_state_dir(environ) / READY_FILE)):
        if source.url and (chosen is None or chosen.rstrip("/") == source.url.rstrip("/")):
            return ClientConfig(source.url.rstrip("/"), secret or source.secret())
    if chosen:
        return ClientConfig(chosen.rstrip("/"), None)
    raise NotConfigured(
        "no gateway is configured: give --url, set VIRTBUS_URL, write ~/.config/virtbus/client.toml,"
        " or start one here with `virtbus up`"
    )


def _user_file(path: Path) -> _Source:
    if not path.exists():
        return _Source()
    try:
        content = tomllib.loads(_read(path))
    except tomllib.TOMLDecodeError as error:
        raise NotConfigured(f"{path} is not TOML: {error}") from error
    return _source(content, "url")


def _ready_file(path: Path) -> _Source:
    """Another user's state directory is no error: it is only not ours to use."""
    try:
        content = json.loads(path.read_text())
    except OSError:
        return _Source()
    except ValueError as error:
        raise NotConfigured(f"{path} is not JSON: {error}") from error
    return _source(content, "http")


def _source(content: object, url: str) -> _Source:
    pairs = content.items() if isinstance(content, dict) else ()
    words = {key: value for key, value in pairs if isinstance(value, str)}
    return _Source(words.get(url), words.get("token"), words.get("token_file"))


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise NotConfigured(f"{path} cannot be read: {error.strerror}") from error
