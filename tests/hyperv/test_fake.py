"""The fake is no mirror of our own client: pypsrp, as it is, works against it too."""

from __future__ import annotations

import asyncio
import time
import xml.etree.ElementTree as ET

import pytest
from pypsrp.exceptions import AuthenticationError, WSManFaultError
from pypsrp.wsman import NAMESPACES, SelectorSet, WSMan, WSManAction

from tests.hyperv.fake.__main__ import USER
from tests.hyperv.fake.host import populate
from tests.hyperv.parts import PASSWORD, Served

V2 = "http://schemas.microsoft.com/wbem/wsman/1/wmi/root/virtualization/v2"
WSEN, WSMAN_XSD = NAMESPACES["wsen"], NAMESPACES["wsman"]


def open_wsman(host: Served, password: str = PASSWORD) -> WSMan:
    """A client of another make."""
    return WSMan("127.0.0.1", port=host.port, username=USER, password=password, ssl=False, auth="ntlm",
                 encryption="always", no_proxy=True)  # fmt: skip


def enumerate_all(wsman: WSMan, query: str, most: int = 10) -> list[ET.Element]:
    """Enumerate and Pull, as its makers mean it."""
    request = ET.Element(f"{{{WSEN}}}Enumerate")
    dialect = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
    ET.SubElement(request, f"{{{WSMAN_XSD}}}Filter", Dialect=dialect).text = query
    answer = wsman.enumerate(f"{V2}/*", request)
    found: list[ET.Element] = []
    while answer.find(f".//{{{WSEN}}}EndOfSequence") is None:
        context = answer.find(f".//{{{WSEN}}}EnumerationContext")
        assert context is not None
        pull = ET.Element(f"{{{WSEN}}}Pull")
        ET.SubElement(pull, f"{{{WSEN}}}EnumerationContext").text = context.text
        ET.SubElement(pull, f"{{{WSEN}}}MaxElements").text = str(most)
        answer = wsman.pull(f"{V2}/*", pull)
        items = answer.find(f".//{{{WSEN}}}Items")
        found += list(items) if items is not None else []
    return found


def value(node: ET.Element, name: str) -> str:
    """A property of an instance."""
    return next((each.text or "" for each in node.iter() if each.tag.endswith(f"}}{name}")), "")


async def test_pypsrp_lists_by_wql(host: Served) -> None:
    populate(host.fake, 25)

    def work() -> list[str]:
        with open_wsman(host) as wsman:
            return [value(node, "ElementName") for node in enumerate_all(wsman, "SELECT * FROM Msvm_ComputerSystem")]

    names = await asyncio.to_thread(work)
    assert len(names) == 26
    assert "hv0-vm24" in names


async def test_pypsrp_stops_a_machine_and_follows_the_job(host: Served) -> None:
    populate(host.fake, 1)
    machine = next(iter(host.fake.machines.values()))

    def work() -> tuple[str, str]:
        with open_wsman(host) as wsman:
            uri = f"{V2}/Msvm_ComputerSystem"
            selectors = SelectorSet()
            selectors.add_option("CreationClassName", "Msvm_ComputerSystem")
            selectors.add_option("Name", machine.guid)
            request = ET.Element(f"{{{uri}}}RequestStateChange_INPUT")
            ET.SubElement(request, f"{{{uri}}}RequestedState").text = "3"
            action = f"{uri}/RequestStateChange"
            answer = wsman.invoke(action, uri, request, selector_set=selectors)
            job = next(node.text for node in answer.iter() if node.get("Name") == "InstanceID")
            wanted = SelectorSet()
            wanted.add_option("InstanceID", job)
            state = ""
            while state not in ("7", "10"):
                time.sleep(0.01)
                state = value(wsman.get(f"{V2}/Msvm_ConcreteJob", selector_set=wanted), "JobState")
            return value(answer, "ReturnValue"), state

    assert await asyncio.to_thread(work) == ("4096", "7")
    assert not machine.active


async def test_pypsrp_understands_the_faults(host: Served) -> None:
    def work() -> WSManFaultError:
        with open_wsman(host) as wsman:
            selectors = SelectorSet()
            selectors.add_option("Name", "nobody")
            with pytest.raises(WSManFaultError) as caught:
                wsman.get(f"{V2}/Msvm_ComputerSystem", selector_set=selectors)
            return caught.value

    fault = await asyncio.to_thread(work)
    assert fault.code == 0x80041002
    assert WSManAction.GET.endswith("/Get")


async def test_pypsrp_with_a_wrong_password_is_refused(host: Served) -> None:
    def work() -> None:
        with open_wsman(host, "wrong") as wsman:
            enumerate_all(wsman, "SELECT * FROM Msvm_ComputerSystem")

    with pytest.raises(AuthenticationError):
        await asyncio.to_thread(work)
