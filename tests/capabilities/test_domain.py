"""The document on what a domain may ask for."""

from __future__ import annotations

from virtbus.capabilities.domain import Blockers, BlockingFeature, CpuMode, CpuOffer, NamedModel, Offer


def test_what_is_not_supported_offers_no_choices() -> None:
    assert Offer.of(False, model=["a"]).enums == []
    assert Offer.of(model=["a"]).enums[0].values == ["a"]


def test_the_blockers_of_a_model_follow_it() -> None:
    mode = CpuMode(
        name="custom",
        supported=True,
        models=[NamedModel(name="new", usable="no"), NamedModel(name="old", usable="yes")],
        blockers=[Blockers(model="new", features=[BlockingFeature(name="rtm")])],
    )
    written = CpuOffer(modes=[mode]).format()
    assert written.split() == [
        *("<cpu>", "<mode", "name='custom'", "supported='yes'>"),
        *("<model", "usable='no'>new</model>"),
        *("<blockers", "model='new'>", "<feature", "name='rtm'/>", "</blockers>"),
        *("<model", "usable='yes'>old</model>", "</mode>", "</cpu>"),
    ]
    assert CpuOffer.parse(written).format() == written
