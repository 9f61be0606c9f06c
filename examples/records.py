"""Print the record of each worked example beside its answers: `python examples/records.py`."""

from collections.abc import Iterator
from pathlib import Path

from groundplan import constraints
from groundplan.decision import reference_costs
from groundplan.plan.dossier import draw_up
from groundplan.plan.record import record

HERE = Path(__file__).parent


def records() -> Iterator[tuple[Path, str]]:
    """Each record's file, and what it should say.

    `groundplan.toml` has its record in `record.md`, another `NAME.toml` in `NAME.md`.
    """
    for answers in sorted(HERE.glob("*/*.toml")):
        name = "record" if answers.stem == "groundplan" else answers.stem
        dossier = draw_up(constraints.load(answers), reference_costs())
        yield answers.with_name(f"{name}.md"), record(dossier)


if __name__ == "__main__":
    for file, text in records():
        file.write_text(text, encoding="utf-8")
        print(file.relative_to(HERE.parent))
