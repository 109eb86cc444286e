"""The checker is worth something: each broken variant of the runtime is caught, and the sound one is not."""

from __future__ import annotations

import pytest

from tests.faults.broken import VARIANTS
from tests.faults.injector import Plan
from tests.faults.run import Scale, run

CAUGHT = {
    "event-before-effect": "early",
    "dropped-outbox": "events_missing",
    "ack-before-effect": "lost",
    "repeat-after-redelivery": "doubled",
}
"""The promise that each variant breaks."""
KILLS = (Plan("worker_sim1", 0.0, 1.0), Plan("worker_sim1", 0.0, 1.3))


def test_every_variant_is_tried() -> None:
    assert CAUGHT.keys() == VARIANTS.keys()


@pytest.mark.parametrize("variant", VARIANTS)
async def test_the_checker_catches(variant: str) -> None:
    scale = Scale(
        seed=7, jobs=0, qemu_jobs=0, simulated_hosts=1, pause=0.1, plans=KILLS, patience=6.0, quiet=1.0,
        supervisor=("tests.faults.broken", variant),
    )  # fmt: skip
    outcome = await run(scale, print)
    # It is a worker that works, but for the rule that it lacks.
    assert sum(end.state == "succeeded" for end in outcome.history.ends.values()) > 10
    assert CAUGHT[variant] in outcome.counts, [violation.text for violation in outcome.violations]


async def test_a_small_run_keeps_every_promise() -> None:
    plans = (
        Plan("worker_sim1", 0.0, 0.5),
        Plan("nats-server", 0.0, 0.3),
        Plan("gateway", 1.0, 0.3),
        Plan("worker_sim1", 2.0, 0.3, True),
    )
    scale = Scale(seed=3, jobs=30, qemu_jobs=0, simulated_hosts=1, pause=0.3, plans=plans, quiet=1.0)
    outcome = await run(scale, print)
    assert not outcome.violations, [violation.text for violation in outcome.violations]
    assert not outcome.notes
    assert len(outcome.history.faults) == len(plans)
    assert outcome.hit > 0
    assert outcome.history.effects
    assert len(outcome.history.replayed) > len(outcome.history.jobs)
