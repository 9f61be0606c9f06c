"""`groundplan serve`: answer requests."""

import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from groundplan.cli.arguments import project_argument
from groundplan.errors import ProjectError
from groundplan.project import Project

if TYPE_CHECKING:
    import ssl

    from groundplan.serving.keys import Keys
    from groundplan.serving.processes import Child
    from groundplan.serving.rates import Rates


class _Rate(click.ParamType[int]):
    """A rate such as `500/s`, in nanohertz."""

    name = "rate"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        from groundplan import units

        try:
            found = value if isinstance(value, int) else units.rate(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not found:
            self.fail(f"{value} allows nothing", param, ctx)
        return found


class _Size(click.ParamType[int]):
    """A size such as `50GB`, in bytes."""

    name = "size"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        from groundplan import units

        try:
            return value if isinstance(value, int) else units.size(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@project_argument
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 or :: for all.")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8000,
    show_default=True,
    help="0 takes any free port.",
)
@click.option(
    "--state",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the online state and the prediction log  [default: PROJECT/.groundplan]",
)
@click.option("--require-key", is_flag=True, help="Ask for a key also on this machine.")
@click.option("--tls-cert", type=_FILE, help="Certificate and its chain, PEM.")
@click.option("--tls-key", type=_FILE, help="Private key of the certificate, PEM.")
@click.option("--rate", type=_Rate(), help="Of one key, or of one address without keys: 500/s.")
@click.option(
    "--burst",
    type=click.IntRange(1),
    help="Requests of one of them at once  [default: what --rate allows in a second]",
)
@click.option(
    "--connections",
    type=click.IntRange(1),
    default=1_000,
    show_default=True,
    help="Open at once, for each process.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="They share address and state; one that dies is started again.",
)
@click.option(
    "--space",
    metavar="NAME",
    default="",
    help="A rehearsal beside servers that share a store: with a state apart from theirs, without "
    "the stream of events.",
)
@click.option(
    "--keep-log",
    metavar="SIZE",
    type=_Size(),
    help="Of the prediction log, the newest 50GB, for instance  [default: all of it]",
)
@click.option("--child", hidden=True)
def serve(
    project: Project,
    host: str,
    port: int,
    state: Path | None,
    require_key: bool,
    tls_cert: Path | None,
    tls_key: Path | None,
    rate: int | None,
    burst: int | None,
    connections: int,
    processes: int,
    space: str,
    keep_log: int | None,
    child: str | None,
) -> None:
    """Answer requests, on this machine alone unless --host says otherwise.

    An address that other machines reach needs a key for every route but /health/live:
    `groundplan keys add` makes one.

    \b
    Every project:
    GET  /health/live, /health/ready, /metrics, /openapi.json

    Where requests are scored as they come (realtime), the live build serves. The first start
    fills the online state from the build's history; later ones find it as it was left, also by
    a kill.

    \b
    POST /predict     score an event; it becomes part of the history of the next
    POST /events      events and labels, one object or one a line
    /v2               the Open Inference Protocol, for the bare model

    Where scores are published on a schedule (batch), the live version serves, and a new one is
    picked up as soon as `groundplan score` has announced it. A key that was not scored gets an
    average, which the answer says.

    \b
    GET  /scores/KEY  the published answer; ?FIELD=VALUE names the segment of a new key
    POST /scores      {"keys": [...]}, all of one version
    GET  /versions    which there are, and which answers
    GET  /report      the figures of the build that scored

    \b
    Examples:
      groundplan serve card-fraud
      groundplan serve churn --processes 2 --rate 500/s
      groundplan serve churn --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem
    """
    from groundplan.cli.flows import flow
    from groundplan.cli.progress import progress
    from groundplan.serving import server
    from groundplan.serving.connection import Limits
    from groundplan.serving.door import Door
    from groundplan.serving.log import Retention
    from groundplan.serving.processes import Child, supervise

    me = Child.read(child) if child else None
    rates = _rates(rate, burst, me)
    with socket.socket(fileno=me.listener) if me else server.bind(port, host) as listener:
        keys = _keys(project, listener, require_key, me)
        tls = _tls(tls_cert, tls_key, listener, me)
        address = server.address(listener, tls=tls is not None)

        def started(build: str) -> None:
            click.echo(f"serving {project.answers.system.name} (build {build}) on {address}")

        if processes > 1 and me is None:
            command = [sys.executable, "-m", "groundplan", *sys.argv[1:]]
            supervise(command, listener, processes, started)
            return
        with progress() as report:
            kept = Retention(size=keep_log)
            app, build = flow(project).serve(project, state or project.home, report, space, kept)
        door = Door(listener, keys, rates, tls, Limits(connections=connections), me)
        door.serve(app, build, started)


def _keys(
    project: Project, listener: socket.socket, required: bool, me: "Child | None"
) -> "Keys | None":
    """The keys to ask for; None where none are asked for.

    Raises:
        ProjectError: keys are needed and there are none.
    """
    from groundplan.serving import server
    from groundplan.serving.keys import FILE, Keys

    local = server.is_loopback(listener)
    if local and not required:
        return None
    found = Keys(project.home / FILE)
    if not len(found) and me is None:  # a child of a server whose last key was revoked goes on
        why = "--require-key asks for one" if local else "other machines reach this address"
        raise ProjectError(
            f"{project.folder} has no API key, and {why}: `groundplan keys add NAME --role "
            "predict` makes one"
        )
    return found


def _tls(
    certificate: Path | None, key: Path | None, listener: socket.socket, me: "Child | None"
) -> "ssl.SSLContext | None":
    from groundplan.serving import server, tls

    if (certificate is None) != (key is None):
        raise click.UsageError("--tls-cert and --tls-key go together: name both files")
    warnings: list[str] = []
    made = None
    if certificate is not None and key is not None:
        made, warnings = tls.context(certificate, key)
    elif not server.is_loopback(listener):
        warnings = [
            "without TLS, keys and requests can be read on the way: name --tls-cert and "
            "--tls-key, or let a proxy in front speak TLS"
        ]
    for warning in warnings if me is None else []:
        click.secho("warning: ", fg="yellow", nl=False, err=True)
        click.echo(warning, err=True)
    return made


def _rates(rate: int | None, burst: int | None, me: "Child | None") -> "Rates | None":
    from groundplan.serving.rates import Rates, burst_of

    if rate is None:
        if burst is not None:
            raise click.UsageError("--burst says how much of --rate may come at once: name both")
        return None
    return Rates(rate, burst or burst_of(rate), me.rates if me else None)
