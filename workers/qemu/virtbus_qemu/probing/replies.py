"""QMP answers, recorded: what QEMU said to each question, in order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from virtbus.errors import HypervisorError


def documents(text: str) -> list[Any]:
    """The JSON values that follow each other in a text.

    :raise ValueError: what remains is no JSON value.
    """
    decoder, found, at = json.JSONDecoder(), [], 0
    text = text.rstrip()
    while at < len(text):
        while text[at].isspace():
            at += 1
        value, at = decoder.raw_decode(text, at)
        found.append(value)
    return found


@dataclass(slots=True)
class Session:
    """One monitor session: each question with its answer.

    A question that QEMU refused has the answer None, since what is asked of it may be lacking.
    """

    answers: dict[str, Any] = field(default_factory=dict)

    def add(self, command: str, arguments: Mapping[str, Any] | None, answer: Any) -> None:
        """Note an answer; None for a refusal. The first answer to a question counts."""
        self.answers.setdefault(_key(command, arguments or {}), answer)

    def ask(self, command: str, **arguments: Any) -> Any:
        """The answer to a question; None where it was refused or never asked."""
        return self.answers.get(_key(command, arguments))

    def need(self, command: str, **arguments: Any) -> Any:
        """As `ask`, of what every QEMU must answer.

        :raise HypervisorError: it did not.
        """
        answer = self.ask(command, **arguments)
        if answer is None:
            raise HypervisorError(f"QEMU did not answer {command}", evidence={"command": command})
        return answer


def _key(command: str, arguments: Mapping[str, Any]) -> str:
    return f"{command} {json.dumps(arguments, sort_keys=True)}"


def recorded(text: str) -> list[Session]:
    """The sessions of a recording: questions and answers as JSON values in turn, each session with its greeting.

    :raise ValueError: the text is no such recording.
    """
    sessions: list[Session] = []
    entries = documents(text)
    for question, answer in zip(entries[::2], entries[1::2], strict=True):
        if question["execute"] == "qmp_capabilities":
            sessions.append(Session())
        if not sessions:
            raise ValueError("a recording begins with qmp_capabilities")
        sessions[-1].add(question["execute"], question.get("arguments"), answer.get("return"))
    return sessions
