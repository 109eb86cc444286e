"""Debian's libvirtd for the benchmark, and a client of it; run by the system's python3, which has python3-libvirt.

    unshare --mount --net --propagation private python3 libvirtd.py FOLDER

In a mount and network namespace of its own, libvirtd sees its usual folders below FOLDER. This process is its
sub-reaper: without one, libvirtd waits for a kill(2) of the QEMU that it has orphaned, and its destroy takes 1.6 s
instead of 0.2 s, which would be unfair. The client reads requests from standard input and writes answers to standard
output, a JSON document a line; it measures the calls itself, so that the pipe is not counted.
"""

import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FOLDERS = ("/etc/libvirt", "/var/lib/libvirt", "/run/libvirt", "/var/cache/libvirt", "/var/log/libvirt")
LIBVIRTD_CONF = 'auth_unix_rw = "none"\nauth_unix_ro = "none"\nunix_sock_dir = "/run/libvirt"\n'
QEMU_CONF = (
    'user = "root"\ngroup = "root"\nsecurity_driver = "none"\ncgroup_controllers = []\nstdio_handler = "file"\n'
    "namespaces = []\ndynamic_ownership = 0\nremember_owner = 0\n"
)
URI = "qemu:///system"
CONTAINERS = "lxc:///system"
UNIFIED = "/sys/fs/cgroup/unified"
READY_SECONDS = 30
PR_SET_CHILD_SUBREAPER = 36
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def prepare(folder):
    """Make the folders and the accounts, and put them in place."""
    for path in FOLDERS:
        own = folder / path.strip("/")
        own.mkdir(parents=True, exist_ok=True)
        Path(path).mkdir(parents=True, exist_ok=True)
        subprocess.run(["mount", "--bind", str(own), path], check=True)
    Path("/etc/libvirt/libvirtd.conf").write_text(LIBVIRTD_CONF)
    Path("/etc/libvirt/qemu.conf").write_text(QEMU_CONF)
    for name, line in (
        ("passwd", "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin\n"),
        ("group", "libvirt-qemu:x:64055:\nkvm:x:64056:\n"),
    ):
        text = Path("/etc", name).read_text()
        known = {entry.partition(":")[0] for entry in text.splitlines()}
        text += "".join(f"{entry}\n" for entry in line.splitlines() if entry.partition(":")[0] not in known)
        (folder / name).write_text(text)
        subprocess.run(["mount", "--bind", str(folder / name), f"/etc/{name}"], check=True)
    loopback_up()
    if Path(UNIFIED).is_mount():
        # libvirt's LXC driver cannot start a container where both versions of cgroups are mounted.
        subprocess.run(["umount", UNIFIED], check=True)


def loopback_up():
    """The namespace's own lo is down, and VNC servers listen there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("16sh", b"lo", 0)
        flags = struct.unpack("16sh", fcntl.ioctl(probe, 0x8913, request)[:18])[1]  # SIOCGIFFLAGS
        fcntl.ioctl(probe, 0x8914, struct.pack("16sh", b"lo", flags | 1))  # SIOCSIFFLAGS, IFF_UP


def keep(folder):
    """Run libvirtd and the client; reap whatever is orphaned; end all when the client ends."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    log = os.open(folder / "libvirtd.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    server = os.fork()
    if server == 0:
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.execv("/usr/sbin/libvirtd", ["libvirtd"])
    client = os.fork()
    if client == 0:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os._exit(serve(server))
    status = 0
    while True:
        try:
            pid, code = os.waitpid(-1, 0)
        except InterruptedError:
            continue
        if pid == client:
            status = os.waitstatus_to_exitcode(code)
            break
        if pid == server:
            print(f"libvirtd ended with {code}; its log: {folder}/libvirtd.log", file=sys.stderr)
            os.kill(client, signal.SIGKILL)
    end(server, folder)
    return status


def end(server, folder):
    """Kill libvirtd and the QEMUs of the benchmark that are left."""
    for pid in [server, *pids()]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)
        except ChildProcessError:
            return


def pids():
    """The processes of libvirt's domains."""
    return [int(path.read_text()) for path in Path("/run/libvirt/qemu").glob("*.pid") if path.read_text().strip()]


class Client:
    """What the harness asks for, a method each; `ms` in an answer is how long libvirt's call took."""

    def __init__(self, libvirt, server):
        self._libvirt = libvirt
        self._server = server
        self._connection = self._connect()

    def _connect(self):
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                return self._libvirt.open(URI)
            except self._libvirt.libvirtError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _domain(self, name):
        return self._connection.lookupByName(name)

    def _timed(self, call, *arguments):
        began = time.perf_counter()
        call(*arguments)
        return {"ms": (time.perf_counter() - began) * 1000}

    def hello(self):
        """The version, and the process of libvirtd."""
        return {"version": self._connection.getLibVersion(), "pid": self._server}

    def define(self, xml):
        """Define a domain."""
        return self._timed(self._connection.defineXML, xml)

    def undefine(self, name):
        """Undefine it."""
        return self._timed(self._domain(name).undefine)

    def start(self, name):
        """Start it."""
        return self._timed(self._domain(name).create)

    def resume(self, name):
        """Let it run."""
        return self._timed(self._domain(name).resume)

    def destroy(self, name):
        """Until the process is gone as well."""
        pid = int(Path("/run/libvirt/qemu", f"{name}.pid").read_text())
        domain = self._domain(name)
        began = time.perf_counter()
        domain.destroy()
        while os.path.exists(f"/proc/{pid}"):
            time.sleep(0.0005)
        return {"ms": (time.perf_counter() - began) * 1000}

    def attach(self, name, xml):
        """Plug a device."""
        return self._timed(self._domain(name).attachDeviceFlags, xml, self._libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def detach(self, name, xml):
        """Unplug the disk vdb; `left` says whether it is still there."""
        domain = self._domain(name)
        answer = self._timed(domain.detachDeviceFlags, xml, self._libvirt.VIR_DOMAIN_AFFECT_LIVE)
        return answer | {"left": "dev='vdb'" in domain.XMLDesc()}

    def crowd_start(self, names, callers):
        """All of them started paused, by so many threads, each with a connection of its own."""
        return self._crowd(names, callers, lambda domain: domain.createWithFlags(self._libvirt.VIR_DOMAIN_START_PAUSED))

    def crowd_destroy(self, names, callers):
        """Destroy them all, by so many threads."""
        return self._crowd(names, callers, lambda domain: domain.destroy())

    def _crowd(self, names, callers, act):
        local = threading.local()

        def connect():
            local.connection = self._libvirt.open(URI)

        def one(name):
            act(local.connection.lookupByName(name))

        with ThreadPoolExecutor(callers, initializer=connect) as pool:
            list(pool.map(lambda _: None, range(callers)))
            began = time.perf_counter()
            list(pool.map(one, names))
            return {"ms": (time.perf_counter() - began) * 1000}

    def container(self, verb, name, xml=None):
        """Define, start, suspend, resume or destroy a container; destroyed until its processes are gone as well."""
        connection = self._libvirt.open(CONTAINERS)
        if verb == "define":
            return self._timed(connection.defineXML, xml)
        domain = connection.lookupByName(name)
        if verb != "destroy":
            return self._timed({"start": domain.create, "suspend": domain.suspend, "resume": domain.resume}[verb])
        controller = domain.ID()
        pids = [controller, *Path(f"/proc/{controller}/task/{controller}/children").read_text().split()]
        began = time.perf_counter()
        domain.destroy()
        while any(os.path.exists(f"/proc/{pid}") for pid in pids):
            time.sleep(0.0005)
        return {"ms": (time.perf_counter() - began) * 1000}

    def statistics(self):
        """All groups of all active domains."""
        active = self._libvirt.VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE
        began = time.perf_counter()
        found = self._connection.getAllDomainStats(0, active)
        ms = (time.perf_counter() - began) * 1000
        return {"ms": ms, "fields": {domain.name(): sorted(stats) for domain, stats in found}}


def serve(server):
    """Answer requests until standard input ends."""
    import libvirt

    libvirt.registerErrorHandler(lambda *_: None, None)
    client = Client(libvirt, server)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"result": getattr(client, request["call"])(**request["arguments"])}
        except Exception as error:  # noqa: BLE001  the harness is told, whatever it is
            answer = {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    scratch = Path(sys.argv[1]).absolute()
    prepare(scratch)
    sys.exit(keep(scratch))
