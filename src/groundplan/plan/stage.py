"""The records of a plan: stages, fallbacks, budgets, risks."""

from typing import Literal

from msgspec import Struct

Action = Literal["skip", "later", "baseline", "defaults", "shorten", "stale", "refuse"]


class Fallback(Struct, frozen=True):
    """What answers in a stage's place when it cannot.

    `skip` leaves its part out, `later` leaves it out and gives it when asked for by identifier,
    `baseline` asks the simpler model, `defaults` takes the values of an unknown entity, `shorten`
    does less of the same work, `stale` serves the last good result, `refuse` answers with an
    error that says when to come back.
    """

    action: Action
    says: str


class Stage(Struct, frozen=True):
    """One step of an architecture.

    Args:
        name: one word, unique within its side.
        side: `online` stages run in the request, `offline` stages before it.
        does: what it does.
        served_by: what runs it here.
        at_scale: what runs it where one machine is not enough.
        breaks: what a user notices when it is wrong.
        detected: how that shows before a user says so.
        fallback: what stands in.
        estimate: µs a request spends here by the measured costs; 0 offline.
        budget: µs a request may spend here; 0 offline.
        optional: whether it gives way to the others: where time is short it is left out first,
            so that the stages behind it keep theirs.
    """

    name: str
    side: Literal["online", "offline"]
    does: str
    served_by: str
    at_scale: str
    breaks: str
    detected: str
    fallback: Fallback
    estimate: int = 0
    budget: int = 0
    optional: bool = False


class Misfit(Struct, frozen=True):
    """A stage whose measured cost leaves no room in the promise, and what would make it fit."""

    stage: str
    needs: int
    has: int
    remedy: str


class Retraining(Struct, frozen=True):
    """When the model is trained again, and what a new one must show before it serves."""

    cadence: str
    triggers: tuple[str, ...]
    gate: str


class Watch(Struct, frozen=True):
    """A signal, the threshold at which somebody should look, and what to do then."""

    signal: str
    threshold: str
    action: str


class Risk(Struct, frozen=True):
    """A failure mode of this architecture, how it shows and what answers it."""

    risk: str
    signal: str
    mitigation: str


class Plan(Struct, frozen=True):
    """An architecture made concrete: the contract that the server reads and `verify` checks.

    Args:
        name: the system's name.
        goal: what it is for, in the user's words.
        pattern: one of the four canonical patterns.
        p99: the promise, µs.
        throughput: the promised peak, nanohertz.
        headroom: µs of the p99 that no stage may plan with.
        stages: offline first, then online, each side in order.
        misfits: empty where the budgets add up to the p99 with headroom.
        retraining: cadence, triggers, gate.
        monitoring: what is watched.
        risks: the failure modes that come with this architecture (`failures` knows all).
        summary: the decision log, one line a decision.
        costs: the cost table that the estimates come from.
    """

    name: str
    goal: str
    pattern: str
    p99: int
    throughput: int
    headroom: int
    stages: tuple[Stage, ...]
    misfits: tuple[Misfit, ...]
    retraining: Retraining
    monitoring: tuple[Watch, ...]
    risks: tuple[Risk, ...]
    summary: tuple[str, ...]
    costs: str

    @property
    def online(self) -> tuple[Stage, ...]:
        """The stages of a request, in order."""
        return tuple(stage for stage in self.stages if stage.side == "online")

    @property
    def offline(self) -> tuple[Stage, ...]:
        """The stages that run before a request, in order."""
        return tuple(stage for stage in self.stages if stage.side == "offline")

    def stage(self, name: str) -> Stage:
        """The online stage of that name.

        Raises:
            KeyError: the plan has no such stage.
        """
        for stage in self.online:
            if stage.name == name:
                return stage
        raise KeyError(name)
