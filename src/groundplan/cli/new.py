"""`groundplan new`: start a project."""

import click

from groundplan import project


@click.command()
@click.argument("name")
@click.option(
    "--from",
    "example",
    type=click.Choice(project.EXAMPLES),
    default="blank",
    show_default=True,
    help="fraud: card transactions, scored inside the request. churn: customers who may leave, "
    "scored every night. credit: the same for an auditor, with reason codes and groups. "
    "blank: the five questions.",
)
def new(name: str, example: str) -> None:
    """Start a project in the folder NAME.

    \b
    Examples:
      groundplan new card-fraud --from fraud
      groundplan new telco-churn --from churn
      groundplan new my-system
    """
    folder = project.new(name, example)
    click.echo(f"{folder}: {', '.join(sorted(file.name for file in folder.iterdir()))}")
    if example == "blank":
        click.echo(f"Next: groundplan ask {folder}, which asks the five questions one by one")
    else:
        click.echo(f"Next: groundplan decide {folder}")
