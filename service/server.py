"""Runs the service in this process."""

from __future__ import annotations

import uvicorn

from service.app import create_app


def run(host: str, port: int) -> None:
    """Serve until interrupted."""
    uvicorn.run(create_app(), host=host, port=port, log_level="info")
