"""`groundplan schema`: the JSON Schemas of groundplan.toml and of what commands print."""

import json
from typing import Final

import click

from groundplan import constraints

_KINDS: Final = ("answers", "plan", "comparison")


@click.command()
@click.option(
    "--of",
    "kind",
    type=click.Choice(_KINDS),
    default="answers",
    show_default=True,
    help="groundplan.toml, the JSON of `plan`, or the JSON of `compare` and `plan --what-if`.",
)
def schema(kind: str) -> None:
    """Print the JSON Schema of groundplan.toml, so that an editor can complete and check it.

    \b
    Example, for editors that use Taplo (Even Better TOML):
      groundplan schema > groundplan.schema.json
      and as the first line of groundplan.toml:
      #:schema ./groundplan.schema.json
    """
    if kind == "answers":
        click.echo(json.dumps(constraints.schema(), indent=2))
        return
    from groundplan.plan import document

    click.echo(json.dumps(document.schema(document.SCHEMAS[kind]), indent=2))
