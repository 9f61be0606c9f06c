"""`groundplan schema`: the JSON Schema of groundplan.toml, for editors."""

import json

import click

from groundplan import constraints


@click.command()
def schema() -> None:
    """Print the JSON Schema of groundplan.toml, so that an editor can complete and check it.

    \b
    Example, for editors that use Taplo (Even Better TOML):
      groundplan schema > groundplan.schema.json
      and as the first line of groundplan.toml:
      #:schema ./groundplan.schema.json
    """
    click.echo(json.dumps(constraints.schema(), indent=2))
