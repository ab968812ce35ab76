"""Routes under /v1: thin; they parse, call one function of the planner and return its own JSON."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from hardware_catalog.catalog import load
from hardware_catalog.errors import InputError, Problem, nearest
from planner import __version__
from planner.plan import Plan
from planner.planning import plan
from planner.read import MAXIMUM_BYTES, read_text
from planner.workload import parse_workload

TIME_LIMIT_S = 60.0
PROBLEM = "application/problem+json"
WORKLOAD_BODY = {
    "required": True,
    "description": "A workload in the shape of the workload file",
    "content": {"application/json": {"schema": {"type": "object"}}, "application/yaml": {"schema": {"type": "string"}}},
}
BAD_INPUT: dict[int | str, dict[str, Any]] = {422: {"description": "Bad input: every problem with its line and field"}}


def create_app() -> FastAPI:
    """The application; its state is the bundled catalog alone."""
    app = FastAPI(title="Capacity planner", version=__version__, docs_url=None, redoc_url=None)
    app.exception_handler(InputError)(_bad_input)
    app.middleware("http")(_limit_size)

    @app.get("/v1/health")
    def health() -> dict[str, str]:
        """Whether the service is up, and on which catalog."""
        return {"status": "ok", "planner_version": __version__, "catalog_digest": load().digest}

    @app.post("/v1/plans", responses=BAD_INPUT, openapi_extra={"requestBody": WORKLOAD_BODY})
    async def plans(
        request: Request,
        time_limit: Annotated[float, Query(gt=0, le=TIME_LIMIT_S, description="Seconds the optimizer may take")] = 30.0,
    ) -> Plan:
        """Plan a workload: the answer is the plan document, also when it is infeasible."""
        text = (await request.body()).decode("utf-8", errors="replace")
        is_json = "json" in request.headers.get("content-type", "")
        parsed = parse_workload(read_text(text, "workload", is_json=is_json))
        return await run_in_threadpool(plan, parsed, load(), time_limit)

    @app.get("/v1/accelerators")
    def accelerators() -> Response:
        """All accelerators of the catalog."""
        return _records(load().accelerators.values())

    @app.get("/v1/offers")
    def offers(
        accelerator: str | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0)] = 0,
    ) -> Response:
        """Offers of the catalog, of one accelerator if named."""
        catalog = load()
        if accelerator is not None and accelerator not in catalog.accelerators:
            near = nearest(accelerator, catalog.accelerators)
            raise InputError(Problem(f"'{accelerator}' is not in the catalog", field="accelerator", nearest=near))
        found = [
            offer
            for offer in catalog.offers
            if accelerator in (None, catalog.instance_types[offer.instance_type].accelerator)
        ]
        return _records(found[offset : offset + limit])

    return app


def _records(records: Any) -> Response:
    from dataclasses import asdict

    return Response(json.dumps([asdict(record) for record in records], default=str), media_type="application/json")


async def _bad_input(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, InputError)
    document = {
        "type": "about:blank",
        "title": "Bad input",
        "status": 422,
        "detail": str(error),
        "problems": [
            {"line": p.line, "field": p.field, "message": p.message, "nearest": p.nearest} for p in error.problems
        ],
    }
    return JSONResponse(document, status_code=422, media_type=PROBLEM)


async def _limit_size(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    if int(request.headers.get("content-length") or 0) > MAXIMUM_BYTES:
        detail = f"at most {MAXIMUM_BYTES:,} bytes"
        document = {"type": "about:blank", "title": "Too large", "status": 413, "detail": detail}
        return JSONResponse(document, status_code=413, media_type=PROBLEM)
    return await call_next(request)
