"""`groundplan keys`: who may use a server."""

import click

from groundplan.cli.arguments import json_option, project_argument
from groundplan.project import Project

_ROLES = ("predict", "ingest", "admin")


@click.group()
def keys() -> None:
    """API keys of a project's server.

    A server that other machines can reach answers only to them; one on this machine does with
    `groundplan serve --require-key`. Clients send `Authorization: Bearer gp_...`, or
    `X-API-Key: gp_...`.

    \b
    predict   what is asked: /predict, /explanations, /v2, or /scores and /versions
    ingest    POST /events
    admin     everything, also /metrics and the pages

    The file PROJECT/.groundplan/keys.json holds names, roles and hashes. Running servers notice
    within a second what changes there.
    """


@keys.command()
@click.argument("name")
@project_argument
@click.option("--role", type=click.Choice(_ROLES), required=True, help="What the key may do.")
def add(name: str, project: Project, role: str) -> None:
    """Make a key and print it, once: only its hash is kept.

    \b
    Example:
      groundplan keys add checkout card-fraud --role predict
    """
    from groundplan.serving import keys as stored

    secret = stored.add(project.home / stored.FILE, name, stored.Role(role))
    click.echo(secret)
    click.echo(f"{name} may {_MAY[role]}; this key is not shown again", err=True)


@keys.command(name="list")
@project_argument
@json_option
def list_(project: Project, as_json: bool) -> None:
    """Name, role, identifier and age of each key."""
    import json
    from datetime import UTC, datetime

    from groundplan.cli.tables import console, table
    from groundplan.serving import keys as stored

    rows = [
        (key.name, key.role.value, key.id, f"{datetime.fromtimestamp(key.added / 1e6, UTC):%F %T}")
        for key in stored.read(project.home / stored.FILE)
    ]
    names = ("name", "role", "id", "added")
    if as_json:
        click.echo(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=2))
    elif rows:
        table(console(), ("name", "role", "id", "added (UTC)"), rows)
    else:
        click.echo("there is no key: `groundplan keys add NAME --role predict` makes one")


@keys.command()
@click.argument("name")
@project_argument
def revoke(name: str, project: Project) -> None:
    """Take a key back; running servers refuse it within a second."""
    from groundplan.serving import keys as stored

    gone = stored.revoke(project.home / stored.FILE, name)
    click.echo(f"{gone.name} ({gone.role}, {gone.id}) is revoked")


_MAY = {
    "predict": "ask for predictions",
    "ingest": "send events and labels",
    "admin": "do everything",
}
