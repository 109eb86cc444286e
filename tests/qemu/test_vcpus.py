"""Which virtual processors are plugged, and what a live definition says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from virtbus.domain import Domain
from virtbus.errors import ConfigUnsupported, InvalidArgument, WrongState
from virtbus_qemu.vcpus import Piece, Pieces


class Answers:
    """A monitor that knows four cores of two threads, of which one was there at start and one was plugged in."""

    PATHS = ("/machine/unattached/device[1]", None, "/machine/peripheral/vcpu4", None)

    async def execute(self, command: str, arguments: Mapping[str, Any] | None = None) -> Any:
        if command == "query-cpus-fast":
            return [{"qom-path": f"{path}/thread[{thread}]"} for path in self.PATHS if path for thread in (0, 1)]
        slots = [
            {"type": "core", "vcpus-count": 2, "props": {"core-id": 8 * number}, **({"qom-path": path} if path else {})}
            for number, path in enumerate(self.PATHS)
        ]
        return slots[::-1]


@pytest.fixture
async def pieces() -> Pieces:
    return await Pieces.of(Answers())


def firsts(chosen: list[Piece]) -> list[int]:
    return [piece.first for piece in chosen]


async def test_free_places_are_filled_from_the_first(pieces: Pieces) -> None:
    assert pieces.present == 4
    assert firsts(pieces.to_reach(8)) == [2, 6]
    assert [piece.addition for piece in pieces.to_reach(6)] == [{"driver": "core", "id": "vcpu2", "core-id": 8}]


async def test_only_what_was_plugged_in_is_taken_out(pieces: Pieces) -> None:
    assert firsts(pieces.to_reach(2)) == [4]
    assert pieces.to_reach(4) == []


@pytest.mark.parametrize(
    ("count", "words"), [(5, "granularity"), (3, "granularity"), (0, "failed to find"), (10, "failed to find")]
)
async def test_a_number_that_no_pieces_make_is_refused(pieces: Pieces, count: int, words: str) -> None:
    with pytest.raises(ConfigUnsupported, match=words):
        pieces.to_reach(count)


async def test_chosen_processors_are_exactly_one_piece(pieces: Pieces) -> None:
    assert pieces.piece([2, 3], enabled=True).first == 2
    assert pieces.piece([4, 5], enabled=False).alias == "vcpu4"


@pytest.mark.parametrize(
    ("numbers", "enabled", "kind"),
    [
        ([2], True, InvalidArgument),
        ([2, 3, 6, 7], True, InvalidArgument),
        ([4, 5], True, WrongState),
        ([2, 3], False, WrongState),
        ([0, 1], False, ConfigUnsupported),
    ],
)
async def test_other_choices_are_refused(
    pieces: Pieces, numbers: list[int], enabled: bool, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        pieces.piece(numbers, enabled=enabled)


async def test_the_live_definition_says_which_are_there_and_in_which_order(pieces: Pieces) -> None:
    domain = Domain.parse("<domain type='qemu'><name>d</name><vcpu current='2'>8</vcpu></domain>")
    pieces.note(domain, ordered=True)
    assert domain.vcpu is not None
    assert domain.vcpus is not None
    assert domain.vcpu.current == 4
    said = [(each.id, each.enabled, each.hotpluggable, each.order) for each in domain.vcpus.vcpus]
    assert said == [
        (0, True, False, 1),
        (1, True, False, 1),
        (2, False, True, None),
        (3, False, True, None),
        (4, True, True, 2),
        (5, True, True, 2),
        (6, False, True, None),
        (7, False, True, None),
    ]
