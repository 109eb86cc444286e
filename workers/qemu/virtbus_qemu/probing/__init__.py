"""libvirt's view of what a QEMU binary can do: capability flags, processor models, machine types.

    sessions = await interrogate(Path("/usr/bin/qemu-system-x86_64"))           # or recorded(text)
    digest = digest_of(sessions, emulator="/usr/bin/qemu-system-x86_64")
    digest.has("blockdev-set-active")
    site = Site(firmware=installed(), cpus=table_of(sessions[-1]))
    Offering(digest, site, "kvm", "q35").document().format()                    # <domainCapabilities>

The way through the modules: `ask` (questions) or `replies` (recordings) -> `evidence` and `flags` (what shows a flag)
-> `probe` -> `digest`; from there `guests` (host capabilities) and `offer` with `cpumodes` (domain capabilities).
`descriptors` chooses firmware, `ownmodels` makes a processor table of QEMU's answers, `migration` keeps parameters.
"""
