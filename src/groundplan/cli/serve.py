"""`groundplan serve`: answer requests."""

from pathlib import Path

import click

from groundplan.cli.arguments import project_argument
from groundplan.project import Project


@click.command()
@project_argument
@click.option("--port", default=8000, show_default=True, help="0 takes any free port.")
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the online state and the prediction log  [default: PROJECT/.groundplan]",
)
def serve(project: Project, port: int, state: Path | None) -> None:
    """Serve the live build on 127.0.0.1.

    The first start fills the online state from the build's history; later ones find it as it
    was left, also by a kill.

    \b
    POST /predict     score an event; it becomes part of the history of the next
    POST /events      events and labels, one object or one a line
    /v2               the Open Inference Protocol, for the bare model
    GET  /health/live, /health/ready, /metrics, /openapi.json
    """
    from groundplan.cli.flows import flow
    from groundplan.cli.progress import progress
    from groundplan.serving import server

    listener = server.bind(port)
    with progress() as report:
        app, build = flow(project).serve(project, state or project.home, report)
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"

    def started() -> None:
        click.echo(f"serving {project.answers.system.name} (build {build}) on {address}")

    server.run(app, listener, started)
