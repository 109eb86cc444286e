"""The checker on small histories: a sound one has no violation, and each wrong one has exactly the one it shows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.faults.checker import Violation, hits, violations
from tests.faults.history import FOREVER, Asked, Effect, Ended, Fault, History, Told, Wanted
from tests.faults.spy import Word, translate

HOST, DOMAIN = "sim1", "11111111-2222-3333-4444-555555555555"


def sound() -> History:
    """Defined, started, suspended: three jobs, their effects and their events."""
    jobs = [
        Asked("j1", HOST, DOMAIN, "domain.define", 1.0, 1.1),
        Asked("j2", HOST, DOMAIN, "domain.start", 2.0, 2.1, (Wanted("started"),)),
        Asked("j3", HOST, DOMAIN, "domain.suspend", 3.0, 3.1, (Wanted("suspended"),)),
    ]
    log = [
        event(1, "lifecycle", "defined", "added", "j1", 1.2),
        end("j1", 1.3),
        event(2, "lifecycle", "started", "booted", "j2", 2.2),
        end("j2", 2.3),
        event(3, "lifecycle", "suspended", "paused", "j3", 3.2),
        end("j3", 3.3),
    ]
    return History(
        jobs=jobs,
        ends={f"j{number}": Ended(f"j{number}", "succeeded", ended=number + 0.3, attempts=1) for number in (1, 2, 3)},
        effects=[effect("started", 2.2), effect("suspended", 3.2)],
        replayed=log,
        followed=[replace(one, heard=one.time + 0.01) for one in log],
        faults=[Fault("worker_sim1", "kill", 3.15, 3.15, 99, {HOST: 2.0})],
    )


def event(generation: int, kind: str, subject: str, detail: str, cause: str, time: float) -> Told:
    return Told(HOST, DOMAIN, generation, kind, subject, detail, cause, time)


def end(job: str, time: float, state: str = "succeeded") -> Told:
    return Told(HOST, DOMAIN, 0, "job", f"{job}:{state}", state, job, time)


def effect(kind: str, time: float, subject: str = "", detail: str = "") -> Effect:
    return Effect(HOST, DOMAIN, kind, subject, detail, time)


def publish(history: History, *log: Told) -> None:
    """The whole log, read and followed alike."""
    history.replayed, history.followed = list(log), list(log)


def broken(history: History) -> list[str]:
    return [violation.promise for violation in violations(history)]


def test_a_sound_history_breaks_no_promise() -> None:
    assert violations(sound()) == []


def test_a_job_without_a_record_is_lost() -> None:
    history = sound()
    del history.ends["j1"]
    publish(history, *(one for one in history.replayed if one.cause != "j1" or one.kind != "job"))
    assert broken(history) == ["lost"]


def test_a_job_without_an_end_is_lost() -> None:
    history = sound()
    history.ends["j1"] = Ended("j1", "running", attempts=3)
    [violation] = violations(history)
    assert violation.promise == "lost"
    assert "j1" in violation.text
    assert HOST in violation.text
    assert DOMAIN in violation.text


def test_two_ends_are_one_too_many() -> None:
    history = sound()
    publish(history, *history.replayed, end("j3", 3.4, "failed"))
    assert broken(history) == ["events_doubled"]


def test_an_end_that_no_event_tells_is_missing() -> None:
    history = sound()
    publish(history, *history.replayed[:-1])
    assert broken(history) == ["events_missing"]


def test_a_failure_that_nothing_explains_is_unfounded() -> None:
    history = sound()
    history.ends["j1"] = Ended("j1", "failed", "WrongState", "no", 1.3, 2)
    publish(history, end("j1", 1.3, "failed"), *(
        replace(one, generation=max(0, one.generation - 1)) for one in history.replayed[2:]
    ))  # fmt: skip
    assert broken(history) == ["unfounded"]


def test_keys_that_may_have_been_pressed_may_end_unknown_after_a_death_only() -> None:
    history = sound()
    history.jobs.append(Asked("j4", HOST, DOMAIN, "domain.send-key", 4.0, 4.1, (Wanted("keys-sent", "", "7"),)))
    history.ends["j4"] = Ended("j4", "failed", "OutcomeUnknown", "died", 4.3, 2)
    publish(history, *history.replayed, end("j4", 4.3, "failed"))
    assert broken(history) == []
    history.ends["j4"] = replace(history.ends["j4"], attempts=1)
    assert broken(history) == ["unfounded"]


def test_a_success_without_its_effect_is_lost() -> None:
    history = sound()
    history.effects.pop()
    publish(history, *(one for one in history.replayed if one.subject != "suspended"))
    assert broken(history) == ["lost"]


@pytest.mark.parametrize(
    ("kind", "promise"), [("started", "doubled"), ("stopped", "disturbed"), ("keys-sent", "doubled")]
)
def test_an_effect_that_was_not_asked_for_is_seen(kind: str, promise: str) -> None:
    history = sound()
    history.effects.insert(1, effect(kind, 2.5))
    assert broken(history)[0] == promise


def test_an_effect_after_the_end_of_its_job_is_misreported() -> None:
    history = sound()
    history.effects[1] = effect("suspended", 3.9)
    assert broken(history)[:2] == ["misreported", "lost"]


def test_an_event_before_its_effect_is_early() -> None:
    history = sound()
    history.effects[1] = effect("suspended", 3.25)
    assert broken(history) == ["early"]


def test_what_was_heard_before_it_happened_is_early() -> None:
    history = sound()
    history.replayed[4] = replace(history.replayed[4], heard=3.1)
    assert broken(history) == ["early"]


def test_a_missing_event_leaves_a_hole() -> None:
    history = sound()
    publish(history, *(one for one in history.replayed if one.subject != "started"))
    assert sorted(broken(history)) == ["events_missing", "order"]


def test_an_event_of_nothing_is_one_too_many() -> None:
    history = sound()
    publish(history, *history.replayed, event(4, "lifecycle", "resumed", "unpaused", "", 3.5))
    assert broken(history) == ["events_doubled"]


def test_an_event_that_is_in_the_log_twice_is_seen() -> None:
    history = sound()
    publish(history, *history.replayed[:3], history.replayed[2], *history.replayed[3:])
    assert sorted(set(broken(history))) == ["events_doubled", "order"]


def test_events_in_another_order_than_the_effects_are_seen() -> None:
    history = sound()
    history.effects = [replace(history.effects[1], time=2.2), replace(history.effects[0], time=3.2)]
    assert {"events_missing", "events_doubled"} <= set(broken(history))


def test_a_definition_is_told_once_for_each_job() -> None:
    history = sound()
    publish(history, *(replace(one, cause="other") if one.subject == "defined" else one for one in history.replayed))
    assert broken(history) == ["events_missing"]


def test_a_follower_that_missed_one_is_seen() -> None:
    history = sound()
    del history.followed[2]
    assert broken(history) == ["events_missing"]


def test_a_slow_recovery_is_seen() -> None:
    history = sound()
    history.faults = [replace(history.faults[0], recovery={HOST: 15.5})]
    assert broken(history) == ["recovery"]


def test_a_machine_that_is_another_process_is_disturbed() -> None:
    history = sound()
    history.disturbed = ["host kvm1: another process"]
    assert violations(history) == [Violation("disturbed", "host kvm1: another process")]


def test_a_fault_hits_the_jobs_that_were_accepted_and_not_ended() -> None:
    history = sound()
    [(fault, running)] = hits(history)
    assert fault.target == "worker_sim1"
    assert [job.job for job in running] == ["j3"]
    history.faults = [replace(history.faults[0], target="worker_other"), replace(history.faults[0], at=9.0)]
    assert [running for _, running in hits(history)] == [[], []]


def test_what_was_only_looked_at_has_no_place_in_the_order() -> None:
    history = sound()
    seen = Effect(HOST, DOMAIN, "device-added", "ua-d", "", 2.4, looked_at=True)
    history.effects.append(seen)
    history.jobs.append(Asked("j4", HOST, DOMAIN, "device.attach", 2.35, 2.4, (Wanted("device-added", "ua-d"),)))
    history.ends["j4"] = Ended("j4", "succeeded", ended=2.6)
    log = history.replayed
    added = event(3, "device-added", "ua-d", "", "j4", 2.5)
    publish(history, *log[:4], added, end("j4", 2.6), replace(log[4], generation=4), log[5])
    assert broken(history) == []


# ---- QEMU's words ----


def kinds(*words: Word) -> list[tuple[str, str]]:
    return [(effect.kind, effect.detail) for effect in translate(HOST, DOMAIN, list(words))]


UP, DOWN = Word("UP", 1.0), Word("DOWN", 9.0)


def test_a_machine_that_runs_from_its_start_was_not_resumed() -> None:
    assert kinds(UP, Word("RESUME", 1.1), Word("LOOKED", 1.2, {"status": "running"})) == [("started", "")]


def test_a_machine_that_stood_still_after_its_start_was_started_paused() -> None:
    words = (UP, Word("LOOKED", 1.2, {"status": "prelaunch"}), Word("RESUME", 2.0))
    assert kinds(*words) == [("started", "paused"), ("resumed", "")]


def test_a_machine_that_was_killed_was_destroyed() -> None:
    assert kinds(UP, Word("RESUME", 1.1), DOWN) == [("started", ""), ("stopped", "destroyed")]


def test_a_guest_that_powers_off_ends_its_machine() -> None:
    words = (UP, Word("RESUME", 1.1), Word("POWERDOWN", 2.0), Word("SHUTDOWN", 3.0), Word("STOP", 3.0), DOWN)
    found = [("started", ""), ("power-off-asked", ""), ("powered-off", ""), ("stopped", "shutdown")]
    assert kinds(*words) == found


def test_a_power_off_that_is_answered_by_a_reset_is_a_reboot() -> None:
    words = (
        UP, Word("RESUME", 1.1), Word("POWERDOWN", 2.0), Word("SHUTDOWN", 3.0), Word("STOP", 3.0), Word("RESET", 3.1),
        Word("RESUME", 3.2), Word("STOP", 4.0),
    )  # fmt: skip
    assert kinds(*words) == [("started", ""), ("power-off-asked", ""), ("reset", ""), ("suspended", "")]


def test_a_reset_by_the_guest_itself_is_nobodys_doing() -> None:
    words = (Word("RESET", 2.0, {"guest": True}), Word("RESET", 3.0, {"guest": False}))
    assert kinds(UP, Word("RESUME", 1.1), *words) == [("started", ""), ("guest-reset", ""), ("reset", "")]


def test_a_virtio_device_is_removed_once() -> None:
    words = (Word("DEVICE_DELETED", 2.0, {"path": "/x"}), Word("DEVICE_DELETED", 2.0, {"device": "d1", "path": "/y"}))
    assert kinds(UP, Word("RESUME", 1.1), *words) == [("started", ""), ("device-removed", "")]


def test_an_end_that_is_not_known_is_never_over() -> None:
    assert Ended("j", "running").ended == FOREVER
