"""What runs when: every due time once, in order, by the rules for what was missed."""

from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from groundplan.constraints import Schedule
from groundplan.errors import EngineError
from groundplan.schedule import state
from groundplan.schedule.attempt import Ended
from groundplan.schedule.scheduler import LOGS, RETRIES, Age, Scheduler
from groundplan.schedule.state import State
from groundplan.schedule.timetable import Timetable
from groundplan.units import DAY, HOUR, MINUTE, SECOND
from timetables import Pretended, at, made


def scheduler(
    table: Timetable, world: Pretended, said: list[str] | None = None, age: Age | None = None
) -> Scheduler:
    lines = [] if said is None else said
    made = Scheduler(table, 0, lines.append, age, world.clock, world.attempt)
    world.stop = made.stop
    return made


def run(table: Timetable, world: Pretended, until: str, age: Age | None = None) -> list[str]:
    """Run a scheduler until a moment; what it said."""
    said: list[str] = []
    world.until = at(until)
    scheduler(table, world, said, age).run()
    return said


def minutes(world: Pretended) -> list[tuple[str, int]]:
    """The runs, each with the minute in which it began."""
    return [(job, began // MINUTE * MINUTE) for job, began in world.ran]


def test_every_due_time_runs_once_in_order(tmp_path: Path) -> None:
    """Three days with a daily and a weekly job: each at its minute; together, the build first."""
    world = Pretended(at("2027-01-01T12:00"))
    table = made(tmp_path, build="0 3 * * 0", score="0 3 * * *")
    run(table, world, "2027-01-04T12:00")
    assert minutes(world) == [
        ("score", at("2027-01-02T03:00")),
        ("build", at("2027-01-03T03:00")),
        ("score", at("2027-01-03T03:00")),
        ("score", at("2027-01-04T03:00")),
    ]


def test_local_times_follow_the_clocks(tmp_path: Path) -> None:
    """A nightly job in Berlin runs 23 and 25 hours apart where clocks change."""
    table = made(tmp_path, rules=Schedule(time_zone="Europe/Berlin"), score="0 4 * * *")
    for start, pause in (("2027-03-27T00:00", 23), ("2027-10-30T00:00", 25)):
        world = Pretended(at(start))
        run(table, world, f"{start[:8]}{int(start[8:10]) + 1:02}T12:00")
        (_, first), (_, second) = minutes(world)
        assert second - first == pause * HOUR
        (table.home / state.FILE).unlink()


@pytest.mark.parametrize(("missed", "expected"), [("run", 2), ("skip", 1)])
def test_what_was_missed_while_down_is_run_once_or_skipped(
    tmp_path: Path, missed: str, expected: int
) -> None:
    """Down over three nights: one run now, or none until the next time."""
    table = made(tmp_path, rules=Schedule(missed=missed), score="0 3 * * *")
    world = Pretended(at("2027-01-01T00:00"))
    run(table, world, "2027-01-01T02:00")
    world.time = at("2027-01-04T12:00")
    run(table, world, "2027-01-05T12:00")
    assert len(world.ran) == expected
    assert minutes(world)[-1] == ("score", at("2027-01-05T03:00"))


@pytest.mark.parametrize(("missed", "hours"), [("run", [3, 4, 5, 7]), ("skip", [3, 5, 7])])
def test_what_a_long_run_overtook_is_run_once_or_skipped(
    tmp_path: Path, missed: str, hours: list[int]
) -> None:
    """A run of 80 minutes every hour: back to back, or at the next full hour."""
    table = made(tmp_path, rules=Schedule(missed=missed), score="0 * * * *")
    world = Pretended(at("2027-01-01T02:30"), takes={"score": 80 * 60})
    run(table, world, "2027-01-01T07:30")
    assert [(began - at("2027-01-01T00:00")) // HOUR for _, began in world.ran] == hours


@pytest.mark.parametrize("missed", ["run", "skip"])
def test_waiting_for_another_job_is_not_missing(tmp_path: Path, missed: str) -> None:
    """A score that becomes due while a build takes three hours runs when that has ended."""
    table = made(tmp_path, rules=Schedule(missed=missed), build="0 1 * * *", score="0 3 * * *")
    world = Pretended(at("2027-01-01T00:00"), takes={"build": 3 * 3600})
    run(table, world, "2027-01-01T12:00")
    assert minutes(world) == [("build", at("2027-01-01T01:00")), ("score", at("2027-01-01T04:00"))]


def test_a_machine_that_slept_counts_as_down(tmp_path: Path) -> None:
    """With missed = skip, times that passed while the machine was suspended are not made up."""
    table = made(tmp_path, rules=Schedule(missed="skip"), score="0 3 * * *")
    world = Pretended(at("2027-01-01T00:00"))

    def suspended(seconds: float) -> None:
        world.time += 30 * HOUR if world.time < at("2027-01-01T01:00") else MINUTE
        if world.time > at("2027-01-02T12:00"):
            first.stop()

    world.sleep = suspended  # type: ignore[method-assign]
    first = scheduler(table, world)
    first.run()
    assert world.ran == []


def test_an_error_is_tried_again_and_a_no_is_not(tmp_path: Path) -> None:
    """Exit code 1 is tried after 1, 5 and 15 minutes; 2 is final at once; both are kept."""
    table = made(tmp_path, build="0 1 * * *", score="0 3 * * *")
    world = Pretended(at("2027-01-01T00:00"), codes={"build": [1, 1, 0], "score": [2]})
    run(table, world, "2027-01-01T12:00")
    began = [when for job, when in world.ran if job == "build"]
    pauses = [later - earlier for earlier, later in pairwise(began)]
    for pause, wanted in zip(pauses, RETRIES, strict=False):
        assert wanted <= pause <= wanted + 2 * MINUTE
    assert [job for job, _ in world.ran] == ["build"] * 3 + ["score"]
    last = state.read(table.home).last
    assert (last["build"].code, last["build"].attempts) == (0, 3)
    assert (last["score"].code, last["score"].attempts) == (2, 1)


def test_a_delta_run_that_cannot_be_made_is_made_in_full_at_once(tmp_path: Path) -> None:
    """After a new build nothing can be taken over: the second attempt is the full run."""
    whole = made(tmp_path, score="0 3 * * *")
    job = msgspec.structs.replace(whole.jobs[0], command=("score", "--delta"), otherwise=("score",))
    world = Pretended(at("2027-01-01T00:00"), codes={"score": [1]})
    run(msgspec.structs.replace(whole, jobs=(job,)), world, "2027-01-01T12:00")
    assert world.commands == [("score", "--delta"), ("score",)]
    assert world.ran[1][1] - world.ran[0][1] <= MINUTE


def ending(
    table: Timetable, world: Pretended, ended: Ended, signals: int, said: list[str] | None = None
) -> Scheduler:
    """A scheduler whose runs all end in one way, and are told to stop so often meanwhile."""

    def attempt(command: tuple[str, ...], log: Path, timeout: int, **rest: object) -> Ended:
        world.attempt(command, log, timeout, **rest)
        for _ in range(signals):
            one.stop()
        return ended

    lines = [] if said is None else said
    one = Scheduler(table, 0, lines.append, None, world.clock, attempt)
    return one


def test_no_full_run_begins_after_a_signal(tmp_path: Path) -> None:
    """Told to stop during a delta run that fails: nothing more starts, and the run stays due."""
    whole = made(tmp_path, score="0 3 * * *")
    job = msgspec.structs.replace(whole.jobs[0], command=("score", "--delta"), otherwise=("score",))
    table = msgspec.structs.replace(whole, jobs=(job,))
    world = Pretended(at("2027-01-01T00:00"))
    scheduler(table, world).once()
    world.time = at("2027-01-01T04:00")
    (outcome,) = ending(table, world, Ended(1), signals=1).once()
    assert (world.commands, outcome.attempts) == ([("score", "--delta")], 1)
    run(table, world, "2027-01-01T05:00")
    assert [when for _, when in world.ran] == [at("2027-01-01T04:00"), world.ran[1][1]]
    assert len(world.ran) == 2  # the next scheduler's


@pytest.mark.parametrize("code", [0, 2])
def test_a_run_that_ended_after_a_signal_is_done(tmp_path: Path, code: int) -> None:
    """What ended with a yes or a no while the schedule was told to stop is not run again."""
    table = made(tmp_path, score="0 3 * * *")
    world = Pretended(at("2027-01-01T00:00"))
    scheduler(table, world).once()
    world.time = at("2027-01-01T04:00")
    ending(table, world, Ended(code), signals=1).once()
    assert scheduler(table, world).once() == []


def test_a_run_that_was_stopped_stays_due(tmp_path: Path) -> None:
    """The second signal ends the command: the next scheduler runs it for the same time."""
    table = made(tmp_path, score="0 3 * * *")
    world = Pretended(at("2027-01-01T00:00"))
    scheduler(table, world).once()
    world.time = at("2027-01-01T04:00")
    (first,) = ending(table, world, Ended(-15, "stopped"), signals=2).once()
    assert (first.says, first.attempts) == ("was stopped with the schedule", 1)
    (again,) = scheduler(table, world).once()
    assert (again.due, again.code) == (at("2027-01-01T03:00"), 0)


def test_a_run_past_its_time_limit_is_not_tried_again(tmp_path: Path) -> None:
    """What took too long once would again: its next time comes first."""
    table = made(tmp_path, score="0 3 * * *")
    world = Pretended(at("2027-01-01T00:00"))
    scheduler(table, world).once()
    world.time = at("2027-01-01T04:00")
    (outcome,) = ending(table, world, Ended(-15, "timeout"), signals=0).once()
    assert "its time limit" in outcome.says
    assert len(world.ran) == outcome.attempts == 1
    assert scheduler(table, world).once() == []


def test_a_full_disk_alarms_once_and_stops_nothing(tmp_path: Path) -> None:
    """Where neither state nor log can be written, that is said, the alarm rings, jobs are tried."""
    rung = tmp_path / "rung"
    command = f'echo "$GROUNDPLAN_JOB" >> {rung}'
    table = made(tmp_path, rules=Schedule(alarm=command), score="0 * * * *")
    world = Pretended(at("2027-01-01T00:30"))
    said: list[str] = []
    running = scheduler(table, world, said)
    kept = table.home.rename(tmp_path / "kept")
    table.home.touch()  # a file in the folder's place: everything in it fails
    world.until = at("2027-01-01T01:30")
    running.run()
    assert sum("state.json cannot be written" in line for line in said) == 1
    assert rung.read_text().splitlines() == ["state", "score"]
    assert any("cannot be run" in line for line in said)
    table.home.unlink()
    kept.rename(table.home)
    running.signals, world.until = 0, at("2027-01-01T03:30")
    running.run()
    assert [job for job, _ in world.ran] == ["score", "score"]
    assert state.read(table.home).last["score"].code == 0


def test_an_age_that_cannot_be_seen_alarms_once_and_stops_nothing(tmp_path: Path) -> None:
    """Whatever a store raises is said once, rings once, and again only after it was seen."""
    rung = tmp_path / "rung"
    table = made(tmp_path, rules=Schedule(alarm=f"echo x >> {rung}"), score="0 3 * * *")
    world = Pretended(at("2027-01-01T00:00"))

    def as_of() -> int:
        if world.time // HOUR % 2:
            raise RuntimeError("the driver's own")
        return world.time

    said = run(table, world, "2027-01-01T04:30", Age(as_of, DAY))
    assert sum("cannot be seen: the driver's own" in line for line in said) == 2
    assert len(rung.read_text().splitlines()) == 2
    assert len(world.ran) == 1


def test_an_alarm_that_cannot_be_started_stops_nothing(tmp_path: Path) -> None:
    """Where even the shell does not start, that is a line."""
    table = made(tmp_path, rules=Schedule(alarm="x" * 3_000_000), score="0 3 * * *")
    world = Pretended(at("2027-01-01T00:00"), codes={"score": [2]})
    said = run(table, world, "2027-01-02T12:00")
    assert any("the alarm cannot be started" in line for line in said)
    assert len(world.ran) == 2


def test_tries_end_where_the_next_time_comes_first(tmp_path: Path) -> None:
    """A job of every 5 minutes that always fails is never tried beside its own next time."""
    table = made(tmp_path, score="*/5 * * * *")
    world = Pretended(at("2027-01-01T00:00"), codes={"score": [1] * 100})
    run(table, world, "2027-01-01T00:34")
    began = [when for _, when in world.ran]
    assert len(began) == 12  # two tries for each of six times
    assert all(later - earlier >= MINUTE for earlier, later in pairwise(began))


def test_a_cut_run_is_found_and_run_again(tmp_path: Path) -> None:
    """A scheduler that dies in the middle of a run leaves a state from which the next one runs."""
    table = made(tmp_path, score="0 3 * * *")
    world = Pretended(at("2027-01-01T02:00"))

    def die(*arguments: object, **rest: object) -> None:
        raise KeyboardInterrupt

    cut = Scheduler(table, 0, lambda line: None, None, world.clock, die)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        cut.run()
    assert state.read(table.home).last["score"].ended is None
    world.time = at("2027-01-01T09:00")
    run(table, world, "2027-01-01T10:00")
    assert minutes(world) == [("score", at("2027-01-01T09:00"))]


def test_a_clock_that_was_far_ahead_does_not_stop_the_schedule(tmp_path: Path) -> None:
    """Times handled under a wrong clock are put right by a restart."""
    table = made(tmp_path, score="0 3 * * *")
    state.write(table.home, State(handled={"score": at("2037-01-01T00:00")}))
    world = Pretended(at("2027-01-01T00:00"))
    run(table, world, "2027-01-01T12:00")
    assert len(world.ran) == 1


@pytest.mark.parametrize("during", ["idle", "running", "waiting"])
def test_a_clock_that_is_put_back_does_not_stop_the_schedule(tmp_path: Path, during: str) -> None:
    """Jobs and the look at the scores' age go on at the new time, whatever went on meanwhile."""
    table = made(tmp_path, score="0 * * * *")
    world, back, looks = Pretended(at("2027-01-01T00:30")), at("2026-12-31T20:30"), [0]
    when = at("2027-01-01T05:30") if during == "idle" else at("2027-01-01T05:00")
    sleep, attempt = world.sleep, world.attempt
    turned: list[int] = []

    def turn() -> bool:
        if world.time < when or turned:
            return False
        turned.append(len(world.ran))
        world.time = back
        return True

    def slept(seconds: float) -> None:
        if during == "running" or not turn():
            sleep(seconds)

    def tried(command: tuple[str, ...], log: Path, timeout: int, **rest: object) -> Ended:
        ended = attempt(command, log, timeout, **rest)
        if during == "running":
            turn()
        failed = during == "waiting" and world.time >= when
        return Ended(1) if failed else ended

    world.sleep, world.attempt = slept, tried  # type: ignore[method-assign]
    world.until = at("2027-01-01T06:30")
    told = scheduler(table, world, age=Age(lambda: looks.append(world.time), DAY))
    told.run()
    assert world.ran[turned[0]][1] <= at("2026-12-31T21:01")
    assert any(back <= look <= back + 3 * MINUTE for look in looks)


def test_once_runs_what_is_due_and_ends(tmp_path: Path) -> None:
    """At the first call nothing is due; later each due job runs once, however often it was due."""
    table = made(tmp_path, build="0 1 * * *", score="0 * * * *")
    world = Pretended(at("2027-01-01T00:30"))
    assert scheduler(table, world).once() == []
    world.time = at("2027-01-01T05:30")
    ended = scheduler(table, world).once()
    assert [outcome.code for outcome in ended] == [0, 0]
    assert scheduler(table, world).once() == []
    assert [job for job, _ in world.ran] == ["build", "score"]


def test_a_run_by_hand_counts_as_the_due_one(tmp_path: Path) -> None:
    """What ran now is not run again for a time that had passed before."""
    table = made(tmp_path, score="0 3 * * *")
    world = Pretended(at("2027-01-01T00:00"))
    scheduler(table, world).once()
    world.time = at("2027-01-01T04:00")
    assert scheduler(table, world).run_now(table.job("score")).code == 0
    run(table, world, "2027-01-01T12:00")
    assert len(world.ran) == 1


def test_the_alarm_rings_once_for_what_went_wrong(tmp_path: Path) -> None:
    """A final failure and a crossing of the promised age ring once each, with the reason in the
    environment; what a log says cannot become a command."""
    rung = tmp_path / "rung"
    command = f'printf "%s|%s\\n" "$GROUNDPLAN_JOB" "$GROUNDPLAN_REASON" >> {rung}'
    table = made(tmp_path, rules=Schedule(alarm=command), score="0 3 * * *")
    world = Pretended(at("2027-01-01T00:00"), codes={"score": [2]})
    published = at("2027-01-01T00:00")
    run(table, world, "2027-01-02T02:30", Age(lambda: published, DAY))
    first, second = rung.read_text().splitlines()
    assert first.startswith("score|churn: score ended with a no")
    assert first.endswith("words of score")
    assert second == "freshness|churn: the live scores are 24h old, promised are 24h" or (
        second.startswith("freshness|churn: the live scores are ")
    )
    world.codes = {"score": [1]}
    (table.home / LOGS).mkdir(exist_ok=True)
    world.until = at("2027-01-02T02:50")
    run(table, world, "2027-01-02T02:50", Age(lambda: published, DAY))
    assert len(rung.read_text().splitlines()) == 2  # a restart does not ring again


def test_fresh_scores_end_the_alarm(tmp_path: Path) -> None:
    """After a new version the next crossing rings again."""
    rung = tmp_path / "rung"
    table = made(tmp_path, rules=Schedule(alarm=f"echo x >> {rung}"), score="0 3 1 1 *")
    world = Pretended(at("2027-01-02T00:00"))
    published = [at("2027-01-01T00:00")]
    age = Age(lambda: published[0], 12 * HOUR)
    said = run(table, world, "2027-01-02T01:00", age)
    published[0] = world.time
    said += run(table, world, "2027-01-02T03:00", age)
    said += run(table, world, "2027-01-02T18:00", age)
    assert len(rung.read_text().splitlines()) == 2
    assert sum("fresh as promised again" in line for line in said) == 1


def test_a_broken_alarm_is_said_and_stops_nothing(tmp_path: Path) -> None:
    """An alarm that fails is a line, and the schedule goes on."""
    rules = Schedule(alarm="echo no such host >&2; exit 3")
    table = made(tmp_path, rules=rules, score="0 3 * * *")
    world = Pretended(at("2027-01-01T00:00"), codes={"score": [2]})
    said = run(table, world, "2027-01-02T12:00")
    assert any("the alarm ended with 3: no such host" in line for line in said)
    assert len(world.ran) == 2


def test_a_state_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    """A damaged file is refused with its name and what to do, not overwritten."""
    table = made(tmp_path, score="0 3 * * *")
    table.home.mkdir(parents=True)
    (table.home / state.FILE).write_text('{"handled": 3}')
    with pytest.raises(EngineError, match=r"state\.json cannot be read"):
        scheduler(table, Pretended(0))
    assert (table.home / state.FILE).read_text() == '{"handled": 3}'


def test_the_length_of_a_good_run_is_kept(tmp_path: Path) -> None:
    """What the last good run took is there for the arithmetic of freshness."""
    table = made(tmp_path, score="0 3 * * *")
    run(table, Pretended(at("2027-01-01T00:00"), takes={"score": 600}), "2027-01-01T12:00")
    assert state.read(table.home).lasted == {"score": 600 * SECOND}
