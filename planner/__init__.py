"""The capacity planner as a library: read a workload, plan it, verify the plan.

import planner
plan = planner.solve(planner.read("workload.yaml"))
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "read": ("planner.workload", "read_workload"),
    "estimate": ("planner.performance.estimate", "estimate"),
    "search": ("planner.layout_search", "search"),
    "options": ("planner.options", "options"),
    "solve": ("planner.planning", "plan"),
    "verify": ("planner.optimizer.verify", "verify"),
    "load_catalog": ("hardware_catalog.catalog", "load"),
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    """Public functions are imported when first used: `import planner` stays light."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'planner' has no attribute '{name}'")
    module, function = _PUBLIC[name]
    return getattr(import_module(module), function)
