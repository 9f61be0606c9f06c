"""One way in which a component fails, and how a catalogue of such ways is written."""

from typing import NamedTuple

from msgspec import Struct


class Failure(Struct, frozen=True):
    """One way in which a component fails.

    Args:
        component: a stage or a role of the plan.
        cause: what goes wrong.
        seen: what the user of the system sees.
        signal: what shows it: a metric that our server exports, or a command and its exit code.
        mitigation: what to do.
        fallback: what answers meanwhile, in the words of the stage's fallback; empty: nothing.
        running: whether signal and fallback exist in what this version builds; else they are
            what to build.
        main: whether it comes with this very architecture, and so is among the plan's risks.
        offline: whether it is the offline stage, where both sides have one of that name.
    """

    component: str
    cause: str
    seen: str
    signal: str
    mitigation: str
    fallback: str
    running: bool
    main: bool = False
    offline: bool = False

    @property
    def named(self) -> str:
        """The component in words: `validate (offline)` where `validate` would be either of two."""
        return self.component.replace("_", " ") + (" (offline)" if self.offline else "")


class Mode(NamedTuple):
    """A failure as a catalogue has it; what its stage says already is not said again.

    Args:
        component: the name of a stage or a role; a plan without it has no such failure.
        cause: what goes wrong.
        signal: what shows it.
        mitigation: what to do.
        seen: what the user sees; None: what the stage breaks.
        fallback: what answers meanwhile; None: the stage's fallback.
        options: of a role, the choices that fail so; empty: all but `none`.
        running: False where signal or fallback is still to be built.
        main: whether it is among the plan's risks.
        offline: whether it is the offline stage, where both sides have one of that name.
    """

    component: str
    cause: str
    signal: str
    mitigation: str
    seen: str | None = None
    fallback: str | None = None
    options: tuple[str, ...] = ()
    running: bool = True
    main: bool = False
    offline: bool = False


def metric(name: str, *labels: str, **values: str) -> str:
    """A metric of our servers, as Prometheus writes it.

    Args:
        name: without `groundplan_`.
        labels: those whose every value counts, by name.
        values: labels with the one value that counts.
    """
    named = [*labels, *(f'{label}="{value}"' for label, value in values.items())]
    return f"groundplan_{name}" + (f"{{{','.join(named)}}}" if named else "")


def ends(command: str, code: int, check: str = "") -> str:
    """A command that says so by its exit code, and by the check that it names."""
    return f"`groundplan {command}` ends with {code}" + (f": check `{check}`" if check else "")
