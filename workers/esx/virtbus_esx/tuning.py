"""The size of a running machine."""

from __future__ import annotations

from virtbus.driver import Target, Tuning, Work
from virtbus.errors import ConfigUnsupported, InvalidArgument, WrongState
from virtbus_esx.config.hardware import UNLIMITED
from virtbus_esx.config.writing import plugged_vcpus
from virtbus_esx.machine import Machine
from virtbus_esx.making import Maker, keep_definition
from virtbus_esx.wire import Spec
from virtbus_esx.witness import Known, Witness


class EsxTuning(Tuning):
    """The facet; the driver brings the session."""

    witness: Witness
    maker: Maker

    async def set_vcpus(self, target: Target, count: int, work: Work) -> None:
        """See Tuning. Processors can be plugged in where the machine was started with room for more; not out."""
        known = self.witness.require(target)
        async with self.witness.held(known.ref):
            machine = _running(target, known)
            domain = machine.configured.domain
            now, most = plugged_vcpus(domain), 1 if domain.vcpu is None else domain.vcpu.count
            if not 1 <= count <= most:
                raise InvalidArgument(
                    f"{count} virtual CPUs were asked for; the running domain can have {now} to {most}",
                    host=target.host, domain=target.uuid,
                    hint="raise the maximum in the persistent definition and start the domain anew",
                )  # fmt: skip
            if count < now:
                raise ConfigUnsupported(
                    "virtual CPUs of a VMware machine cannot be unplugged while it runs",
                    host=target.host, domain=target.uuid, hint="shut the domain down first",
                )  # fmt: skip
            if count > now:
                spec = Spec("VirtualMachineConfigSpec", numCPUs=count)
                await self.maker.reconfigure(known, keep_definition(machine, spec), work)
            await self.witness.look_held(known, cause=work.job)

    async def set_memory(self, target: Target, kibibytes: int, work: Work) -> None:
        """See Tuning. The host takes back what is above the limit, by the balloon in the guest."""
        known = self.witness.require(target)
        async with self.witness.held(known.ref):
            machine = _running(target, known)
            memory = machine.configured.domain.memory
            whole = 0 if memory is None else memory.kib
            if not 1 <= kibibytes <= whole:
                raise InvalidArgument(
                    f"{kibibytes} KiB were asked for; the running domain can have up to {whole}",
                    host=target.host, domain=target.uuid, hint="raise <memory> in the persistent definition",
                )  # fmt: skip
            limit = UNLIMITED if kibibytes == whole else -(-kibibytes // 1024)
            spec = Spec("VirtualMachineConfigSpec", memoryAllocation=Spec("ResourceAllocationInfo", limit=limit))
            await self.maker.reconfigure(known, keep_definition(machine, spec), work)
            await self.witness.look_held(known, cause=work.job)


def _running(target: Target, known: Known) -> Machine:
    if known.machine is None or not known.machine.active:
        raise WrongState("the domain is not running", host=target.host, domain=target.uuid)
    return known.machine
