"""Every mistake in a workload is told with file, line, field, what was expected and the nearest right name."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.errors import InputError
from planner.workload import read_workload

GOOD = """\
workload: trial
start: 2026-12-01
horizon_days: 180
budget_usd: 12M USD
minimise: cost
policy:
  organisation_country: DE
  regions: [eu]
  purchase_options: [on_demand]
  max_nodes: 512
  max_power_mw: 8
  on_time_probability: 0.9
jobs:
  - name: base
    model: llama-3-70b
    precision: bf16
    earliest_start: 2026-12-10
    deadline: 2027-04-15
    phases:
      - name: pretrain
        tokens: 6e12
        sequence_length: 8192
        global_batch_tokens: 16e6
      - name: long
        after: [pretrain]
        tokens: 400e9
        sequence_length: 131072
        global_batch_tokens: 16e6
    measured:
      - {instance_type: aws/p5.48xlarge, nodes: 64, tokens_per_second: 412000}
"""

# One change to the good workload: the text replaced, its replacement, and the message after the file's name.
MISTAKES = [
    # Keys
    ("budget_usd:", "budget:", "4: budget: unknown key; did you mean 'budget_usd'?"),
    ("horizon_days:", "horizon-days:", "3: horizon-days: unknown key; did you mean 'horizon_days'?"),
    ("horizon_days: 180\n", "", "1: horizon_days: missing"),
    ("workload: trial", "name: trial", "1: name: unknown key; did you mean 'workload'?"),
    ("  max_nodes:", "  maximum_nodes:", "10: policy.maximum_nodes: unknown key; did you mean 'max_nodes'?"),
    ("    deadline:", "    dead_line:", "18: jobs.0.dead_line: unknown key; did you mean 'deadline'?"),
    (
        "        sequence_length: 8192",
        "        seq_length: 8192",
        "22: jobs.0.phases.0.seq_length: unknown key; did you mean 'sequence_length'?",
    ),
    ("        tokens: 6e12\n", "", "20: jobs.0.phases.0.tokens: missing"),
    ("nodes: 64", "node: 64", "30: jobs.0.measured.0.node: unknown key; did you mean 'nodes'?"),
    (
        "minimise: cost",
        "xyzzy: 1",
        "5: xyzzy: unknown key; expected one of workload, start, horizon_days, budget_usd, minimise, policy, owned, "
        "jobs",
    ),
    # Quotas, power of sites, egress (line 10 is max_nodes; its line is replaced)
    ("max_nodes: 512", "quotas: 5", "10: policy.quotas: expected a list such as [a, b], got 5"),
    ("max_nodes: 512", "quotas: [5]", "10: policy.quotas.0: expected keys and values, got 5"),
    (
        "max_nodes: 512",
        "quotas: [{provder: aws, max_nodes: 8}]",
        "10: policy.quotas.0.provder: unknown key; did you mean 'provider'?",
    ),
    (
        "max_nodes: 512",
        "quotas: [{since: 2026-12-05, max_nodes: 8}]",
        "10: policy.quotas.0.since: unknown key; expected one of provider, region, from, until, purchase_option, "
        "accelerator, max_nodes, max_accelerators",
    ),
    (
        "max_nodes: 512",
        "quotas: [{provider: aws}]",
        "10: policy.quotas.0.max_nodes: missing: expected max_nodes or max_accelerators",
    ),
    (
        "max_nodes: 512",
        "quotas: [{max_nodes: 8, max_accelerators: 64}]",
        "10: policy.quotas.0.max_accelerators: expected one of max_nodes and max_accelerators, got both",
    ),
    (
        "max_nodes: 512",
        "quotas: [{max_nodes: 0}]",
        "10: policy.quotas.0.max_nodes: expected at least 1: 0 is only for a time (from, until), got 0",
    ),
    ("max_nodes: 512", "quotas: [{max_nodes: -1}]", "10: policy.quotas.0.max_nodes: expected at least 0, got -1"),
    (
        "max_nodes: 512",
        "quotas: [{max_nodes: many}]",
        "10: policy.quotas.0.max_nodes: expected a number such as 1000 or '7B', got 'many'",
    ),
    (
        "max_nodes: 512",
        "quotas: [{max_nodes: 8, purchase_option: spott}]",
        "10: policy.quotas.0.purchase_option: expected one of on_demand, spot, reserved, capacity_block, owned, got "
        "'spott'; did you mean 'spot'?",
    ),
    (
        "max_nodes: 512",
        "quotas: [{max_nodes: 8, from: 2027-01-01, until: 2026-12-24}]",
        "10: policy.quotas.0.until: expected a date after from (2027-01-01), got 2026-12-24",
    ),
    (
        "max_nodes: 512",
        "quotas: [{region: eu, max_nodes: 8}, {region: eu, max_nodes: 9, from: 2027-01-01}]",
        "10: policy.quotas.1: limits the same as quotas.0 at the same time",
    ),
    (
        "max_nodes: 512",
        "power_limits: [{max_mw: 3}]",
        "10: policy.power_limits.0.region: missing: expected a region or a provider; of all, policy.max_power_mw",
    ),
    (
        "max_nodes: 512",
        "power_limits: [{region: eu, max_mw: 0}]",
        "10: policy.power_limits.0.max_mw: expected more than 0, got 0",
    ),
    ("max_nodes: 512", "power_limits: [{region: eu}]", "10: policy.power_limits.0.max_mw: missing"),
    ("max_nodes: 512", "egress_usd_gb: -1", "10: policy.egress_usd_gb: expected at least 0, got -1"),
    ("max_nodes: 512", "egress_usd_gb: 5000", "10: policy.egress_usd_gb: expected at most 1,000 USD a GB, got 5000"),
    # Own nodes (line 13 is the first line after the policy; it allows on_demand alone)
    (
        "jobs:\n",
        "owned: [{instance_type: aws/p5.48xlarge, region: us-east-1, nodes: 8}]\njobs:\n",
        "13: owned: policy.purchase_options does not allow owned: add it, or leave the nodes out",
    ),
    ("jobs:\n", "owned: {nodes: 8}\njobs:\n", "13: owned: expected a list such as [a, b], got keys and values"),
    (
        "jobs:\n",
        "owned: [{instance_type: x, region: y, nodes: 0}]\njobs:\n",
        "13: owned.0.nodes: expected at least 1, got 0",
    ),
    ("jobs:\n", "owned: [{region: y, nodes: 1}]\njobs:\n", "13: owned.0.instance_type: missing"),
    (
        "jobs:\n",
        "owned: [{instance_type: x, region: y, nodes: 1, available_from: 2027-01-02, available_until: 2027-01-01}]\n"
        "jobs:\n",
        "13: owned.0.available_until: expected a date after available_from (2027-01-02), got 2027-01-01",
    ),
    (
        "jobs:\n",
        "owned: [{instance_type: x, region: y, nodes: 1, available_until: 2026-11-01}]\njobs:\n",
        "13: owned.0.available_until: expected a date after the start (2026-12-01), got 2026-11-01",
    ),
    (
        "jobs:\n",
        "owned: [{instance_type: x, region: y, nodes: 1, available_from: 2028-01-01}]\njobs:\n",
        "13: owned.0.available_from: expected a date before the end of the horizon (2027-05-30), got 2028-01-01",
    ),
    (
        "jobs:\n",
        "owned: [{instance_type: x, region: y, nodes: 1}, {instance_type: x, region: y, nodes: 2}]\njobs:\n",
        "13: owned.1: duplicate owned nodes 'owned/x/y': give each a name",
    ),
    (
        "jobs:\n",
        "owned: [{instance_type: x, region: y, nodes: 1, purchase: {price_usd_node: 5}}]\njobs:\n",
        "13: owned.0.purchase.lead_time_days: missing",
    ),
    (
        "jobs:\n",
        "owned: [{instance_type: x, region: y, nodes: 1, purchase: {price_usd_node: 0, lead_time_days: 3, "
        "life_years: 5}}]\njobs:\n",
        "13: owned.0.purchase.price_usd_node: expected a price above 0: nodes that are paid already have no purchase",
    ),
    (
        "jobs:\n",
        "owned: [{instance_type: x, region: y, nodes: 1, available_until: 2027-01-01, purchase: {price_usd_node: 9, "
        "lead_time_days: 3, life_years: 5}}]\njobs:\n",
        "13: owned.0.available_until: only without a purchase: nodes bought stay",
    ),
    (
        "jobs:\n",
        "owned: [{instance_type: x, region: y, nodes: 1, purchase: {price_usd_node: 9, lead_time_days: 3, "
        "life_years: 0, residual_share: 2}}]\njobs:\n",
        "13: owned.0.purchase.residual_share: expected a fraction from 0 to 1 such as 0.9 or '90 %', got 2",
    ),
    # Shapes
    ("jobs:\n", "jobs: 5\nx:\n", "13: jobs: expected a list such as [a, b], got 5"),
    ("regions: [eu]", "regions: eu", "8: policy.regions: expected a list such as [a, b], got 'eu'"),
    (
        "regions: [eu]",
        "regions: []",
        "8: policy.regions: expected at least one, got an empty list: leave the key out to allow all",
    ),
    ("regions: [eu]", "regions: [5]", "8: policy.regions.0: expected text, got 5: put it in quotes"),
    ("workload: trial", "workload: 2026", "1: workload: expected text, got 2026: put it in quotes"),
    ("workload: trial", "workload:", "1: workload: expected text, got nothing"),
    (
        "after: [pretrain]",
        "after: pretrain",
        "25: jobs.0.phases.1.after: expected a list such as [a, b], got 'pretrain'",
    ),
    ("  max_nodes: 512", "  failures: maybe", "10: policy.failures: expected true or false, got 'maybe'"),
    ("  max_nodes: 512", "  export_rules: no", "10: policy.export_rules: expected true or false, got 'no'"),
    ("  max_nodes: 512", "  availability: [5]", "10: policy.availability.0: expected keys and values, got 5"),
    ("model: llama-3-70b", "model: 7", "15: jobs.0.model: expected the fields of an architecture (layers, ...), got 7"),
    # Dates
    (
        "start: 2026-12-01",
        "start: 1.12.2026",
        "2: start: expected a date such as 2026-12-01 or 2026-12-01T12:00Z, got '1.12.2026'",
    ),
    ("start: 2026-12-01", "start: 2026-02-30", "2: start: no such date: '2026-02-30' (day is out of range for month)"),
    (
        "start: 2026-12-01",
        "start: 20261201",
        "2: start: expected a date such as 2026-12-01 or 2026-12-01T12:00Z, got 20261201",
    ),
    (
        "deadline: 2027-04-15",
        "deadline: 2026-12-05",
        "18: jobs.0.deadline: expected a date after earliest_start (2026-12-10), got 2026-12-05",
    ),
    (
        "earliest_start: 2026-12-10\n    deadline: 2027-04-15",
        "deadline: 2026-11-05",
        "17: jobs.0.deadline: expected a date after the start (2026-12-01), got 2026-11-05",
    ),
    # 2026-12-01 + 180 days = 2027-05-30, which itself is still allowed
    (
        "deadline: 2027-04-15",
        "deadline: 2027-05-30T00:01",
        "18: jobs.0.deadline: expected a date not after the end of the horizon (2027-05-30), got "
        "2027-05-30T00:01Z: raise horizon_days",
    ),
    (
        "earliest_start: 2026-12-10\n    deadline: 2027-04-15",
        "earliest_start: 2027-05-30",
        "17: jobs.0.earliest_start: expected a date before the end of the horizon (2027-05-30), got 2027-05-30",
    ),
    ("    deadline: 2027-04-15", "    late_cost_usd_day: 5", "18: jobs.0.late_cost_usd_day: only with a deadline"),
    ("horizon_days: 180", "horizon_days: 0", "3: horizon_days: expected at least 1, got 0"),
    ("horizon_days: 180", "horizon_days: 4000", "3: horizon_days: expected at most 1,098, got 4000"),
    ("horizon_days: 180", "horizon_days: 36 h", "3: horizon_days: expected a whole number, got '36 h'"),
    (
        "horizon_days: 180",
        "horizon_days: 6 months",
        "3: horizon_days: 'months' is ambiguous: expected a duration such as '21 days' or '90 min', got '6 months'",
    ),
    # Amounts
    ("12M USD", "-5", "4: budget_usd: expected at least 0, got -5"),
    (
        "12M USD",
        "12M EUR",
        "4: budget_usd: expected US dollars such as '12M USD' or 12_000_000, got '12M EUR': convert other currencies",
    ),
    ("12M USD", "12,000,000", "4: budget_usd: write '12,000,000' without commas, as in 12_000_000"),
    ("12M USD", ".nan", "4: budget_usd: expected a finite number of reasonable size, got nan"),
    ("12M USD", ".inf", "4: budget_usd: expected a finite number of reasonable size, got inf"),
    ("12M USD", "true", "4: budget_usd: expected an amount in US dollars such as '12M USD' or 12_000_000, got true"),
    ("max_nodes: 512", "max_nodes: 0", "10: policy.max_nodes: expected at least 1, got 0"),
    ("max_nodes: 512", "max_nodes: 2.5", "10: policy.max_nodes: expected a whole number, got 2.5"),
    ("max_nodes: 512", "max_nodes: true", "10: policy.max_nodes: expected a number such as 1000 or '7B', got true"),
    (
        "max_power_mw: 8",
        "max_power_mw: 8 mW",
        "11: policy.max_power_mw: 'mW' is not a unit here: expected a power such as '2.5 MW', got '8 mW'",
    ),
    (
        "max_power_mw: 8",
        "max_power_mw: 8 days",
        "11: policy.max_power_mw: '8 days' is a duration: expected a power such as '2.5 MW'",
    ),
    ("max_power_mw: 8", "max_power_mw: 0", "11: policy.max_power_mw: expected more than 0, got 0"),
    ("max_power_mw: 8", "max_carbon_t: -1", "11: policy.max_carbon_t: expected at least 0, got -1"),
    ("max_power_mw: 8", "startup_minutes: -1", "11: policy.startup_minutes: expected at least 0, got -1"),
    (
        "on_time_probability: 0.9",
        "on_time_probability: 90",
        "12: policy.on_time_probability: expected a fraction from 0 to 1 such as 0.9 or '90 %', got 90",
    ),
    (
        "on_time_probability: 0.9",
        "on_time_probability: 150 %",
        "12: policy.on_time_probability: expected a fraction from 0 to 1 such as 0.9 or '90 %', got '150 %'",
    ),
    ("tokens: 6e12", "tokens: 0", "21: jobs.0.phases.0.tokens: expected at least 1, got 0"),
    ("tokens: 6e12", "tokens: -6e12", "21: jobs.0.phases.0.tokens: expected at least 1, got -6000000000000.0"),
    (
        "tokens: 6e12",
        "tokens: 6 TB",
        "21: jobs.0.phases.0.tokens: '6 TB' is an amount of bytes: expected a number of tokens such as '15T' or 6e12",
    ),
    (
        "tokens: 6e12",
        "tokens: lots",
        "21: jobs.0.phases.0.tokens: expected a number of tokens such as '15T' or 6e12, got 'lots'",
    ),
    (
        "tokens: 6e12",
        "tokens:",
        "21: jobs.0.phases.0.tokens: expected a number of tokens such as '15T' or 6e12, got nothing",
    ),
    (
        "tokens: 6e12",
        "tokens: 1e400",
        "21: jobs.0.phases.0.tokens: expected a finite number of reasonable size, got inf",
    ),
    (
        "global_batch_tokens: 16e6\n      - name: long",
        "global_batch_tokens: 4096\n      - name: long",
        "23: jobs.0.phases.0.global_batch_tokens: expected at least one sequence (8,192 tokens), got 4,096",
    ),
    (
        "sequence_length: 8192",
        "sequence_length: 0.5",
        "22: jobs.0.phases.0.sequence_length: expected a whole number, got 0.5",
    ),
    (
        "        global_batch_tokens: 16e6\n      - name: long",
        "        max_segments: 0\n      - name: long",
        "23: jobs.0.phases.0.max_segments: expected at least 1, got 0",
    ),
    # Names
    (
        "DE",
        "UK",
        "7: policy.organisation_country: expected a country code of two capital letters such as DE, got "
        "'UK'; did you mean 'GB'?",
    ),
    (
        "DE",
        "Germany",
        "7: policy.organisation_country: expected a country code of two capital letters such as DE, got "
        "'Germany'; did you mean 'DE'?",
    ),
    (
        "DE",
        "de",
        "7: policy.organisation_country: expected a country code of two capital letters such as DE, got "
        "'de'; did you mean 'DE'?",
    ),
    ("DE", "XX", "7: policy.organisation_country: expected a country code of two capital letters such as DE, got 'XX'"),
    (
        "minimise: cost",
        "minimise: costs",
        "5: minimise: expected one of cost, finish, carbon, got 'costs'; did you mean 'cost'?",
    ),
    (
        "[on_demand]",
        "[on-demand]",
        "9: policy.purchase_options.0: expected one of on_demand, spot, reserved, capacity_block, owned, got "
        "'on-demand'; did you mean 'on_demand'?",
    ),
    ("bf16", "b16", "16: jobs.0.precision: expected one of bf16, fp16, fp8, fp32, got 'b16'; did you mean 'bf16'?"),
    ("bf16", "16", "16: jobs.0.precision: expected one of bf16, fp16, fp8, fp32, got 16; did you mean 'fp16'?"),
    (
        "  max_nodes: 512",
        "  remote_access: denny",
        "10: policy.remote_access: expected one of allow, warn, deny, got 'denny'; did you mean 'deny'?",
    ),
    (
        "llama-3-70b",
        "lama-3-70b",
        "15: jobs.0.model: 'lama-3-70b' is not a known model: expected a bundled name, or a path of a YAML "
        "file or config.json; did you mean 'llama-3-70b'?",
    ),
    (
        "llama-3-70b",
        "{layers: 2, hidden_sise: 64}",
        "15: jobs.0.model.hidden_sise: unknown key; did you mean 'hidden_size'?",
    ),
    (
        "llama-3-70b",
        "gpt-3-175b",
        "22: jobs.0.phases.0.sequence_length: expected at most the model's 2,048 positions, got 8,192",
    ),
    ("name: long", "name: pretrain", "24: jobs.0.phases.1.name: duplicate phase 'pretrain'"),
    (
        "after: [pretrain]",
        "after: [pre-train]",
        "25: jobs.0.phases.1.after.0: 'pre-train' is not a phase of this job; did you mean 'pretrain'?",
    ),
    (
        "      - name: pretrain",
        "      - name: pretrain\n        after: [long]",
        "21: jobs.0.phases.0.after: phases wait for each other: pretrain after long after pretrain",
    ),
    ("after: [pretrain]", "after: [long]", "25: jobs.0.phases.1.after: phases wait for each other: long after long"),
    (
        "      - name: pretrain",
        "      - name: pretrain\n        method: lorra",
        "21: jobs.0.phases.0.method: expected one of full, lora, got 'lorra'; did you mean 'lora'?",
    ),
    # What is trained
    (
        "    model: llama-3-70b\n",
        "",
        "14: jobs.0.model: missing: expected a model, or parameters and tokens, or total_flops",
    ),
    (
        "    precision: bf16",
        "    parameters: 70B",
        "16: jobs.0.parameters: expected one of model, parameters and total_flops, got model and parameters",
    ),
    (
        "    precision: bf16",
        "    mfu: 0.4",
        "16: jobs.0.mfu: only for a job without a model: a model's speed is computed",
    ),
    (
        "    model: llama-3-70b",
        "    parameters: 70 GB",
        "15: jobs.0.parameters: '70 GB' is an amount of bytes: expected a number of parameters such as '70B'",
    ),
    ("    model: llama-3-70b", "    total_flops: 0", "15: jobs.0.total_flops: expected more than 0, got 0"),
    (
        "    precision: bf16",
        "    tokens: 1T",
        "16: jobs.0.tokens: expected the phases' total of 6,400,000,000,000 (or no tokens here), got 1,000,000,000,000",
    ),
    # Measurements
    ("nodes: 64", "nodes: 0", "30: jobs.0.measured.0.nodes: expected at least 1, got 0"),
    ("412000", "0", "30: jobs.0.measured.0.tokens_per_second: expected more than 0, got 0"),
    ("412000", "-5", "30: jobs.0.measured.0.tokens_per_second: expected more than 0, got -5"),
    (
        "412000}",
        "412000, phase: pretrian}",
        "30: jobs.0.measured.0.phase: 'pretrian' is not a phase of this job; did you mean 'pretrain'?",
    ),
    (
        "tokens_per_second: 412000}\n",
        "tokens_per_second: 412000}\n      - {instance_type: aws/p5.48xlarge, nodes: 64, tokens_per_second: 1}\n",
        "31: jobs.0.measured.1: duplicate measurement of aws/p5.48xlarge on 64 nodes",
    ),
    # Several
    (
        "  max_nodes: 512",
        "  availability:\n    - {provider: aws, purchase_option: spot, maximum_nodes: 1}\n    - {provider: "
        "aws, purchase_option: spot, maximum_nodes: 2}",
        "12: policy.availability.1: duplicate limit of aws spot",
    ),
]


NAMES = [f"{i:02d}-{expected.split(': ')[1]}" for i, (_, _, expected) in enumerate(MISTAKES)]


@pytest.mark.parametrize(("before", "after", "expected"), MISTAKES, ids=NAMES)
def test_a_mistake_is_told_where_it_is(tmp_path: Path, before: str, after: str, expected: str) -> None:
    assert GOOD.count(before) >= 1
    path = tmp_path / "w.yaml"
    path.write_text(GOOD.replace(before, after, 1))
    with pytest.raises(InputError) as caught:
        read_workload(path)
    assert f"{path}:{expected}" in str(caught.value).splitlines()
    assert "pydantic" not in str(caught.value)


@pytest.mark.parametrize(
    ("jobs", "expected"),
    [
        ("[]", "4: jobs: expected at least one job, got an empty list"),
        (
            "[{name: a, model: gpt-2, tokens: 1B}, {name: a, model: gpt-2, tokens: 1B}]",
            "4: jobs.1.name: duplicate job 'a'",
        ),
        ("[{name: a, model: gpt-2}]", "4: jobs.0.phases: missing: expected phases, or tokens for a job with one phase"),
        (
            "[{name: a, model: gpt-2, phases: []}]",
            "4: jobs.0.phases: missing: expected phases, or tokens for a job with one phase",
        ),
        (
            "[{name: a, parameters: 1B}]",
            "4: jobs.0.phases: missing: expected phases, or tokens for a job with one phase",
        ),
        (
            "[{name: a, parameters: 1B, tokens: x}]",
            "4: jobs.0.tokens: expected a number of tokens such as '15T' or 6e12, got 'x'",
        ),
        (
            "[{name: a, parameters: 1B, total_flops: 1e20, tokens: 1B}]",
            "4: jobs.0.total_flops: expected one of model, parameters and total_flops, got parameters and total_flops",
        ),
        (
            "[{name: a, parameters: 1B, phases: [{tokens: 1B, method: lora}]}]",
            "4: jobs.0.phases.0.method: lora needs a model",
        ),
        (
            "[{name: a, parameters: 1B, tokens: 1B, mfu: 40}]",
            "4: jobs.0.mfu: expected a fraction from 0 to 1 such as 0.9 or '90 %', got 40",
        ),
        ("[{tokens: 1B, model: gpt-2}]", "4: jobs.0.name: missing"),
        ("[a]", "4: jobs.0: expected keys and values, got 'a'"),
        ("{name: a}", "4: jobs: expected a list such as [a, b], got keys and values"),
        ("[{name: a, model: gpt-2, phases: [a]}]", "4: jobs.0.phases.0: expected keys and values, got 'a'"),
        (
            "[{name: a, model: gpt-2, phases: {tokens: 1B}}]",
            "4: jobs.0.phases: expected a list such as [a, b], got keys and values",
        ),
    ],
)
def test_mistakes_of_jobs_as_a_whole(tmp_path: Path, jobs: str, expected: str) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(f"workload: x\nstart: 2026-12-01\nhorizon_days: 30\njobs: {jobs}\n")
    with pytest.raises(InputError) as caught:
        read_workload(path)
    assert str(caught.value).splitlines()[0] == f"{path}:{expected}"


@pytest.mark.parametrize("text", ["- a\n- b\n", "just text\n", "---\n", "5\n"])
def test_what_is_no_workload_at_all_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="expected a workload of keys and values, got"):
        read_workload(path)


def test_a_long_list_of_problems_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(GOOD + "".join(f"key{i}: 1\n" for i in range(5000)))
    with pytest.raises(InputError) as caught:
        read_workload(path)
    assert len(caught.value.problems) == 101
    assert str(caught.value.problems[-1]) == f"{path}: and 4,900 more problems"


def test_a_workload_has_at_most_a_thousand_jobs(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    jobs = "".join(f"  - {{name: j{i}, total_flops: 1e20}}\n" for i in range(1001))
    path.write_text(f"workload: x\nstart: 2026-12-01\nhorizon_days: 30\njobs:\n{jobs}")
    with pytest.raises(InputError, match=r"w\.yaml:4: jobs: expected at most 1,000 entries, got more"):
        read_workload(path)


def test_the_good_workload_is_good(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(GOOD)
    assert read_workload(path).name == "trial"
