"""Export rules: the worked examples, the days around each rule, the reviews of offers, and bad input."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner
from yamlcore import CCoreLoader

from hardware_catalog.catalog import load
from hardware_catalog.errors import InputError
from hardware_catalog.export_cli import export_check
from hardware_catalog.export_decisions import DECIDING
from hardware_catalog.export_rule_set import BUNDLED
from hardware_catalog.export_rules import Review, decide, load_rules, review
from hardware_catalog.records import Accelerator

VECTORS_FILE = Path(__file__).with_name("export_cases.yaml")
VECTORS: list[dict[str, Any]] = yaml.load(VECTORS_FILE.read_text("utf-8"), Loader=CCoreLoader)["test_vectors"]
RULES = load_rules()
OWN_CASES = [(rule.id, case) for rule in RULES.rules.values() for case in rule.cases]


def chip(name: str) -> Accelerator:
    return load().accelerators[name]


def status(name: str, destination: str, headquarters: str, on: str, **more: Any) -> str:
    return decide(chip(name), destination, headquarters, date.fromisoformat(on), **more)[0].status


def reviewed(name: str, on: str, option: str = "on_demand", place: str = "CN", provider: str = "CN",
             tenant: str = "CN", **more: Any) -> Review:  # fmt: skip
    return review(chip(name), place, provider, tenant, date.fromisoformat(on), option, **more)


def test_all_worked_examples_are_here() -> None:
    assert len(VECTORS) == 170


@pytest.mark.parametrize("vector", VECTORS, ids=[f"{v['chip']}-{v['dest']}-{v['hq']}-{v['date']}" for v in VECTORS])
def test_a_worked_example_gets_its_status_class_and_rule(vector: dict[str, Any]) -> None:
    decision = decide(chip(vector["chip"]), vector["dest"], vector["hq"], date.fromisoformat(vector["date"]))[0]
    assert decision.status == vector["expected"]
    assert (decision.eccn or None) == vector["eccn"]
    if decision.status not in ("NLR", "NOT_RELEASED"):
        assert decision.rule in vector["basis"]
    assert decision.extrapolated == (vector["period"] == "P7")


@pytest.mark.parametrize(("rule", "case"), OWN_CASES, ids=[f"{r}-{c.chip}-{c.dest}-{c.date}" for r, c in OWN_CASES])
def test_the_cases_inside_a_rule_file_hold(rule: str, case: Any) -> None:
    assert decide(chip(case.chip), case.dest, case.hq, case.date)[0].status == case.expected, (rule, case.note)


def test_every_deciding_rule_has_cases_on_its_first_day_and_the_day_before() -> None:
    for rule in RULES.rules.values():
        if rule.kind in DECIDING and rule.enforced:
            assert rule.effective_from is not None
            days = {case.date for case in rule.cases}
            assert {rule.effective_from, rule.effective_from - timedelta(days=1)} <= days, rule.id


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        ("2022-09-19", "NOT_RELEASED"),  # the day before release
        ("2022-09-20", "LICENCE_UNSPECIFIED"),  # on release, under the letter
        ("2022-10-20", "LICENCE_UNSPECIFIED"),  # the letter's last day
        ("2022-10-21", "LICENCE_DENIAL"),  # the October rule's first
        ("2023-11-16", "LICENCE_DENIAL"),
        ("2023-11-17", "LICENCE_DENIAL"),
        ("2026-01-14", "LICENCE_DENIAL"),
        ("2026-01-15", "LICENCE_CASE"),
    ],
)
def test_the_law_changes_on_the_day_it_says(on: str, expected: str) -> None:
    assert status("h100-sxm5-80", "CN", "CN", on) == expected


def test_the_evidence_horizon_marks_later_answers_as_extrapolated() -> None:
    def late(on: date) -> bool:
        return decide(chip("v100-sxm2-32"), "CN", "CN", on)[0].extrapolated

    assert not late(RULES.evidence_horizon)
    assert late(RULES.evidence_horizon + timedelta(days=1))


def test_the_basis_names_the_numbers_and_their_thresholds() -> None:
    decision = decide(chip("a100-sxm4-80"), "CN", "CN", date(2023, 3, 1))[0]
    assert decision.rule == "ifr-2022-10"
    assert decision.in_force_since == date(2022, 10, 21)
    assert "TPP 4992 >= 4800" in decision.basis
    assert "I/O bandwidth 664 >= 600 GB/s" in decision.basis
    assert decision.source.startswith("87 FR 62186")
    spared = decide(chip("a800-sxm4-80"), "CN", "CN", date(2023, 3, 1))[0]
    assert "I/O bandwidth 464 < 600 GB/s" in spared.basis


def test_a_number_near_a_line_or_doubted_is_said_to_be_so() -> None:
    near = decide(chip("l20"), "CN", "CN", date(2024, 6, 15))[0]  # 1912 / 608.5 mm2 = 3.142
    assert "performance density 3.142 < 3.2 (near the line)" in near.basis


def test_an_unknown_number_leaves_a_remark_and_no_licence() -> None:
    unknown = replace(chip("l20"), tpp=None, performance_density=None)
    decision = decide(unknown, "CN", "CN", date(2024, 6, 15))[0]
    assert decision.status == "NLR"
    assert "TPP unknown" in decision.basis
    assert any("ifr-2023-10" in remark and "could not be decided" in remark for remark in decision.remarks)
    assert decide(unknown, "DE", "DE", date(2024, 6, 15))[0].remarks == ()  # no outcome there depends on it


def test_another_maker_is_not_bound_by_a_letter() -> None:
    h20 = chip("h20-96")
    assert decide(h20, "CN", "CN", date(2025, 5, 20))[0].status == "LICENCE_UNSPECIFIED"
    assert decide(replace(h20, vendor="Google"), "CN", "CN", date(2025, 5, 20))[0].status == "NLR"


def test_the_hardest_rule_governs_and_the_others_follow() -> None:
    decisions = decide(chip("h100-sxm5-80"), "CN", "CN", date(2025, 5, 20))
    assert [(d.rule, d.status) for d in decisions] == [
        ("ifr-2023-10", "LICENCE_DENIAL"),
        ("letters-2025-04", "LICENCE_UNSPECIFIED"),
    ]


def test_a_reexport_does_not_get_the_eased_review() -> None:
    assert status("h200-sxm-141", "CN", "CN", "2026-02-15") == "LICENCE_CASE"
    assert status("h200-sxm-141", "CN", "CN", "2026-02-15", transaction="reexport") == "LICENCE_DENIAL"


def test_a_local_chip_is_not_exported_but_remarked_on() -> None:
    decision = decide(chip("ascend910c"), "CN", "CN", date(2025, 5, 13))[0]
    assert decision.status == "NLR"
    assert any("GP10" in remark for remark in decision.remarks)
    before = decide(chip("ascend910c"), "CN", "CN", date(2025, 5, 12))[0]
    assert before.remarks == ()


def test_a_rule_can_be_left_out_and_one_never_enforced_put_in() -> None:
    on = date(2025, 10, 1)
    assert decide(chip("a100-sxm4-80"), "SA", "FR", on)[0].status == "LICENCE_APPROVAL"
    assert decide(chip("a100-sxm4-80"), "SA", "FR", on, rules=RULES.without("ifr-2023-10"))[0].status == "NLR"
    tiers = RULES.enforcing("ifr-2025-01-diffusion")
    assert decide(chip("h100-sxm5-80"), "MY", "MY", on)[0].status == "NLR"
    assert decide(chip("h100-sxm5-80"), "MY", "MY", on, rules=tiers)[0].status == "LICENCE_APPROVAL"
    assert decide(chip("h100-sxm5-80"), "NO", "NO", on, rules=tiers)[0].status == "NLR"
    with pytest.raises(InputError, match="did you mean 'ifr-2023-10'"):
        RULES.without("ifr-2023-1o")


def test_the_dated_groups_have_the_members_that_the_text_names() -> None:
    on = date(2023, 11, 17)
    # 44 countries and Macau in CSET's count of D:1, D:4 and D:5 less A:5 and A:6
    union = RULES.members("D5_MACAU_DESTINATIONS", on) | RULES.members("D1_D4_DESTINATIONS", on)
    assert len(union) == 45
    assert union == RULES.members("D1_D4_D5_2023", on)
    assert "NO" in RULES.members("DIFFUSION_TIER_1", on)
    named = {c for group in RULES.groups.values() for version in group.versions for c in version.members}
    assert named <= RULES.countries.keys()


def test_the_country_of_every_maker_of_the_catalog_is_known() -> None:
    assert {accelerator.vendor for accelerator in load().accelerators.values()} <= RULES.makers.keys()


# reviews of offers


@pytest.mark.parametrize(
    ("name", "on", "refused"),
    [
        ("a100-sxm4-80", "2023-03-01", True),
        ("a800-sxm4-80", "2023-03-01", False),
        ("a800-sxm4-80", "2023-10-22", False),
        ("a800-sxm4-80", "2023-10-23", True),
        ("a800-sxm4-80", "2023-12-01", True),
        ("h800-sxm5-80", "2023-12-01", True),
        ("h20-96", "2023-12-01", False),
        ("h20-96", "2025-04-08", False),
        ("h20-96", "2025-04-09", True),
        ("ascend910c", "2025-10-01", False),
        ("v100-sxm2-32", "2025-10-01", False),
    ],
)
def test_rented_capacity_follows_the_law_of_its_day(name: str, on: str, refused: bool) -> None:
    assert reviewed(name, on).refused is refused


def test_a_refusal_names_rule_date_source_and_that_it_is_no_advice() -> None:
    refusal = reviewed("a100-sxm4-80", "2023-03-01")
    for words in ("ifr-2022-10", "2022-10-21", "87 FR 62186", "LICENCE_DENIAL", "planning support, not legal advice"):
        assert words in refusal.reason
    assert "Extrapolated" not in refusal.reason
    assert "Extrapolated: the evidence reaches 2026-07-01" in reviewed("a800-sxm4-80", "2026-12-01").reason


def test_rented_capacity_is_judged_by_its_provider_and_the_tenant_only_warns() -> None:
    rented = reviewed("h100-sxm5-80", "2025-10-01", place="DE", provider="US")
    assert not rented.refused
    assert len(rented.warnings) == 1
    assert "remote-access" in rented.warnings[0]
    assert not reviewed("h100-sxm5-80", "2025-10-01", place="DE", provider="US", remote_access="allow").warnings
    denied = reviewed("h100-sxm5-80", "2025-10-01", place="DE", provider="US", remote_access="deny")
    assert denied.refused
    assert "policy remote_access: deny" in denied.reason
    assert not reviewed("h100-sxm5-80", "2025-10-01", place="DE", provider="US", tenant="FR").warnings
    assert reviewed("h100-sxm5-80", "2025-10-01", place="DE", provider="CN", tenant="FR").refused


def test_bought_hardware_is_judged_by_its_buyer() -> None:
    assert reviewed("h100-sxm5-80", "2025-10-01", "owned", place="DE", provider="US", tenant="CN").refused
    assert not reviewed("h100-sxm5-80", "2025-10-01", "owned", place="DE", provider="CN", tenant="FR").refused


def test_a_notified_exception_warns() -> None:
    notified = reviewed("a30", "2024-06-15")
    assert not notified.refused
    assert "NAC_NOTIFY" in notified.warnings[0]


def test_no_text_says_that_something_is_permitted() -> None:
    for vector in VECTORS:
        told = review(chip(vector["chip"]), vector["dest"], vector["hq"], vector["hq"],
                      date.fromisoformat(vector["date"]), "on_demand")  # fmt: skip
        words = " ".join((*told.warnings, *(d.basis for d in told.decisions)))
        assert not re.search(r"(?<!not )\b(permitted|allowed|legal to)\b", words)


# bad input


def test_unknown_names_get_the_nearest_one() -> None:
    with pytest.raises(InputError, match=r"destination: 'UK' is no ISO 3166-1 .* did you mean 'GB'"):
        status("h100-sxm5-80", "UK", "GB", "2024-01-01")
    with pytest.raises(InputError, match=r"headquarters: 'Germany' .* did you mean 'DE'"):
        status("h100-sxm5-80", "DE", "Germany", "2024-01-01")
    with pytest.raises(InputError, match="did you mean 'reexport'"):
        status("h100-sxm5-80", "DE", "DE", "2024-01-01", transaction="re-export")


def broken(tmp_path: Path, text: str) -> Path:
    for path in BUNDLED.glob("*.yaml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "zz.yaml").write_text(text, encoding="utf-8")
    return tmp_path


HEAD = "rules:\n  - id: x\n    title: y\n    kind: letter\n    source_kind: verified\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules:\n  - id: x\n    titel: y\n", r"zz\.yaml:3: rules\.0\.titel: unknown key; did you mean 'title'"),
        ("rules: [\n", r"zz\.yaml:2: not YAML"),
        ("rules:\n  - {id: a, id: b}\n", r"zz\.yaml:2: rules\.0\.id: this key is there twice"),
        ("rules: &a\n  - *a\n", "aliases are not read here"),
        (HEAD + "    effective_from: soon\n",
         r"zz\.yaml:6: rules\.0\.effective_from: "),
        (HEAD + "    when: {field: tpq, op: '<', value: 1}\n",
         r"zz\.yaml:6: rules\.0\.when: unknown field 'tpq'; did you mean 'tpp'"),
        (HEAD + "    outcomes: [{destination: [D6]}]\n",
         r"zz\.yaml: x: unknown country or group 'D6'"),
    ],
)  # fmt: skip
def test_a_malformed_rule_file_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_rules(broken(tmp_path, text))


# the command line


def command(*arguments: str) -> Any:
    app = typer.Typer()
    app.command()(export_check)
    return CliRunner().invoke(app, list(arguments))


def test_export_check_prints_one_json_document() -> None:
    result = command("--accelerator", "a100-sxm4-80", "--destination", "CN", "--on", "2023-03-01", "--json")
    assert result.exit_code == 0
    first = json.loads(result.stdout)["decisions"][0]
    assert {"status", "rule", "basis", "source", "extrapolated"} <= first.keys()
    assert (first["status"], first["rule"], first["extrapolated"]) == ("LICENCE_DENIAL", "ifr-2022-10", False)


def test_export_check_prints_a_line_and_the_disclaimer() -> None:
    result = command("--accelerator", "h20-96", "--destination", "DE", "--hq", "CN", "--on", "2025-05-20")
    assert "LICENCE_UNSPECIFIED (letters-2025-04, in force since 2025-04-09)" in result.stdout
    assert "not legal advice" in result.stdout


def test_export_check_agrees_with_all_worked_examples() -> None:
    result = command("--cases", str(VECTORS_FILE), "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["summary"] == {"cases": 170, "agreeing": 170, "disagreeing": 0}


def test_export_check_exits_3_when_a_case_differs(tmp_path: Path) -> None:
    path = tmp_path / "cases.yaml"
    path.write_text("- {chip: h20-96, date: 2024-06-15, dest: NO, expected: LICENCE_DENIAL}\n", encoding="utf-8")
    result = command("--cases", str(path))
    assert result.exit_code == 3
    assert "DIFFERS h20-96 to NO for NO on 2024-06-15: expected LICENCE_DENIAL, got NLR" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--accelerator", "h10-sxm5-80", "--destination", "CN", "--on", "2024-01-01"], "did you mean 'h100-sxm5-80'"),
        (["--accelerator", "h20-96", "--destination", "CN", "--on", "2024-13-01"], "--on: '2024-13-01' is no date"),
        (["--accelerator", "h20-96", "--destination", "cn", "--on", "2024-01-01"], "did you mean 'CN'"),
        (["--accelerator", "h20-96"], "--destination: is needed"),
    ],
)
def test_export_check_says_what_is_wrong(arguments: list[str], message: str) -> None:
    error = command(*arguments).exception
    assert isinstance(error, InputError)
    assert message in str(error)


def test_export_check_names_file_and_line_of_a_bad_case(tmp_path: Path) -> None:
    path = tmp_path / "cases.yaml"
    path.write_text("test_vectors:\n- {chip: h20-96, date: 2024-06-15, dest: XX}\n- {chip: h20-69}\n", encoding="utf-8")
    error = command("--cases", str(path)).exception
    assert isinstance(error, InputError)
    assert re.search(r"cases\.yaml:2: case 1: destination: 'XX'", str(error))
    assert "cases.yaml:3: case 2: lacks date, dest" in str(error)
