"""What of a running display can be changed, and how QEMU is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from virtbus.domain import Graphics, parse_device
from virtbus.errors import ConfigUnsupported
from virtbus_qemu.command.password import commands
from virtbus_qemu.screenchange import is_due, merged
from virtbus_qemu.settings import DisplaySettings

SCREEN = "<graphics type='vnc' port='5900' autoport='no'{0}><listen type='address' address='127.0.0.1'/></graphics>"


def screen(xml: str) -> Graphics:
    device = parse_device(xml)
    assert isinstance(device, Graphics)
    return device


OLD = screen(SCREEN.format(" passwd='a'"))


def told(graphics: Graphics, **settings: str) -> list[tuple[str, dict[str, str]]]:
    return [(each.execute, dict(each.arguments)) for each in commands(graphics, DisplaySettings(**settings))]


def test_a_new_password_is_told_and_has_no_end() -> None:
    new = merged(OLD, screen(SCREEN.format(" passwd='b' connected='keep'")))
    assert is_due(OLD, new)
    assert told(new) == [
        ("set_password", {"protocol": "vnc", "password": "b", "connected": "keep"}),
        ("expire_password", {"protocol": "vnc", "time": "never"}),
    ]


@pytest.mark.parametrize(("end", "time"), [("2013-05-31T16:11:22", "now"), ("2999-01-01T00:00:00", "32472144000")])
def test_an_end_is_told_in_seconds_unless_it_is_past(end: str, time: str) -> None:
    new = merged(OLD, screen(SCREEN.format(f" passwd='b' passwdValidTo='{end}'")))
    assert told(new)[1] == ("expire_password", {"protocol": "vnc", "time": time})


def test_the_same_password_is_told_anew_only_where_it_has_an_end() -> None:
    assert not is_due(OLD, merged(OLD, OLD))
    end = (datetime.now(UTC) + timedelta(days=1)).replace(tzinfo=None).isoformat(timespec="seconds")
    lasting = screen(SCREEN.format(f" passwd='a' passwdValidTo='{end}'"))
    assert is_due(lasting, merged(lasting, lasting))


def test_without_a_password_it_is_that_of_the_settings() -> None:
    new = merged(OLD, screen(SCREEN.format("")))
    assert told(new) == []
    assert told(new, vnc_password="c")[0] == ("set_password", {"protocol": "vnc", "password": "c"})


def test_ports_found_at_start_need_not_be_said() -> None:
    running = screen("<graphics type='vnc' port='5907' autoport='yes'><listen type='address'/></graphics>")
    assert merged(running, screen("<graphics type='vnc' port='-1' autoport='yes' passwd='x'/>")).port == 5907


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        (SCREEN.format("").replace("5900", "5901"), "port settings"),
        (SCREEN.format(" keymap='de'"), "keymap setting"),
        (SCREEN.format("").replace("127.0.0.1", "0.0.0.0"), "listen address setting"),
        (SCREEN.format("").replace("'address' address='127.0.0.1'", "'socket'"), "the type of listen address"),
        ("<graphics type='sdl'/>", "the number of listen addresses"),
    ],
)
def test_where_it_listens_stays(xml: str, words: str) -> None:
    with pytest.raises(ConfigUnsupported, match=f"cannot change {words} on 'vnc' graphics"):
        merged(OLD, screen(xml))
