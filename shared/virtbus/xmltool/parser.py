"""The command line of `virtbus xml`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from virtbus.xml import Form

DESCRIPTION = """\
Work on libvirt's XML in files. No server is needed. FILE may be - for standard input.
The kind of document follows from its root element: domain, domstatus, domainsnapshot, domaincheckpoint,
domainbackup, cpu, capabilities, domainCapabilities, or a device such as disk. format, validate and diff also
read the JSON form that `format --json` writes."""

EPILOG = """\
Exit codes: 0 done, all valid, no difference; 1 invalid, different, refused; 2 wrong usage, or a file cannot be read.

examples:
  virtbus xml format --in-place web.xml
  virtbus xml validate --schema domain.rng *.xml
  virsh dumpxml web | virtbus xml diff --inactive web.xml -
  virtbus xml to-argv web.xml"""


def parser() -> argparse.ArgumentParser:
    """The command line of `virtbus xml`."""
    plain = argparse.RawDescriptionHelpFormatter
    root = argparse.ArgumentParser(
        prog="virtbus xml", description=DESCRIPTION, epilog=EPILOG, formatter_class=plain, allow_abbrev=False
    )
    verbs = root.add_subparsers(metavar="VERB", required=True)
    _add_format(verbs)
    _add_validate(verbs)
    _add_to_argv(verbs)
    _add_diff(verbs)
    return root


def _add_verb(verbs: Any, name: str, help_: str, more: str) -> Any:
    verb = verbs.add_parser(name, help=help_, description=f"{help_} {more}", allow_abbrev=False)
    verb.set_defaults(verb=name)
    return verb


def _add_format(verbs: Any) -> None:
    verb = _add_verb(
        verbs, "format", "Write a document in libvirt's order and layout.",
        "Nothing that it says is left out, unless an option says so; what libvirt would not understand is refused.",
    )  # fmt: skip
    verb.add_argument("file", metavar="FILE", help="the document; - is standard input")
    form = verb.add_mutually_exclusive_group()
    form.add_argument("--live", dest="form", action="store_const", const=Form.LIVE,
                      help="with what only a running domain has, where the document has it (the default)")  # fmt: skip
    form.add_argument("--inactive", dest="form", action="store_const", const=Form.INACTIVE,
                      help="as a definition: without id, generated aliases and the like")  # fmt: skip
    form.add_argument("--migratable", dest="form", action="store_const", const=Form.MIGRATABLE,
                      help="as a definition that older hosts understand")  # fmt: skip
    verb.add_argument("--complete", action="store_true",
                      help="fill in libvirt's defaults; new UUIDs and MAC addresses are random")  # fmt: skip
    verb.add_argument("--without-secrets", dest="secure", action="store_false", help="leave passwords out")
    output = verb.add_mutually_exclusive_group()
    output.add_argument("--in-place", action="store_true", help="replace the file, instead of printing")
    output.add_argument("--check", action="store_true", help="print nothing; exit code 1 if the file is not so yet")
    output.add_argument("--json", action="store_true", help="print the same model as JSON")
    verb.add_argument("--drop-comments", action="store_true",
                      help="with --in-place: even if the file has comments, which are not kept")  # fmt: skip
    verb.set_defaults(form=Form.LIVE)


def _add_validate(verbs: Any) -> None:
    verb = _add_verb(
        verbs, "validate", "Say what is wrong with documents, by line and element.",
        "A document must be well formed and in libvirt's vocabulary, and a domain must not contradict itself.",
    )  # fmt: skip
    verb.add_argument("files", metavar="FILE", nargs="+", help="documents; - is standard input")
    verb.add_argument("--schema", metavar="RNG", help="a RelaxNG schema that they must keep too")
    verb.add_argument("--json", action="store_true", help="print what is wrong as JSON")
    verb.add_argument("--quiet", action="store_true", help="say nothing about files that are valid")


def _add_to_argv(verbs: Any) -> None:
    verb = _add_verb(
        verbs, "to-argv", "Print the command line that a domain would be started with.",
        "It is quoted for a shell, an option a line. What this machine's hypervisor cannot do is refused.",
    )  # fmt: skip
    verb.add_argument("file", metavar="FILE", help="a domain; - is standard input")
    verb.add_argument("--capabilities", type=Path, metavar="FILE",
                      help="of another QEMU, as libvirt keeps them (qemuCaps XML)")  # fmt: skip
    verb.add_argument("--json", action="store_true", help="print a list of words as JSON")


def _add_diff(verbs: Any) -> None:
    verb = _add_verb(
        verbs, "diff", "Say what two documents differ in, by element, not by line.",
        "Devices are matched by alias, by target, MAC address or index, by address, else by their place.",
    )  # fmt: skip
    verb.add_argument("ours", metavar="A", help="the first document; - is standard input")
    verb.add_argument("theirs", metavar="B", help="the second")
    verb.add_argument("--inactive", dest="form", action="store_const", const=Form.INACTIVE, default=Form.LIVE,
                      help="leave out what only a running domain has: id, generated aliases and the like")  # fmt: skip
    verb.add_argument("--json", action="store_true", help="print the differences as JSON")
