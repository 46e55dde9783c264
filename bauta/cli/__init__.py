"""The command line: parse, call, show. Nothing here imports torch until a command needs it."""

from __future__ import annotations

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from bauta.cli import datasets, generator, mask, models, study, train
from bauta.cli.audit import audit
from bauta.cli.compare import compare
from bauta.cli.demo import demo
from bauta.cli.doctor import doctor
from bauta.cli.evaluate import evaluate
from bauta.cli.protect import protect
from bauta.cli.protect_features import features, protect_features
from bauta.cli.report import report
from bauta.cli.serve import serve
from bauta.cli.validate import validate
from bauta.errors import BautaError
from bauta.memory import BETWEEN_BATCHES, freed_memory_kept


class Stoppable(TyperGroup):
    """Commands that can be stopped by hand: what they wrote is whole, and they go on from there."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; Ctrl-C is one sentence and exit code 130."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            sys.stderr.write("bauta: stopped; run it again to go on.\n")
            raise SystemExit(130) from None


app = typer.Typer(
    cls=Stoppable,
    no_args_is_help=True,
    add_completion=False,
    help="Privacy in face recognition: protect, attack, prove.",
)
app.add_typer(models.app, name="models")
app.add_typer(datasets.app, name="datasets")
app.add_typer(study.app, name="study")
app.add_typer(mask.app, name="mask")
app.add_typer(train.app, name="train")
app.add_typer(generator.app, name="generator")
app.command()(protect)
app.command()(protect_features)
app.command()(features)
app.command()(demo)
app.command()(evaluate)
app.command()(audit)
app.command()(compare)
app.command()(validate)
app.command()(report)
app.command()(serve)
app.command()(doctor)


def main() -> None:
    """Run the command line; every `BautaError` becomes one sentence on standard error and its exit code, and so does a
    disk that fails under it."""
    try:
        with freed_memory_kept(BETWEEN_BATCHES):
            app()
    except BautaError as error:
        sys.stderr.write(f"bauta: {error}\n")
        raise SystemExit(error.exit_code) from None
    except OSError as error:
        what = BautaError(f"{error.filename or 'A file'} cannot be used ({error.strerror or error})")
        sys.stderr.write(f"bauta: {what}; make room or choose another place, and run it again to go on.\n")
        raise SystemExit(what.exit_code) from None
