"""Every verb of `virtbus`, in virsh's groups: its words, what it does in one line, and what carries it out.

A verb with an `operation` is made from that declaration by virtbus.cli.operate; `code` names what is written by hand.
This table is read for help and completion, so it imports nothing heavy; a test holds it equal to the declarations.
"""

from __future__ import annotations

from dataclasses import dataclass

from virtbus.cli.arguments import (
    AFFECT,
    ALIAS,
    DOMAIN,
    FILE,
    HOST,
    JOB,
    ON_HOST,
    Argument,
    flag,
    kibibytes,
    option,
    positional,
)

GENERIC = "operate:operate"


@dataclass(frozen=True)
class Verb:
    """One line of the table."""

    group: str
    name: str
    """Two words where it has its own subject: `job list`."""
    help: str
    arguments: tuple[Argument, ...] = ()
    operation: str | None = None
    code: str = GENERIC
    """`module:function` below virtbus.cli; the function takes a Session and returns what to show."""


MANAGE, MONITOR, SNAPSHOTS, EVENTS, HOSTS, JOBS, ITSELF, SERVICES = (
    "Domain Management", "Domain Monitoring", "Snapshots", "Domain Events", "Host and Hypervisor", "Jobs",
    "Virtbus itself", "Services",
)  # fmt: skip

STATES = ("nostate", "running", "blocked", "paused", "shutdown", "shutoff", "crashed", "pmsuspended")
JOB_STATES = ("accepted", "running", "waiting", "succeeded", "failed", "cancelled", "expired")
STAT_GROUPS = {
    "state": "state", "cpu-total": "processor", "balloon": "memory", "vcpu": "virtual CPU", "interface": "interface",
    "block": "disk", "perf": "perf", "iothread": "IOThread", "memory": "memory bandwidth", "dirtyrate": "dirty page",
    "vm": "hypervisor",
}  # fmt: skip

_GROUP_FLAGS = tuple(
    Argument((f"--{name}",), f"the {what} figures", action="store_true") for name, what in STAT_GROUPS.items()
)

VERBS: tuple[Verb, ...] = (
    Verb(MANAGE, "attach-device", "Attach a device from an XML file.", (DOMAIN, FILE, *AFFECT), "device.attach"),
    Verb(MANAGE, "autostart", "Have a domain started when its host boots, or not any more.",
         (DOMAIN, Argument(("--disable",), "not any more", "enabled", action="store_false")), "domain.autostart"),
    Verb(MANAGE, "change-media", "Insert, exchange or eject the medium of a CD-ROM or floppy drive.",
         (DOMAIN, positional("path", "the drive's target (hda) or alias"),
          positional("source", "the new medium; none ejects", nargs="?"),
          flag("--eject", "take the medium out"), flag("--insert", "put one in"), flag("--update", "exchange it"),
          *AFFECT, flag("--force", "open a locked tray")), "device.change-media", "devices:change_media"),
    Verb(MANAGE, "clone", "Copy a domain with its disks, under another name.",
         (DOMAIN, positional("copy_name", "the copy's name", "copy_name", metavar="NAME")), "domain.clone"),
    Verb(MANAGE, "create", "Start a transient domain from an XML file.",
         (FILE, ON_HOST, flag("--paused", "leave its virtual CPUs stopped", "paused")), "domain.create"),
    Verb(MANAGE, "define", "Define or redefine a domain from an XML file, without starting it.",
         (FILE, ON_HOST), "domain.define"),
    Verb(MANAGE, "destroy", "Stop a domain at once, as if its plug were pulled.", (DOMAIN,), "domain.destroy"),
    Verb(MANAGE, "detach-device", "Detach the device that an XML file describes.",
         (DOMAIN, FILE, *AFFECT), "device.detach-described"),
    Verb(MANAGE, "detach-device-alias", "Detach a device by its alias, once the guest has let go of it.",
         (DOMAIN, ALIAS, *AFFECT), "device.detach"),
    Verb(MANAGE, "domid", "Show the id of a running domain.", (DOMAIN,), None, "identity:domid"),
    Verb(MANAGE, "domname", "Show a domain's name.", (DOMAIN,), None, "identity:domname"),
    Verb(MANAGE, "domuuid", "Show a domain's UUID.", (DOMAIN,), None, "identity:domuuid"),
    Verb(MANAGE, "dumpxml", "Show a domain's XML.",
         (DOMAIN, Argument(("--inactive",), "as it was defined", "live", action="store_false")), "domain.xml"),
    Verb(MANAGE, "exec", "Run a program in a guest, and show what it writes.",
         (DOMAIN, positional("command", "the program and its arguments, after --", "command", nargs="+")),
         "domain.exec", "guest:run"),
    Verb(MANAGE, "reboot", "Ask the guest to reboot.", (DOMAIN,), "domain.reboot"),
    Verb(MANAGE, "relocate", "Move a domain to another host or pool of the same hypervisor manager.",
         (DOMAIN, option("--to", "the host that it goes to, by its name in the fleet", "destination", complete="hosts"),
          option("--pool", "the storage pool that its disks go to", "pool")), "domain.relocate"),
    Verb(MANAGE, "reset", "Reset a domain as its reset button would.", (DOMAIN,), "domain.reset"),
    Verb(MANAGE, "restore", "Let a domain run on from a file that it was saved to.",
         (DOMAIN, positional("file", "an absolute path on the host", "file"),
          flag("--paused", "leave its virtual CPUs stopped", "paused")), "domain.restore"),
    Verb(MANAGE, "resume", "Let a suspended domain run on.", (DOMAIN,), "domain.resume"),
    Verb(MANAGE, "save", "Write a running domain to a file of its host and stop it.",
         (DOMAIN, positional("file", "an absolute path on the host", "file")), "domain.save"),
    Verb(MANAGE, "screenshot", "Take a picture of a domain's screen, as PNG.",
         (DOMAIN, positional("file", "where to write it; - is standard output", nargs="?"),
          option("--screen", "which screen", "screen", parse=int)), "domain.screenshot", "console:screenshot"),
    Verb(MANAGE, "send-key", "Press keys of a domain's keyboard together.",
         (DOMAIN, positional("keys", "Linux key names, such as KEY_LEFTCTRL", "keys", nargs="+", metavar="KEY"),
          option("--holdtime", "milliseconds to hold them", "hold", parse=int)), "domain.send-key"),
    Verb(MANAGE, "setmem", "Set the memory that the guest may use.",
         (DOMAIN, positional("size", "KiB, or with a unit: 512M, 2GiB", "size", parse=kibibytes), *AFFECT),
         "domain.set-memory"),
    Verb(MANAGE, "setvcpus", "Set the number of virtual CPUs.",
         (DOMAIN, positional("count", "how many", "count", parse=int), *AFFECT), "domain.set-vcpus"),
    Verb(MANAGE, "shutdown", "Ask the guest to shut down.", (DOMAIN,), "domain.shutdown"),
    Verb(MANAGE, "start", "Start a defined domain.",
         (DOMAIN, flag("--paused", "leave its virtual CPUs stopped", "paused")), "domain.start"),
    Verb(MANAGE, "suspend", "Stop a domain's virtual CPUs.", (DOMAIN,), "domain.suspend"),
    Verb(MANAGE, "undefine", "Remove a domain's definition; a running one becomes transient.",
         (DOMAIN, flag("--nvram", "remove its NVRAM file too", "nvram"),
          flag("--keep-nvram", "keep its NVRAM file", "keep_nvram")), "domain.undefine"),
    Verb(MANAGE, "update-device", "Change a device in place, to what an XML file says.",
         (DOMAIN, FILE, option("--alias", "which device, where the file does not say it"), *AFFECT,
          flag("--force", "open a locked tray", "force")), "device.update", "devices:update_device"),

    Verb(MONITOR, "devices", "List a domain's devices with their aliases.",
         (DOMAIN, option("--kind", "only these: disk, interface, controller, ...", "device_kind"),
          Argument(("--inactive",), "as defined", "live", action="store_false")), "device.list"),
    Verb(MONITOR, "domblklist", "List a domain's disks.",
         (DOMAIN, Argument(("--inactive",), "as defined", "live", action="store_false")),
         "device.list", "devices:domblklist"),
    Verb(MONITOR, "domiflist", "List a domain's network interfaces.",
         (DOMAIN, Argument(("--inactive",), "as defined", "live", action="store_false")),
         "device.list", "devices:domiflist"),
    Verb(MONITOR, "dominfo", "Show a domain's facts.", (DOMAIN,), "domain.get"),
    Verb(MONITOR, "domstate", "Show a domain's state.", (DOMAIN, flag("--reason", "and why it is in it")),
         None, "identity:domstate"),
    Verb(MONITOR, "domstats", "Measure domains; without any, all active ones of the fleet.",
         (Argument(("domains",), "NAME, UUID or HOST/NAME", nargs="*", metavar="DOMAIN", complete="domains"),
          *_GROUP_FLAGS, option("--host", "all active ones of this host", complete="hosts")),
         "domain.stats", "statistics:domstats"),
    Verb(MONITOR, "list", "List domains: those that are active, unless told otherwise.",
         (flag("--all", "active or not"), flag("--inactive", "only those that are not active"),
          flag("--running", "only those that run"), option("--host", "only of this host", complete="hosts"),
          option("--state", "only in this state", choices=STATES),
          Argument(("--label",), "only with this label; may be repeated", action="append", metavar="KEY[=VALUE]"),
          Argument(("--name",), "only of this name; without one: print names only", nargs="?", const=""),
          flag("--uuid", "print UUIDs only")), "domain.list", "listing:list_domains"),
    Verb(MONITOR, "top", "Watch the domains and what they use; q quits.",
         (option("--host", "only of this host", complete="hosts"),
          option("--interval", "seconds between two looks", parse=float, default=2.0),
          option("--count", "how many looks", parse=int)), "host.stats", "top:top"),

    Verb(SNAPSHOTS, "snapshot-create-as", "Take a snapshot of a domain.",
         (DOMAIN, positional("snapshot", "the snapshot's name; made from the time where none is given", "snapshot",
                             nargs="?"),
          positional("description", "what it is for", "description", nargs="?", default=""),
          flag("--disk-only", "leave out the guest's memory", "disks_only")), "snapshot.create"),
    Verb(SNAPSHOTS, "snapshot-delete", "Delete a snapshot; the domain stays as it is.",
         (DOMAIN, positional("snapshot", "the snapshot's name", "snapshot"),
          flag("--children", "and all that stand on it", "children")), "snapshot.delete"),
    Verb(SNAPSHOTS, "snapshot-list", "List a domain's snapshots.", (DOMAIN,), "snapshot.list"),
    Verb(SNAPSHOTS, "snapshot-revert", "Take a domain back to a snapshot; what its disks got since is lost.",
         (DOMAIN, positional("snapshot", "the snapshot's name", "snapshot")), "snapshot.revert"),

    Verb(EVENTS, "event", "Wait for an event, or follow all of them.",
         (flag("--follow", "go on until interrupted"), option("--cursor", "go on after this one"),
          Argument(("--kind",), "only of this kind; may be repeated", action="append", complete="kinds"),
          option("--host", "only of this host", complete="hosts"),
          option("--domain", "only of this domain: NAME, UUID or HOST/NAME", complete="domains"),
          flag("--replay", "begin with the oldest that is kept")), None, "event:event"),

    Verb(HOSTS, "capabilities", "Show what a host's hypervisor can do, as XML.", (HOST,), "host.capabilities"),
    Verb(HOSTS, "domcapabilities", "Show what a domain may ask for on a host, as XML.",
         (HOST, option("--machine", "the machine type", "machine"),
          option("--virttype", "the domain's type: kvm, qemu, ...", "virttype")), "host.domain-capabilities"),
    Verb(HOSTS, "hostinfo", "Show a host's facts.", (HOST,), "host.get"),
    Verb(HOSTS, "hypervisor-cpu-baseline", "Find the richest processor that several have in common.",
         (HOST, positional("files", "XML files, each with a <cpu>", nargs="+", metavar="FILE"),
          flag("--features", "list every feature by name"),
          flag("--migratable", "leave out what keeps a guest from moving")),
         "host.baseline-cpu", "processors:baseline"),
    Verb(HOSTS, "hypervisor-cpu-compare", "Say whether a host could run guests with a processor.",
         (HOST, FILE), "host.compare-cpu", "processors:compare"),
    Verb(HOSTS, "hosts", "List the hosts of the fleet.", (), "host.list"),
    Verb(HOSTS, "net-list", "List a host's networks.", (HOST,), "network.list"),
    Verb(HOSTS, "pool-list", "List a host's storage pools.", (HOST,), "storage.pools"),
    Verb(HOSTS, "qemu-monitor-command", "Give QEMU's monitor a command; for experts.",
         (DOMAIN, positional("command", "a QMP command's name, or its JSON; with --hmp a line", nargs="+"),
          flag("--hmp", "for the human monitor"), flag("--pretty", "indent the answer")),
         "qemu.monitor-command", "console:monitor_command"),
    Verb(HOSTS, "vol-list", "List the volumes of a storage pool.",
         (HOST, positional("pool", "the pool's name", "pool")), "storage.volumes"),
    Verb(HOSTS, "version", "Show this program's version, or the hosts'.",
         (flag("--daemon", "of every host's worker and hypervisor"),), None, "identity:version"),

    Verb(JOBS, "job cancel", "Ask for a job to be cancelled.", (JOB,), "job.cancel"),
    Verb(JOBS, "job list", "List jobs, the newest first.",
         (option("--host", "only of this host", "host", complete="hosts"),
          option("--domain", "only of this domain", complete="domains"),
          option("--state", "only in this state", "state", choices=JOB_STATES),
          option("--limit", "how many at most", parse=int, default=100)), "job.list", "jobs:list_jobs"),
    Verb(JOBS, "job show", "Show a job.", (JOB,), "job.get"),
    Verb(JOBS, "job wait", "Wait for a job's end; its failure is this command's.", (JOB,), "job.get", "jobs:wait"),

    Verb(ITSELF, "completion", "Print what makes a shell complete `virtbus`.",
         (positional("shell", "which shell", choices=("bash", "zsh", "fish")),), None, "completion:script"),
)  # fmt: skip


@dataclass(frozen=True)
class Service:
    """A command that an installed service brings (entry point group `virtbus.commands`)."""

    name: str
    help: str
    extra: str
    """What to install where it is missing."""


SERVICE_COMMANDS: tuple[Service, ...] = (
    Service("bus", "Run or check the message bus.", "server"),
    Service("doctor", "Look whether this machine can run a service; say what to mend.", "bus"),
    Service("gateway", "Run a gateway.", "gateway"),
    Service("simulate", "Run the simulated hypervisor.", "simulated"),
    Service("token", "Create, list and revoke tokens.", "gateway"),
    Service("up", "Run all of Virtbus on this machine.", "all"),
    Service("worker", "Run a worker: virtbus worker FAMILY --host NAME.", "all"),
    Service("xml", "Format, validate and compare libvirt's XML in files; show command lines.", "cli"),
)
