"""The command line: one verb per file, read top to bottom.

Nothing here imports a model or data library before a command needs it.
"""

import errno
import sys
from typing import Any, Final, NoReturn

import click

from groundplan import __version__
from groundplan.cli.ask import ask
from groundplan.cli.build import build
from groundplan.cli.calibrate import calibrate
from groundplan.cli.compare import compare
from groundplan.cli.consistency import consistency
from groundplan.cli.dataset import dataset
from groundplan.cli.decide import decide
from groundplan.cli.export import export
from groundplan.cli.features import features
from groundplan.cli.ingest import ingest
from groundplan.cli.keys import keys
from groundplan.cli.new import new
from groundplan.cli.plan import plan
from groundplan.cli.replay import replay
from groundplan.cli.rollback import rollback
from groundplan.cli.schedule import schedule
from groundplan.cli.schema import schema
from groundplan.cli.score import score
from groundplan.cli.serve import serve
from groundplan.cli.verify import verify
from groundplan.errors import GroundplanError

_ROOM: Final = "make room; what was there before is as it was"
_OWNER: Final = "run it as a user who may, or let this one"
_STEPS: Final = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), _ROOM),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _OWNER),
}
"""What to do about what the system refuses any program."""


class _Verbs(click.Group):
    """The commands in the order in which a project meets them, and errors as sentences."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GroundplanError as error:
            _end(str(error))
        except BrokenPipeError:
            sys.exit(1)
        except OSError as error:
            if error.errno not in _STEPS:
                raise
            place = f"{error.filename}: " if error.filename else ""
            _end(f"{place}{error.strerror}: {_STEPS[error.errno]}, and try again")


def _end(says: str) -> NoReturn:
    click.secho("error: ", fg="red", nl=False, err=True)
    click.echo(says, err=True)
    sys.exit(1)


_SETTINGS: Final[dict[str, Any]] = {"help_option_names": ["-h", "--help"]}


@click.group(cls=_Verbs, context_settings=_SETTINGS)
@click.version_option(__version__, prog_name="groundplan")
def main() -> None:
    """State five constraints; get the simplest architecture that meets them, and run it.

    \b
    Start here:
      groundplan new card-fraud --from fraud    a project: five answers and a system.py
      groundplan ask my-system                  or your own: the five questions, one by one
      groundplan decide card-fraud              which architecture, and why not the others
      groundplan plan card-fraud                its stages, budgets, capacity and failures
      groundplan plan card-fraud --out a.html   the same as a page to share
      groundplan build card-fraud               features, training, figures, thresholds
      groundplan score churn                    of a batch system: score, check, publish
      groundplan serve card-fraud               on http://127.0.0.1:8000
      groundplan verify card-fraud              every promise, measured under load

    PROJECT is a folder or a .toml file; it defaults to this folder.
    Exit codes: 0 fine, 1 error, 2 the honest no (a conflict, a promise not held).
    """


for command in (
    new,
    ask,
    decide,
    plan,
    compare,
    calibrate,
    schema,
    features,
    ingest,
    build,
    score,
    rollback,
    schedule,
    serve,
    keys,
    verify,
    consistency,
    dataset,
    replay,
    export,
):
    command.context_settings.update(_SETTINGS)  # its own too: a command can be called alone
    main.add_command(command)
