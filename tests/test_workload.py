"""A workload file becomes an immutable workload with units resolved, gaps filled in and named, and lines kept."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from planner.countries import countries
from planner.errors import InputError
from planner.model_spec import ModelSpec
from planner.read import read_text
from planner.workload import (
    AvailabilityLimit,
    Measured,
    Phase,
    Policy,
    TrainingJob,
    Workload,
    accelerator_matches,
    check_against,
    model,
    parse_workload,
    read_workload,
    region_matches,
)

AUTUMN = """\
workload: autumn-2026
start: 2026-12-01
horizon_days: 180
budget_usd: 12_000_000
minimise: cost                     # cost | finish | carbon; ties by the others
policy:
  organisation_country: DE         # headquarters: the export rules read this
  regions: [eu, us]                # provider regions, countries or groups
  providers: [gcp, aws, azure]
  purchase_options: [on_demand, reserved, capacity_block, spot]
  accelerators: [h100]
  max_nodes: 512
  max_power_mw: 8
  max_carbon_t: 900
  on_time_probability: 0.9         # optional: deadline met at this probability
jobs:
  - name: base-70b
    model: llama-3-70b
    precision: bf16
    earliest_start: 2026-12-10
    deadline: 2027-04-15
    late_cost_usd_day: 50_000      # optional: soft deadline
    phases:
      - name: pretrain
        tokens: 6e12
        sequence_length: 8192
        global_batch_tokens: 16e6
        max_segments: 3            # may be run in up to 3 stretches, on different slices
      - name: long-context
        after: [pretrain]
        tokens: 400e9
        sequence_length: 131072
        global_batch_tokens: 16e6
    measured:                      # optional: the user's own throughput wins over the model
      - {instance_type: aws/p5.48xlarge, nodes: 64, tokens_per_second: 412000}
"""


def parsed(text: str, **options: Any) -> Workload:
    return parse_workload(read_text(text, "w.yaml"), **options)


def job(text: str) -> TrainingJob:
    """The one job of a minimal workload, from its keys in flow style."""
    return parsed(f"{{workload: x, start: 2026-12-01, horizon_days: 30, jobs: [{{name: a, {text}}}]}}").jobs[0]


def test_the_documented_example_is_read_in_full(tmp_path: Path) -> None:
    path = tmp_path / "workload.yaml"
    path.write_text(AUTUMN)
    workload = read_workload(path)
    assert workload.name == "autumn-2026"
    assert workload.start == datetime(2026, 12, 1, tzinfo=UTC)
    assert workload.horizon_end == datetime(2027, 5, 30, tzinfo=UTC)  # 31 + 31 + 28 + 31 + 30 = 151 days to May 1, + 29
    assert workload.budget_usd == Decimal(12_000_000)
    assert workload.policy == Policy(
        organisation_country="DE",
        regions=("eu", "us"),
        providers=("gcp", "aws", "azure"),
        purchase_options=("on_demand", "reserved", "capacity_block", "spot"),
        accelerators=("h100",),
        max_nodes=512,
        max_power_mw=8.0,
        max_carbon_t=900.0,
        on_time_probability=0.9,
    )
    base = workload.jobs[0]
    assert base.model is model("llama-3-70b")
    assert base.deadline == datetime(2027, 4, 15, tzinfo=UTC)
    assert base.late_cost_usd_day == 50_000
    assert base.phases == (
        Phase(name="pretrain", tokens=6 * 10**12, sequence_length=8192, global_batch_tokens=16_000_000, max_segments=3),
        Phase(
            name="long-context",
            tokens=4 * 10**11,
            sequence_length=131_072,
            global_batch_tokens=16_000_000,
            after=("pretrain",),
        ),
    )
    assert base.phases[0].global_batch_sequences == 1953  # 16,000,000 / 8,192 = 1953.1
    assert base.total_tokens == 6_400_000_000_000
    assert base.measured == (Measured(instance_type="aws/p5.48xlarge", nodes=64, tokens_per_second=412_000.0),)
    assert base.assumed == ()
    assert workload.source_path == path


def test_every_path_keeps_its_line() -> None:
    workload = parsed(AUTUMN)
    assert workload.line_of("jobs.0.deadline") == 21
    assert workload.line_of("jobs.0.phases.1.tokens") == 31
    assert workload.line_of("jobs.0.phases.1.method") == 29  # not in the file: its phase
    assert str(workload.problem("policy.regions.1", "no")) == "w.yaml:8: policy.regions.1: no"


def test_what_is_not_limited_is_open() -> None:
    text = "{workload: x, start: 2026-12-01, horizon_days: 30, jobs: [{name: a, parameters: 7B, tokens: 1T}]}"
    workload = parsed(text)
    assert workload.budget_usd is None
    assert workload.minimise == "cost"
    assert workload.policy == Policy()
    policy = workload.policy
    assert (policy.failures, policy.export_rules, policy.remote_access) == (True, True, "warn")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("tokens: 6e12", "tokens: 6T"),
        ("tokens: 6e12", "tokens: 6_000_000_000_000"),
        ("tokens: 6e12", "tokens: '6T tokens'"),
        ("horizon_days: 180", "horizon_days: 180 days"),
        ("budget_usd: 12_000_000", "budget_usd: 12M USD"),
        ("max_power_mw: 8", "max_power_mw: 8000 kW"),
        ("on_time_probability: 0.9 ", "on_time_probability: 90 %"),
        ("start: 2026-12-01", "start: 2026-12-01T01:00+01:00"),
        ("tokens_per_second: 412000", "tokens_per_second: 412k tokens/s"),
        ("organisation_country: DE ", "organisation_country: 'DE'"),
        ("precision: bf16", "# bf16 is the default"),
        ("model: llama-3-70b", "model: Llama-3-70B"),
    ],
)
def test_every_spelling_of_a_workload_has_one_digest(before: str, after: str) -> None:
    assert before in AUTUMN
    assert parsed(AUTUMN.replace(before, after)).digest == parsed(AUTUMN).digest


def test_another_content_has_another_digest() -> None:
    assert parsed(AUTUMN.replace("6e12", "6.1e12")).digest != parsed(AUTUMN).digest


def test_a_workload_goes_through_its_own_json(tmp_path: Path) -> None:
    workload = parsed(AUTUMN)
    (tmp_path / "w.json").write_text(json.dumps(workload.model_dump(mode="json")))
    again = read_workload(tmp_path / "w.json")
    assert again.digest == workload.digest
    assert again.jobs == workload.jobs
    assert again.policy == workload.policy
    assert set(workload.model_dump()) >= {"workload", "start", "horizon_days", "jobs"}  # the file's keys


def test_a_workload_of_unknown_architecture_goes_through_its_own_json() -> None:
    text = (
        "{workload: x, start: 2026-12-01, horizon_days: 30, jobs: [{name: a, total_flops: 3.4e23}, "
        "{name: b, model: gpt-2, tokens: 10B}]}"
    )
    workload = parsed(text)
    again = Workload.model_validate_json(workload.model_dump_json())
    assert again.jobs == workload.jobs
    assert again.digest == workload.digest


def test_a_workload_is_immutable_and_can_be_pickled() -> None:
    workload = parsed(AUTUMN)
    with pytest.raises(ValidationError):
        workload.horizon_days = 5  # type: ignore[misc]
    again = pickle.loads(pickle.dumps(workload))
    assert again == workload
    assert again.line_of("jobs.0.deadline") == 21


def test_a_date_is_midnight_utc_and_norway_is_a_country() -> None:
    text = AUTUMN.replace("organisation_country: DE", "organisation_country: NO").replace(
        "deadline: 2027-04-15", "deadline: 2027-04-15T12:30"
    )
    workload = parsed(text)
    assert workload.policy.organisation_country == "NO"
    assert workload.jobs[0].deadline == datetime(2027, 4, 15, 12, 30, tzinfo=UTC)


def test_a_job_of_known_size_becomes_one_phase() -> None:
    gpt4 = job("parameters: 1.8T, tokens: 13T")
    assert gpt4.phases == (Phase(tokens=13 * 10**12, sequence_length=4096, global_batch_tokens=2**22),)
    assert gpt4.phases[0].name == "train"
    assert (gpt4.mfu, gpt4.flops_per_token) == (0.4, 6 * 1.8e12)
    assert gpt4.assumed == ("MFU of 0.4 assumed: the architecture is unknown",)


def test_a_job_of_known_flops_counts_work_in_teraflop() -> None:
    alphago = job("total_flops: 3.4e23, mfu: 0.3")
    assert alphago.phases[0].tokens == 340_000_000_000  # 3.4e23 / 1e12
    assert alphago.flops_per_token == pytest.approx(1e12)
    assert alphago.mfu == 0.3
    assert alphago.assumed == ("tokens unknown: work is counted in units of 1e12 FLOP",)


def test_known_flops_and_tokens_give_the_flops_of_a_token() -> None:
    # PaLM: 2.56e24 FLOP over 780e9 tokens
    assert job("total_flops: 2.56e24, tokens: 780B").flops_per_token == pytest.approx(2.56e24 / 780e9)


def test_a_model_with_tokens_gets_named_defaults() -> None:
    llama = job("model: llama-2-7b, tokens: 2T")
    assert llama.phases == (Phase(tokens=2 * 10**12, sequence_length=4096, global_batch_tokens=4_194_304),)
    assert llama.phases[0].global_batch_sequences == 1024
    assert llama.mfu is None
    assert llama.assumed == (
        "phase train: sequence length of 4,096 assumed",
        "phase train: global batch of 4,194,304 tokens assumed",
    )


@pytest.mark.parametrize(
    ("text", "length", "batch"),
    [
        ("model: gpt-3-175b, tokens: 300B", 2048, 2**22),  # no longer than the table of 2,048 positions
        ("model: llama-2-7b, phases: [{tokens: 1T, sequence_length: 3000}]", 3000, 4_194_000),  # 1,398 whole sequences
        ("model: llama-2-7b, phases: [{tokens: 1T, sequence_length: 8M}]", 8_000_000, 8_000_000),  # never less than one
        ("model: llama-2-7b, phases: [{tokens: 1T, global_batch_tokens: 1M}]", 4096, 1_000_000),
    ],
)
def test_defaults_fit_the_model_and_whole_sequences(text: str, length: int, batch: int) -> None:
    phase = job(text).phases[0]
    assert (phase.sequence_length, phase.global_batch_tokens) == (length, batch)


def test_a_batch_that_is_not_whole_sequences_is_rounded_down() -> None:
    phase = Phase(tokens=10**12, sequence_length=3000, global_batch_tokens=10_000)
    assert phase.global_batch_sequences == 3


def test_an_architecture_may_be_written_in_the_workload() -> None:
    fields = "{layers: 2, hidden_size: 64, ffn_size: 256, heads: 4, kv_heads: 2, vocabulary: 100}"
    assert job(f"tokens: 1T, model: {fields}").model == ModelSpec("inline", 2, 64, 256, 4, 2, 100)


def test_paths_are_relative_to_the_workload_file(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "config.json").write_text(
        json.dumps(
            {"model_type": "gpt2", "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024, "vocab_size": 50257}
        )
    )
    text = AUTUMN.replace("llama-3-70b", "configs/config.json").replace("8192", "512").replace("131072", "1024")
    (tmp_path / "w.yaml").write_text(text)
    spec = read_workload(tmp_path / "w.yaml").jobs[0].model
    assert spec is not None
    assert spec.parameters == 124_439_808


def test_a_strangers_workload_may_not_name_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("layers: 2")
    with pytest.raises(InputError, match=r"jobs\.0\.model: .* is not a known model") as caught:
        parsed(AUTUMN.replace("llama-3-70b", str(tmp_path / "mine.yaml")))
    assert "missing" not in str(caught.value)  # the file was not opened


def test_a_fault_in_the_models_file_is_told_with_that_files_line(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("layers: 2\nhiden_size: 64\n")
    with pytest.raises(InputError, match=r"mine\.yaml:2: hiden_size: unknown key; did you mean 'hidden_size'\?"):
        parsed(AUTUMN.replace("llama-3-70b", "mine.yaml"), relative_to=tmp_path)


def test_availability_and_switches_are_read() -> None:
    text = AUTUMN.replace(
        "  max_nodes: 512",
        "  failures: false\n  export_rules: false\n  startup_minutes: 0\n"
        "  remote_access: deny\n"
        "  availability:\n    - {provider: aws, purchase_option: spot, maximum_nodes: 0}",
    )
    policy = parsed(text).policy
    assert (policy.failures, policy.export_rules, policy.remote_access) == (False, False, "deny")
    assert policy.startup_minutes == 0
    assert policy.availability == (AvailabilityLimit(provider="aws", purchase_option="spot", maximum_nodes=0),)


def test_measured_rows_may_be_effective_and_of_one_phase() -> None:
    text = AUTUMN.replace("tokens_per_second: 412000}", "tokens_per_second: 412000, effective: true, phase: pretrain}")
    assert parsed(text).jobs[0].measured[0] == Measured(
        instance_type="aws/p5.48xlarge", nodes=64, tokens_per_second=412_000, effective=True, phase="pretrain"
    )


def test_all_problems_of_a_file_are_told_at_once_in_its_order() -> None:
    text = AUTUMN.replace("12_000_000", "-5").replace("DE  ", "UK  ").replace("6e12", "0").replace("400e9", "many")
    with pytest.raises(InputError) as caught:
        parsed(text)
    assert [(problem.line, problem.field) for problem in caught.value.problems] == [
        (4, "budget_usd"),
        (7, "policy.organisation_country"),
        (25, "jobs.0.phases.0.tokens"),
        (31, "jobs.0.phases.1.tokens"),
    ]


def test_there_are_249_countries() -> None:
    assert len(countries()) == 249


@dataclass(frozen=True, slots=True)
class Region:
    id: str
    country: str
    groups: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.id.partition("/")[2]


@dataclass(frozen=True, slots=True)
class Accelerator:
    id: str
    family: str


@dataclass(frozen=True, slots=True)
class Catalog:
    providers: dict[str, object] = field(default_factory=lambda: {"aws": None, "gcp": None, "azure": None})
    regions: dict[str, Region] = field(
        default_factory=lambda: {
            region.id: region
            for region in (Region("aws/us-east-1", "US", ("us",)), Region("aws/eu-central-1", "DE", ("eu", "europe")))
        }
    )
    accelerators: dict[str, Accelerator] = field(
        default_factory=lambda: {
            chip.id: chip
            for chip in (Accelerator("h100-sxm5-80", "nvidia-hopper"), Accelerator("h200-sxm-141", "nvidia-hopper"))
        }
    )
    instance_types: dict[str, object] = field(default_factory=lambda: {"aws/p5.48xlarge": None})


@pytest.mark.parametrize(
    ("selectors", "matches"),
    [
        (None, True),
        (("aws/eu-central-1",), True),
        (("eu-central-1",), True),
        (("DE",), True),
        (("europe", "us"), True),
        (("us",), False),
        (("FR", "gcp/eu-central-1"), False),
        (("eu-central",), False),
        ((), False),
    ],
)
def test_regions_are_selected_by_id_name_country_or_group(selectors: tuple[str, ...] | None, matches: bool) -> None:
    assert region_matches(Catalog().regions["aws/eu-central-1"], selectors) is matches


@pytest.mark.parametrize(
    ("selectors", "matches"),
    [
        (None, True),
        (("h100-sxm5-80",), True),
        (("h100-sxm5",), True),
        (("h100",), True),
        (("nvidia-hopper",), True),
        (("h200", "h100"), True),
        (("h10",), False),
        (("nvidia",), False),
        (("h200",), False),
        (("H100",), False),
    ],
)
def test_accelerators_are_selected_by_id_its_beginning_or_family(
    selectors: tuple[str, ...] | None, matches: bool
) -> None:
    assert accelerator_matches(Catalog().accelerators["h100-sxm5-80"], selectors) is matches


def test_a_workload_that_names_what_the_catalog_has_passes() -> None:
    check_against(parsed(AUTUMN), Catalog())


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            "[gcp, aws, azure]",
            "[gcp, awz]",
            "w.yaml:9: policy.providers.1: 'awz' is not a provider of the catalog; did you mean 'aws'?",
        ),
        (
            "[eu, us]",
            "[EU]",
            "w.yaml:8: policy.regions.0: 'EU' is not a region, country or group of the catalog; did you mean 'eu'?",
        ),
        (
            "[eu, us]",
            "[eu, us-east-11]",
            "w.yaml:8: policy.regions.1: 'us-east-11' is not a region, country or group of "
            "the catalog; did you mean 'us-east-1'?",
        ),
        (
            "[h100]",
            "[H100]",
            "w.yaml:11: policy.accelerators.0: 'H100' is not an accelerator or family of the catalog; "
            "did you mean 'h100'?",
        ),
        (
            "p5.48xlarge",
            "p5.48xlrge",
            "w.yaml:35: jobs.0.measured.0.instance_type: 'aws/p5.48xlrge' is not an instance "
            "type of the catalog; did you mean 'aws/p5.48xlarge'?",
        ),
        (
            "  max_nodes: 512",
            "  availability: [{provider: gpc, purchase_option: spot, maximum_nodes: 3}]",
            "w.yaml:12: policy.availability.0.provider: 'gpc' is not a provider of the catalog; did you mean 'gcp'?",
        ),
    ],
)
def test_a_name_the_catalog_does_not_know_gets_its_line_and_the_nearest(before: str, after: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        check_against(parsed(AUTUMN.replace(before, after)), Catalog())
    assert str(caught.value) == expected
