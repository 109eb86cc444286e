"""Operations on a domain's screen and keyboard."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from virtbus.operations.declaration import DomainOperation, Empty, Kind


class Screenshot(BaseModel):
    """A picture of a domain's screen."""

    content: bytes
    """PNG."""


class TakeScreenshot(DomainOperation[Screenshot]):
    """Take a picture of a domain's screen, as PNG."""

    name = "domain.screenshot"
    kind = Kind.QUERY
    facet = "Console"
    permission = "domain:console"
    http = "GET /v1/hosts/{host}/domains/{domain}/screenshot"
    media = "image/png"
    wire = "domain_screenshot"
    timeout = 10.0

    screen: Annotated[int, Field(ge=0, le=15)] = 0


class SendKeys(DomainOperation[Empty]):
    """Press keys on a domain's keyboard, all together, and let them go after the hold time."""

    name = "domain.send-key"
    kind = Kind.JOB
    facet = "Console"
    permission = "domain:console"
    http = "POST /v1/hosts/{host}/domains/{domain}/keys"
    wire = "domain_send_key"
    verb = "send-key"

    keys: Annotated[list[str], Field(min_length=1, max_length=16)]
    """Linux key names such as KEY_LEFTCTRL, as virsh takes them."""
    hold: Annotated[int, Field(ge=1, le=10_000)] = 100
    """Milliseconds."""
