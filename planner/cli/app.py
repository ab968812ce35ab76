"""The tree of verbs. Command modules are light: what is heavy they import when they run."""

from __future__ import annotations

import typer

from hardware_catalog.cli import app as catalog_app
from hardware_catalog.export_cli import export_check
from planner.cli.calibrate import calibrate
from planner.cli.estimate import estimate
from planner.cli.explain import explain
from planner.cli.options import options
from planner.cli.plan import plan
from planner.cli.search import search
from planner.cli.serve import serve
from planner.cli.validate import validate
from planner.cli.verify import verify


def build() -> typer.Typer:
    """The command line `planner`."""
    app = typer.Typer(
        help="Plan the cheapest cluster and schedule for a training job, with proof.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback(invoke_without_command=True)
    def version(show: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
        if show:
            from planner import __version__

            typer.echo(__version__)
            raise typer.Exit

    for verb in (plan, options, explain, estimate, search, verify, validate, calibrate, serve):
        app.command()(verb)
    catalog_app.command("export-check")(export_check)
    app.add_typer(catalog_app, name="catalog", help="Accelerators, offers, regions, prices, export rules: the data.")
    return app
