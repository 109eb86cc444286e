"""What shows that a QEMU binary has a capability: a QOM type, a property, a command, a place in the QMP schema.

Every function makes a test that is put to the answers of one monitor session:

    prop("virtio-blk-pci.scsi", ...)                # one of these devices has the property
    schema("blockdev-add/arg/+nbd/tls-hostname")    # the command takes this

A path in the schema starts at a command; `arg` and `ret` are what it takes and gives, a name is a member, +name the
variant that is chosen so, ^name a value of an enumeration, $name a feature (QEMU: docs/devel/qapi-code-gen).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from virtbus_qemu.probing.replies import Session

#: How the places of a schema entity are named that are reached without naming a member.
_ENDS = {"arg": "arg-type", "ret": "ret-type"}

#: The prefix of what a path asks of an entity, and the key where the entity lists it.
_LISTED = {"^": "values", "$": "features"}


class Answers:
    """The answers of one session, arranged for looking things up.

    :param accelerators: the accelerators that work on this host beside TCG.
    """

    def __init__(self, session: Session, accelerators: tuple[str, ...] = ()) -> None:
        self.session = session
        self.accelerators = accelerators

    @cached_property
    def types(self) -> frozenset[str]:
        """All QOM types."""
        return frozenset(entry["name"] for entry in self.session.ask("qom-list-types") or ())

    @cached_property
    def options(self) -> Mapping[str, frozenset[str]]:
        """The command line's options, each with its parameters."""
        listed = self.session.ask("query-command-line-options") or ()
        return {entry["option"]: frozenset(each["name"] for each in entry["parameters"]) for entry in listed}

    @cached_property
    def schema(self) -> Mapping[str, Mapping[str, Any]]:
        """The entities of the QMP schema by name."""
        return {entity["name"]: entity for entity in self.session.ask("query-qmp-schema") or ()}

    @cached_property
    def arch(self) -> str:
        """QEMU's name of the guest's architecture."""
        return str(self.session.need("query-target")["arch"])

    def names(self, command: str, key: str) -> frozenset[str]:
        """One member of every entry of a list."""
        return frozenset(entry[key] for entry in self.session.ask(command) or ())

    def properties(self, typename: str) -> Mapping[str, Mapping[str, Any]]:
        """The properties of a QOM type, as far as they were asked."""
        for command in ("device-list-properties", "qom-list-properties"):
            listed = self.session.ask(command, typename=typename)
            if listed is not None:
                return {entry["name"]: entry for entry in listed}
        return {}

    def machine(self, alias: str) -> str:
        """The QOM type of the newest machine of a family, such as virt-8.2-machine for virt."""
        for entry in self.session.ask("query-machines") or ():
            if entry.get("alias") == alias:
                return f"{entry['name']}-machine"
        return f"{alias}-machine"

    def has_path(self, path: str) -> bool:
        """Whether the schema has a place."""
        command, *steps = path.split("/")
        entity = self.schema.get(command)
        for step in steps:
            if entity is None or step[0] in _LISTED:
                return entity is not None and _lists(entity, step)
            entity = self._step(entity, step)
        return entity is not None

    def _step(self, entity: Mapping[str, Any], step: str) -> Mapping[str, Any] | None:
        if entity["meta-type"] == "array":
            return self._step(self.schema[entity["element-type"]], step)
        if step in _ENDS:
            return self._element(entity[_ENDS[step]]) if _ENDS[step] in entity else None
        if step.startswith("+"):
            named = (each["type"] for each in entity.get("variants", ()) if each["case"] == step[1:])
        else:
            named = (each["type"] for each in entity.get("members", ()) if each.get("name") == step)
        found = next(named, None)
        if found is None and entity["meta-type"] == "alternate":
            branches = (self._step(self.schema[each["type"]], step) for each in entity["members"])
            return next(filter(None, branches), None)
        return None if found is None else self._element(found)

    def _element(self, name: str) -> Mapping[str, Any]:
        entity = self.schema[name]
        return self._element(entity["element-type"]) if entity["meta-type"] == "array" else entity


def _lists(entity: Mapping[str, Any], step: str) -> bool:
    return step[1:] in entity.get(_LISTED[step[0]], ())


@dataclass(frozen=True, slots=True)
class Evidence:
    """A test of a binary's answers, and the types whose properties it looks at."""

    shown: Callable[[Answers], bool]
    types: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    """Families of machines whose newest one it looks at."""


def qom(*types: str) -> Evidence:
    """One of these QOM types exists."""
    return Evidence(lambda answers: any(name in answers.types for name in types))


def prop(*names: str) -> Evidence:
    """One of these properties exists; each is written TYPE.PROPERTY."""
    pairs = [_pair(name) for name in names]
    return Evidence(
        lambda answers: any(member in answers.properties(kind) for kind, member in pairs),
        types=tuple(kind for kind, _ in pairs),
    )


def off(name: str) -> Evidence:
    """The property exists and is off unless asked for."""
    kind, member = _pair(name)
    return Evidence(
        lambda answers: answers.properties(kind).get(member, {}).get("default-value") is False, types=(kind,)
    )


def machine(name: str) -> Evidence:
    """The newest machine of a family has the property; written FAMILY.PROPERTY."""
    alias, member = _pair(name)
    return Evidence(lambda answers: member in answers.properties(answers.machine(alias)), families=(alias,))


def schema(path: str) -> Evidence:
    """The QMP schema has this place."""
    return Evidence(lambda answers: answers.has_path(path))


def command(name: str) -> Evidence:
    """The QMP command exists."""
    return Evidence(lambda answers: answers.schema.get(name, {}).get("meta-type") == "command")


def option(name: str) -> Evidence:
    """The option of the command line exists, and the parameter after the dot."""
    group, _, parameter = name.partition(".")
    return Evidence(lambda answers: group in answers.options and (not parameter or parameter in answers.options[group]))


def migration(name: str) -> Evidence:
    """There is such a migration capability."""
    return Evidence(lambda answers: name in answers.names("query-migrate-capabilities", "capability"))


def tpm_model(name: str) -> Evidence:
    """There is such a model of a TPM."""
    return Evidence(lambda answers: name in (answers.session.ask("query-tpm-models") or ()))


def tpm_type(name: str) -> Evidence:
    """There is such a backend for a TPM."""
    return Evidence(lambda answers: name in (answers.session.ask("query-tpm-types") or ()))


def cpu(name: str) -> Evidence:
    """There is such a processor model."""
    return Evidence(lambda answers: name in answers.names("query-cpu-definitions", "name"))


def answered(name: str) -> Evidence:
    """QEMU did not refuse the question: the host has what is asked about."""
    return Evidence(lambda answers: answers.session.ask(name) is not None)


def accelerator(name: str) -> Evidence:
    """The host can accelerate guests so."""
    return Evidence(lambda answers: name in answers.accelerators)


def target(*names: str) -> Evidence:
    """The binary is for one of these architectures."""
    return Evidence(lambda answers: answers.arch in names)


def both(first: Evidence, second: Evidence) -> Evidence:
    """Two conditions at once."""
    return Evidence(
        lambda answers: first.shown(answers) and second.shown(answers),
        types=first.types + second.types,
        families=first.families + second.families,
    )


def _pair(name: str) -> tuple[str, str]:
    kind, _, member = name.partition(".")
    return kind, member
