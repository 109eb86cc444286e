"""The client of WS-Management against a server that shares no code with it."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from tests.hyperv.fake.__main__ import USER
from tests.hyperv.fake.host import FakeHost, populate
from tests.hyperv.fake.soap import WsmanFault
from tests.hyperv.parts import PASSWORD, Served, certificate, served
from virtbus.errors import (
    HypervisorError,
    HypervisorSilent,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
    VirtbusError,
)
from virtbus_hyperv.wsman.channel import Endpoint
from virtbus_hyperv.wsman.client import WsMan
from virtbus_hyperv.wsman.login import Login, Scheme, Trust
from virtbus_hyperv.wsman.names import CIMV2
from virtbus_hyperv.wsman.reference import Reference

SYSTEMS = "SELECT * FROM Msvm_ComputerSystem"
SECONDS = 5.0


def client(host: Served, folder: Path, scheme: Scheme = Scheme.NTLM, trust: Trust | None = None) -> WsMan:
    """A client of a host."""
    trust = trust or Trust()
    tls: ssl.SSLContext | bool = trust.context() if host.transport == "https" else False
    return WsMan(Endpoint(host.url, Login("127.0.0.1", scheme, USER, folder / "secret"), trust, tls))


@pytest.mark.parametrize("scheme", [Scheme.NTLM, Scheme.NEGOTIATE])
async def test_messages_are_encrypted_by_what_authenticated_the_connection(
    host: Served, tmp_path: Path, scheme: Scheme
) -> None:
    wsman = client(host, tmp_path, scheme)
    found = await wsman.enumerate("SELECT * FROM Win32_OperatingSystem", SECONDS, CIMV2)
    assert found[0].text("Version") == "10.0.20348"
    await wsman.close()


async def test_a_wrong_password_is_refused_and_not_repeated_in_the_error(host: Served, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("wrong-S3cret")
    wsman = client(host, tmp_path)
    with pytest.raises(Unauthenticated) as caught:
        await wsman.enumerate(SYSTEMS, SECONDS)
    assert "wrong-S3cret" not in repr(vars(caught.value))
    await wsman.close()


async def test_a_list_of_any_length_comes_in_parts_of_a_hundred(host: Served, tmp_path: Path) -> None:
    populate(host.fake, 250)
    wsman = client(host, tmp_path)
    assert len(await wsman.enumerate(SYSTEMS, SECONDS)) == 251
    assert [line.split()[0] for line in host.fake.asked] == ["Enumerate", "Pull", "Pull"]
    await wsman.close()


async def test_parts_are_smaller_where_the_envelope_is(host: Served, tmp_path: Path) -> None:
    populate(host.fake, 50)
    wsman = WsMan(client(host, tmp_path)._endpoint, envelope=16000)
    assert len(await wsman.enumerate(SYSTEMS, SECONDS)) == 51
    assert len(host.fake.asked) > 3
    await wsman.close()


async def test_references_are_of_the_same_instances(host: Served, tmp_path: Path) -> None:
    populate(host.fake, 3)
    wsman = client(host, tmp_path)
    references = await wsman.references(SYSTEMS, SECONDS)
    instances = await wsman.enumerate(SYSTEMS, SECONDS)
    assert [each.key("Name") for each in references] == [each.text("Name") for each in instances]
    assert (await wsman.get(references[1], SECONDS)).text("Name") == references[1].key("Name")
    await wsman.close()


async def test_what_is_associated_is_found(host: Served, tmp_path: Path) -> None:
    populate(host.fake, 1)
    machine = next(iter(host.fake.machines.values()))
    wsman = client(host, tmp_path)
    owner = Reference("Msvm_VirtualSystemSettingData", (("InstanceID", machine.settings_id),))
    query = f"ASSOCIATORS OF {{{owner.object_path()}}} WHERE AssocClass = Msvm_VirtualSystemSettingDataComponent"
    kinds = {each.kind for each in await wsman.enumerate(query, SECONDS)}
    assert {"Msvm_MemorySettingData", "Msvm_ProcessorSettingData", "Msvm_ResourceAllocationSettingData"} <= kinds
    await wsman.close()


FAULTS = [
    (WsmanFault("w:InvalidSelectors", "not there", 0x80041002), NotFound),
    (WsmanFault("s:Receiver", "not there", 0x80041002), NotFound),
    (WsmanFault("w:AccessDenied", "no"), HypervisorError),
    (WsmanFault("w:TimedOut", "too slow", 0x80338029), HypervisorSilent),
    (WsmanFault("w:EncodingLimit", "too large", 0x80338043), TooLarge),
    (WsmanFault("w:QuotaLimit", "too many"), Unavailable),
    (WsmanFault("w:Whatever", "strange"), HypervisorError),
]


@pytest.mark.parametrize(("fault", "kind"), FAULTS, ids=lambda each: getattr(each, "subcode", each.__class__.__name__))
async def test_a_fault_is_the_error_that_it_means(
    host: Served, tmp_path: Path, fault: WsmanFault, kind: type[VirtbusError]
) -> None:
    wsman = client(host, tmp_path)
    host.fake.fault = fault
    with pytest.raises(kind) as caught:
        await wsman.enumerate(SYSTEMS, SECONDS)
    assert type(caught.value) is kind
    assert caught.value.evidence["answer"] == fault.reason
    assert await wsman.enumerate(SYSTEMS, SECONDS)
    await wsman.close()


async def test_a_result_that_is_too_large_is_said_to_be(host: Served, tmp_path: Path) -> None:
    populate(host.fake, 600)
    wsman = client(host, tmp_path)
    service = (await wsman.references("SELECT * FROM Msvm_VirtualSystemManagementService", SECONDS))[0]
    with pytest.raises(TooLarge):
        await wsman.invoke(service, "GetSummaryInformation", {"RequestedInformation": [0, 1, 2, 4, 100]}, SECONDS)
    await wsman.close()


async def test_a_host_that_forgot_the_connection_is_told_anew_who_asks(host: Served, tmp_path: Path) -> None:
    wsman = client(host, tmp_path)
    await wsman.enumerate(SYSTEMS, SECONDS)
    channel = wsman._idle[0]
    assert channel._context is not None
    # The keys stay, the connection goes: to the host the next message is a stranger's.
    await channel._client.aclose()
    channel._client = channel._new_client()
    assert await wsman.enumerate(SYSTEMS, SECONDS)
    await wsman.close()


async def test_requests_at_once_each_have_a_connection_and_few_are_kept(host: Served, tmp_path: Path) -> None:
    populate(host.fake, 20)
    wsman = client(host, tmp_path)
    found = await asyncio.gather(*(wsman.enumerate(SYSTEMS, SECONDS) for _ in range(40)))
    assert {len(each) for each in found} == {21}
    assert len(wsman._idle) <= 2
    await wsman.close()


async def test_a_host_that_does_not_answer_is_silent_and_one_that_is_not_there_unavailable(tmp_path: Path) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    wsman = client(Served(FakeHost("X", {}), server.sockets[0].getsockname()[1]), tmp_path)
    with pytest.raises(HypervisorSilent):
        await wsman.enumerate(SYSTEMS, -1.5)
    server.close()
    await server.wait_closed()
    with pytest.raises(Unavailable):
        await wsman.enumerate(SYSTEMS, SECONDS)
    await wsman.close()


# ---- over TLS ----


async def test_basic_over_tls_and_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    cert, key, thumbprint = certificate(tmp_path, "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    fake = FakeHost("HV0", {USER: PASSWORD}, basic=True)
    async with served(fake, context) as host:
        for trust in (Trust(authority=cert), Trust(thumbprint=thumbprint)):
            for scheme in (Scheme.BASIC, Scheme.NTLM, Scheme.NEGOTIATE):
                wsman = client(host, tmp_path, scheme, trust)
                assert await wsman.enumerate(SYSTEMS, SECONDS), scheme
                await wsman.close()
        asked = len(fake.asked)
        wrong = (Trust(), Unavailable), (Trust(thumbprint="00" * 32), Unauthenticated)
        for trust, kind in wrong:
            wsman = client(host, tmp_path, Scheme.BASIC, trust)
            with pytest.raises(kind):
                await wsman.enumerate(SYSTEMS, SECONDS)
            await wsman.close()
        assert len(fake.asked) == asked


async def test_a_client_certificate_is_enough(tmp_path: Path) -> None:
    cert, key, _ = certificate(tmp_path, "server")
    own, own_key, _ = certificate(tmp_path, "worker")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.load_verify_locations(own)
    context.verify_mode = ssl.CERT_OPTIONAL
    async with served(FakeHost("HV0", {}), context) as host:
        wsman = client(host, tmp_path, Scheme.CERTIFICATE, Trust(authority=cert, certificate=own, key=own_key))
        assert await wsman.enumerate(SYSTEMS, SECONDS)
        await wsman.close()
        wsman = client(host, tmp_path, Scheme.CERTIFICATE, Trust(authority=cert))
        with pytest.raises(Unauthenticated):
            await wsman.enumerate(SYSTEMS, SECONDS)
        await wsman.close()
