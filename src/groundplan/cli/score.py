"""`groundplan score`: whoever will be asked about, scored and published as a version."""

from typing import TYPE_CHECKING, Any

import click

from groundplan.cli.arguments import json_option, project_argument
from groundplan.cli.moment import Moment
from groundplan.project import Project

if TYPE_CHECKING:
    from rich.console import Console

    from groundplan.patterns.batch.runs.running import Outcome
    from groundplan.patterns.batch.versions.publishing import Published


class _Place(click.ParamType[tuple[str, str]]):
    """A source's name and the place of its rows: `charges=charges.parquet`."""

    name = "name=place"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, equals, place = str(value).partition("=")
        if not name.isidentifier() or not equals or not place:
            self.fail(f"{value!r} is not NAME=PLACE, such as charges=charges.parquet", param, ctx)
        return name, place


class _Size(click.ParamType[int]):
    """Bytes: `4GB`."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        from groundplan.units import size

        try:
            return value if isinstance(value, int) else size(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@project_argument
@click.option(
    "--population",
    metavar="PLACE",
    help="Whom to score: a Parquet or CSV file, a folder, or a URL such as "
    "postgres://host/database?table=customers. Without it, system.py says so.",
)
@click.option(
    "--source",
    "sources",
    type=_Place(),
    multiple=True,
    help="Rows of another source, such as charges=charges.parquet; once for each.",
)
@click.option("--at", type=Moment(), help="The moment as of which features hold  [default: now]")
@click.option("--delta", is_flag=True, help="Score only those whose inputs changed.")
@click.option(
    "--compare", is_flag=True, help="With --delta: score all, and say what would have come out."
)
@click.option("--fresh", is_flag=True, help="Begin anew, whatever an earlier run has done.")
@click.option("--out", metavar="PLACE", help="Write the scores there too: a file or a table.")
@click.option("--no-publish", is_flag=True, help="Leave the parts in the folder of the run.")
@click.option(
    "--allow", multiple=True, metavar="CHECK", help="A check that may fail this once, by its name."
)
@click.option("--partitions", type=click.IntRange(1), help="How many  [default: by 500,000 rows]")
@click.option("--memory", type=_Size(), help="Memory to stay within  [default: 4GB]")
@json_option
def score(
    project: Project,
    population: str | None,
    sources: tuple[tuple[str, str], ...],
    at: int | None,
    delta: bool,
    compare: bool,
    fresh: bool,
    out: str | None,
    no_publish: bool,
    allow: tuple[str, ...],
    partitions: int | None,
    memory: int | None,
    as_json: bool,
) -> None:
    """Score the population with the live build and publish the answers as a version.

    A version goes live when it has passed its checks; until then, and if it fails one, the last
    version keeps serving. A run that was cut goes on with the partitions that are missing.

    Exit codes: 0 published, 2 a check refused it, 1 it could not be scored.

    \b
    Examples:
      groundplan score churn
      groundplan score churn --population customers.csv --out scores.parquet
      groundplan score churn --delta
    """
    import sys

    from groundplan.cli.flows import flow
    from groundplan.cli.progress import progress

    pattern = flow(project, only="batch")
    if compare and not delta:
        raise click.UsageError("--compare says what a delta run would have missed: add --delta")
    with progress() as report:
        found: Outcome = pattern.score(
            project,
            report=report,
            population=population,
            others=dict(sources),
            at=at,
            delta=delta,
            compare=compare,
            fresh=fresh,
            out=out,
            publish=not no_publish,
            allow=allow,
            partitions=partitions,
            memory=memory,
        )
    if as_json:
        _print_json(found)
    else:
        _show(found)
    sys.exit(0 if found.passed else 2)


def _print_json(found: "Outcome") -> None:
    import msgspec

    plain = msgspec.to_builtins(found, enc_hook=str)
    plain = {"passed": found.passed, "version": found.run.name, **plain}
    if found.run.delta_of:
        plain["inputs_changed"] = found.counts.differing
    click.echo(msgspec.json.format(msgspec.json.encode(plain), indent=2))


def _show(found: "Outcome") -> None:
    from groundplan.cli.tables import console, heading, table
    from groundplan.patterns.batch.runs.run import moment

    out, counts, run = console(), found.counts, found.run
    how = "taken over or scored" if run.delta_of else "scored"
    heading(out, f"Run {run.name}: {counts.rows:,} rows {how} by build {run.build}")
    again = f"; {found.done} were done before" if found.done else ""
    many = f"{run.partitions} partitions" if run.partitions > 1 else "one partition"
    out.print(f"as of {moment(run.as_of)}, in {many} by {run.engine}{again}")
    table(
        out,
        ("source", "rows", "from"),
        [(name, f"{each['rows']:,}", each["place"]) for name, each in run.data.items()],
        right=("rows",),
        wide=("from",),
    )
    _show_decisions(out, found)
    if counts.explained:
        _show_reasons(out, found)
    if run.delta_of:
        _show_delta(out, found)
    if found.published is None:
        out.print(f"\nnot published: the parts are in {found.folder}")
    else:
        _show_published(out, found.published)
    if found.out is not None:
        out.print(f"{found.out[1]:,} rows written to {found.out[0]}")
    took = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in found.seconds.items())
    out.print(f"\n{took}")


def _show_decisions(out: "Console", found: "Outcome") -> None:
    from groundplan.cli.tables import heading, table

    heading(out, "Decisions")
    table(
        out,
        ("decision", "rows", "share", "by the build"),
        [
            (each.decision, f"{each.rows:,}", f"{each.share:.2%}", f"{each.built:.2%}")
            for each in reversed(found.decisions)
        ],
        right=("rows", "share", "by the build"),
    )
    missed = [each for each in reversed(found.decisions) if each.missed]
    for each in missed:
        out.print(f"{each.decision}: {each.share:.2%} of the rows, {each.asked:.2%} asked for")
    if missed:
        out.print(
            "The build chose the cuts by models that had not seen the rows. Rows that the model "
            "was trained on score otherwise; so does a population that has moved, for which "
            "`groundplan build` chooses anew."
        )


def _show_reasons(out: "Console", found: "Outcome") -> None:
    from groundplan.cli.tables import heading, table

    counts = found.counts
    heading(out, f"Strongest reasons of the {counts.explained:,} rows that have any")
    most = sorted(counts.first.items(), key=lambda item: (-item[1], item[0]))[:8]
    table(
        out,
        ("code", "reason", "rows", "share"),
        [
            (
                found.codes[at].code,
                found.codes[at].description,
                f"{rows:,}",
                f"{rows / counts.explained:.1%}",
            )
            for at, rows in most
        ],
        right=("rows", "share"),
        wide=("reason",),
    )


def _show_delta(out: "Console", found: "Outcome") -> None:
    from groundplan.cli.tables import heading, table

    counts = found.counts
    heading(out, f"Beside version {found.run.delta_of}")
    out.print(
        f"{counts.unchanged:,} unchanged and taken over, {counts.changed:,} changed, "
        f"{counts.new:,} new, {found.gone:,} gone"
    )
    if counts.differing is not None:
        share = f"{counts.candidates / counts.rows:.2%}"
        out.print(
            f"{counts.candidates:,} keys could have changed ({share}); the inputs of "
            f"{counts.differing:.2%} of those in both versions did"
        )
    for why, rows in counts.everyone.items():
        out.print(f"the features of {rows:,} rows were computed all the same: {why}")
    if counts.traced:
        sample = "" if counts.traced == counts.changed else " (a sample of the keys)"
        table(
            out,
            ("feature", "changed rows", f"of {counts.traced:,}{sample}"),
            [(n, f"{rows:,}", f"{rows / counts.traced:.1%}") for n, rows in counts.moved.items()],
            right=("changed rows", f"of {counts.traced:,}{sample}"),
        )
    if counts.compared:
        same = "nothing else" if not counts.unequal else f"{counts.unequal:,} ROWS OTHERWISE"
        out.print(f"a full run would have given {same}")


def _show_segments(out: "Console", without: int) -> None:
    from groundplan.models.fairness import SMALL
    from groundplan.patterns.batch.versions.measuring import SEGMENTS

    out.print(
        f"\n{without:,} segments have fewer than {SMALL} rows or are none of the {SEGMENTS:,} "
        "largest: the average of all answers for keys of theirs that were not scored"
    )


def _show_published(out: "Console", published: "Published") -> None:
    from groundplan.cli.tables import heading, mark, table

    heading(out, "Checks")
    table(
        out,
        ("check", "found", "asked", ""),
        [(each.name, each.says, each.limit, mark(each.passed)) for each in published.checks],
        wide=("found", "asked"),
    )
    if without := published.version.figures.get("segments_without"):
        _show_segments(out, without)
    name, before = published.version.name, published.previous
    if not published.passed:
        failed = ", ".join(each.name for each in published.checks if not each.passed)
        serving = f"version {before} keeps serving" if before else "no version is live yet"
        out.print(f"\nREFUSED by {failed}: nothing was announced; {serving}")
        if published.refused is not None:
            out.print(f"to look at: {published.refused}", soft_wrap=True)
        return
    swap = (
        f", the pointer moved in {published.swapped_us / 1e3:.2f} ms"
        if published.swapped_us
        else ""
    )
    allowed = f" although it failed {', '.join(published.allowed)}" if published.allowed else ""
    after = f"after {before}" if before else "the first"
    out.print(f"\nversion {name} is live{allowed} ({after}{swap})")
