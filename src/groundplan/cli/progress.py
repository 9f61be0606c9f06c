"""Progress on long work: one line a step, on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[str, int, int], None]


@contextmanager
def progress() -> Iterator[Report]:
    """A function that shows how far each step is: its name, how much is done, and of how much.

    On a terminal, bars; elsewhere, one line when a step is done.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    bars = Progress(
        TextColumn("{task.description:<32}"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    steps: dict[str, tuple[TaskID, bool]] = {}

    def report(step: str, done: int, total: int) -> None:
        task, finished = steps.get(step) or (bars.add_task(step, total=total), False)
        bars.update(task, completed=done, total=total)
        steps[step] = (task, finished or done >= total)
        if done >= total and not finished and not console.is_terminal:
            console.print(f"{step}: done", highlight=False)

    with bars:
        yield report
