"""`planner serve`: the planning service."""

from __future__ import annotations

from typing import Annotated

import typer

from hardware_catalog.errors import InputError, Problem


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8000,
) -> None:
    """Start the planning service."""
    from importlib import import_module

    try:
        run = import_module("service.server").run
    except ModuleNotFoundError as error:
        raise InputError(
            Problem(f"the service needs the package {error.name}: install capacity-planner[service]")
        ) from None
    run(host, port)
