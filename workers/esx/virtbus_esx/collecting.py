"""The property collector: many properties of many objects in one request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from virtbus_esx.nodes import Properties, find, objects, text
from virtbus_esx.soap import Session, returned
from virtbus_esx.wire import Ref, Spec

PAGE = 500
"""Objects of one answer; what is left is asked for again."""


def specification(
    kind: str, names: Iterable[str], of: Sequence[Ref], select: Sequence[Spec] = (), *, skip: bool | None = None
) -> Spec:
    """Which properties of which objects.

    :param select: how from the given objects others are found.
    :param skip: leave the given objects out themselves.
    """
    return Spec(
        "PropertyFilterSpec",
        propSet=[Spec("PropertySpec", type=kind, all=False, pathSet=list(names))],
        objectSet=[Spec("ObjectSpec", obj=each, skip=skip, selectSet=list(select)) for each in of],
        reportMissingObjectsInResults=True,
    )


def step(kind: str, path: str, name: str | None = None, further: Sequence[Spec] = ()) -> Spec:
    """From an object of a kind to those that a property of it names."""
    return Spec("TraversalSpec", name=name, type=kind, path=path, skip=False, selectSet=list(further))


async def retrieve(session: Session, specs: Sequence[Spec], timeout: float) -> dict[Ref, Properties]:
    """The properties that there are; an object that is gone meanwhile is left out."""
    collector = session.content["propertyCollector"]
    answer = await session.call(
        "RetrievePropertiesEx", collector, timeout,
        specSet=list(specs), options=Spec("RetrieveOptions", maxObjects=PAGE),
    )  # fmt: skip
    found: dict[Ref, Properties] = {}
    while (result := find(answer, "returnval")) is not None:
        for owner, values in objects(result):
            found.setdefault(owner, {}).update(values)
        token = text(result, "token")
        if not token:
            break
        answer = await session.call("ContinueRetrievePropertiesEx", collector, timeout, token=token)
    return found


async def open_view(session: Session, kinds: Sequence[str]) -> Ref:
    """A view of all objects of some kinds in the inventory; it belongs to the session."""
    answer = await session.call(
        "CreateContainerView", session.content["viewManager"], VIEW_SECONDS,
        container=session.content["rootFolder"], type=list(kinds), recursive=True,
    )  # fmt: skip
    return returned(answer)


async def everything(session: Session, kinds: Mapping[str, Sequence[str]], timeout: float) -> dict[Ref, Properties]:
    """All objects of some kinds, with the properties that are asked for of each kind."""
    view = await open_view(session, list(kinds))
    try:
        specs = [
            specification(kind, names, [view], [step("ContainerView", "view")], skip=True)
            for kind, names in kinds.items()
        ]
        return await retrieve(session, specs, timeout)
    finally:
        await session.call("DestroyView", view, VIEW_SECONDS)


VIEW_SECONDS = 20.0
