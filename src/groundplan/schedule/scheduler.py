"""Runs what is due, one job at a time, until it is told to stop."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final, Protocol

import msgspec

from groundplan.constraints.cron import EPOCH, shown
from groundplan.errors import EngineError
from groundplan.schedule import alarm, state
from groundplan.schedule.attempt import NOT_STARTED, Ended, attempt, keep, last_words
from groundplan.schedule.clock import Clock
from groundplan.schedule.state import Outcome
from groundplan.schedule.timetable import Job, Timetable
from groundplan.units import MINUTE, SECOND, show_duration

RETRIES: Final = (MINUTE, 5 * MINUTE, 15 * MINUTE)
"""µs before each further attempt, where a run ended with an error."""

LOGS: Final = "logs"

_SLICE: Final = 0.5  # seconds of sleep between two looks at the signals
_ASLEEP: Final = 2 * MINUTE  # between two looks at the clock: the machine was suspended
_LOOK: Final = MINUTE  # between two looks at the age of the scores
_SAYS: Final = {
    0: "done",
    1: "ended with an error",
    2: "ended with a no: a check, a gate or a promise did not hold",
}

Say = Callable[[str], None]


class Attempt(Protocol):
    """How a command is run; `attempt.attempt` is the real one."""

    def __call__(
        self,
        command: tuple[str, ...],
        log: Path,
        timeout: int,
        *,
        folder: Path,
        lock: int,
        stopping: Callable[[], bool],
        meanwhile: Callable[[], None],
    ) -> Ended:
        """Run a command to its end."""


class Age(msgspec.Struct, frozen=True):
    """How the age of what is served is watched.

    Args:
        as_of: gives the moment as of which the live scores were computed, µs since 1970; None
            where there are none yet. Where it raises, nobody sees the age, which alarms.
        promised: µs, how old they may be.
    """

    as_of: Callable[[], int | None]
    promised: int


class Scheduler:
    """Runs a timetable.

    Args:
        table: what is scheduled.
        lock: the file descriptor of the lock, which jobs inherit.
        say: told each thing that happens, in a line.
        age: how the age of the scores is watched; None where nobody promised one.
        clock: the time to go by.
        attempt: how a command is run.
    """

    def __init__(
        self,
        table: Timetable,
        lock: int,
        say: Say,
        age: Age | None = None,
        clock: Clock | None = None,
        attempt: Attempt = attempt,
    ) -> None:
        self.table = table
        self.lock = lock
        self.signals = 0  # how often it was told to stop: at the second time, its job is too
        self._tell = say
        self._age = age
        self._clock = clock or Clock()
        self._attempt = attempt
        self._state = state.read(table.home)
        self._awake = self._seen = self._clock.now()
        self._looked = 0
        self._unwritten = self._unseen = False  # whether the state, or the scores' age, cannot be
        for job in table.jobs:
            # A time beyond now was written while the clock was wrong.
            handled = self._state.handled.get(job.name, self._awake)
            self._state.handled[job.name] = min(handled, self._awake)
        state.write(table.home, self._state)

    def stop(self) -> None:
        """Start nothing more; called again, ask the running job to end. Safe in a handler."""
        self.signals += 1

    def run(self) -> None:
        """Run each job when it is due, until told to stop."""
        while not self.signals:
            ready = self._ready()
            if ready:
                self._run(*ready[0])
            else:
                self._look()
                self._sleep(min(self._idle(), _LOOK))

    def once(self) -> list[Outcome]:
        """Run what is due now, each job once; what came of it."""
        ended = []
        for job, due in self._ready():
            if not self.signals:
                ended.append(self._run(job, due))
        self._look()
        return ended

    def run_now(self, job: Job) -> Outcome:
        """Run one job at once, whether or not it is due."""
        return self._run(job, self._clock.now())

    def _ready(self) -> list[tuple[Job, int]]:
        """The jobs that should run now, each with the time that it was due, the oldest first."""
        now = self._clock.now()
        if now - self._seen > _ASLEEP:
            self._awake = now
        self._see(now)
        ready = []
        for job in self.table.jobs:
            due = job.due(self._state.handled[job.name], now)
            if due is None:
                continue
            if self.table.rules.missed == "skip" and self._missed(job, due):
                self._state.handled[job.name] = due
                self._write()
                self._say(f"{job.name} of {self._shown(due)} is skipped: its time passed")
            else:
                ready.append((job, due))
        return sorted(ready, key=lambda one: one[1])

    def _see(self, now: int) -> None:
        """Take the time in; where the clock was put back, forget the times that are to come."""
        if now < self._seen:
            self._awake = min(self._awake, now)
            for name, handled in self._state.handled.items():
                self._state.handled[name] = min(handled, now)
            self._write()
        self._seen = now

    def _missed(self, job: Job, due: int) -> bool:
        """Whether nobody could run a job when it was due; waiting for another job isn't that."""
        last = self._state.last.get(job.name)
        overlapped = last is not None and last.started < due <= (last.ended or 0)
        return overlapped or due < self._awake - _ASLEEP

    def _run(self, job: Job, due: int) -> Outcome:
        """Run a job until it succeeds, says no, or has been tried often enough."""
        began = self._clock.now()
        log = f"{job.name}-{EPOCH + timedelta(microseconds=began):%Y%m%d-%H%M%S}.log"
        outcome = Outcome(due, began, None, None, 0, "is running", log)
        self._say(f"{job.name} starts, due {self._shown(due)}")
        # A delta run that cannot be made is followed at once by one in full.
        pauses = (*(0 for _ in job.commands), *RETRIES)
        for number, pause in enumerate(pauses, 1):
            if (number > 1 and self.signals) or (pause and not self._waited(job, pause)):
                break
            outcome = msgspec.structs.replace(outcome, ended=None, attempts=number)
            self._note(job, outcome)
            ended = self._try(job.commands[min(number, len(job.commands)) - 1], log)
            outcome = self._ended(outcome, ended)
            self._note(job, outcome)
            if ended.code in {0, 2} or ended.why:
                break
        self._finish(job, outcome, began)
        with suppress(OSError):
            keep(self.table.home / LOGS, job.name)
        return outcome

    def _try(self, command: tuple[str, ...], log: str) -> Ended:
        try:
            (self.table.home / LOGS).mkdir(parents=True, exist_ok=True)
            return self._attempt(
                command,
                self.table.home / LOGS / log,
                self.table.rules.timeout,
                folder=self.table.file.parent,
                lock=self.lock,
                stopping=lambda: self.signals > 1,
                meanwhile=self._look,
            )
        except OSError as error:  # its log cannot be written
            self._say(f"{command[0]} cannot be run: {error}")
            return Ended(NOT_STARTED)

    def _ended(self, outcome: Outcome, ended: Ended) -> Outcome:
        says = _SAYS.get(ended.code, f"ended with {ended.code}")
        if ended.code < 0:
            says = f"was killed by signal {-ended.code}"
        if ended.why == "timeout":
            says = f"was ended after {show_duration(self.table.rules.timeout)}, its time limit"
        if ended.why == "stopped":
            says = "was stopped with the schedule"
        now = self._clock.now()
        return msgspec.structs.replace(outcome, ended=now, code=ended.code, says=says)

    def _waited(self, job: Job, pause: int) -> bool:
        """Whether to try again: not where the next regular time comes first, or on a signal."""
        now = self._clock.now()
        if job.next(now)[0] <= now + pause:
            self._say(f"{job.name} is tried again at its next time")
            return False
        self._say(f"{job.name} is tried again in {show_duration(pause)}")
        while not self.signals and 0 < (rest := now + pause - self._clock.now()) <= pause:
            self._sleep(min(rest, _LOOK))
            self._look()
        self._see(self._clock.now())
        return not self.signals

    def _finish(self, job: Job, outcome: Outcome, began: int) -> None:
        now = self._clock.now()
        took = show_duration(max(SECOND, (now - began) // SECOND * SECOND))
        self._say(f"{job.name} {outcome.says} after {took} (log {outcome.log})")
        self._see(now)  # the clock was not looked at meanwhile, though nothing slept
        if outcome.code and self.signals > 1:
            return  # it was told to stop: the next scheduler finds it due
        if not self.signals or outcome.code in {0, 2}:  # else further attempts were called off
            handled = max(outcome.due, self._state.handled.get(job.name, 0))
            self._state.handled[job.name] = min(handled, now)  # the clock may have been put back
        if outcome.code == 0:
            self._state.lasted[job.name] = now - began
        self._write()
        if outcome.code:
            words = last_words(self.table.home / LOGS / outcome.log)
            self._ring(job.name, f"{job.name} {outcome.says}" + (f": {words}" if words else ""))

    def _look(self) -> None:
        """See whether the live scores are older than promised; alarm once where they get so."""
        now = self._clock.now()
        if self._age is None or 0 <= now - self._looked < _LOOK:
            return
        self._looked = now
        as_of = self._as_of(self._age)
        if as_of is None:
            return
        age, promised = now - as_of, self._age.promised
        if (age > promised) == self._state.stale:
            return
        self._state.stale = age > promised
        self._write()
        if self._state.stale:
            old = show_duration(age // MINUTE * MINUTE)
            reason = f"the live scores are {old} old, promised are {show_duration(promised)}"
            self._trouble("freshness", reason)
        else:
            self._say("the live scores are as fresh as promised again")

    def _as_of(self, age: Age) -> int | None:
        try:
            as_of = age.as_of()
        except Exception as error:  # a store and its driver may fail in any way; the jobs go on
            if not self._unseen:
                self._unseen = True
                self._trouble("freshness", f"the age of the scores cannot be seen: {error}")
            return None
        self._unseen = False
        return as_of

    def _trouble(self, job: str, reason: str) -> None:
        self._say(reason)
        self._ring(job, reason)

    def _ring(self, job: str, reason: str) -> None:
        command = self.table.rules.alarm
        if command is None:
            return
        problem = alarm.ring(command, self.table.system, job, f"{self.table.system}: {reason}")
        self._say(problem or f"alarmed: {job}")

    def _idle(self) -> int:
        """µs until the next job is due."""
        now = self._clock.now()
        return min(job.next(now)[0] for job in self.table.jobs) - now

    def _sleep(self, us: int) -> None:
        until = self._clock.now() + us
        while not self.signals and 0 < (rest := until - self._clock.now()) <= us:
            # A signal does not end a sleep in Python: it is looked for.
            self._clock.sleep(min(rest / SECOND, _SLICE))

    def _note(self, job: Job, outcome: Outcome) -> None:
        self._state.last[job.name] = outcome
        self._write()

    def _write(self) -> None:
        """Keep the state; where that fails the schedule goes on by what it knows."""
        try:
            state.write(self.table.home, self._state)
            self._unwritten = False
        except EngineError as error:
            if not self._unwritten:
                self._unwritten = True
                self._trouble("state", str(error))

    def _shown(self, us: int) -> str:
        return shown(us, self.table.rules.time_zone)

    def _say(self, line: str) -> None:
        self._tell(f"{self._shown(self._clock.now())}  {line}")
