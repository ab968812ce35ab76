"""One model, one accelerator; everything else is a `replace()` of them."""

from __future__ import annotations

import pytest

from hardware_catalog.catalog import load
from planner.architecture import model
from planner.model_spec import ModelSpec
from planner.performance.hardware import Hardware, hardware_of_accelerator


@pytest.fixture(scope="session")
def llama_70b() -> ModelSpec:
    return model("llama-3-70b")


@pytest.fixture(scope="session")
def gpt_175b() -> ModelSpec:
    return model("gpt-3-175b")


@pytest.fixture(scope="session")
def h100() -> Hardware:
    return hardware_of_accelerator(load(), "h100-sxm5-80")


@pytest.fixture(scope="session")
def a100() -> Hardware:
    return hardware_of_accelerator(load(), "a100-sxm4-80")
