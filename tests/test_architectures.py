"""Every bundled architecture counts its parameters as published, and what is wrong in a user's own file is said."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from planner.architecture import DIRECTORY, model, model_names
from planner.errors import InputError

# Checkpoint counts (the safetensors index or the published table), typed here apart from the files they check.
EXACT = {
    "llama-7b": 6_738_415_616,
    "llama-13b": 13_015_864_320,
    "llama-33b": 32_528_943_616,
    "llama-65b": 65_285_660_672,
    "llama-2-7b": 6_738_415_616,
    "llama-2-13b": 13_015_864_320,
    "llama-2-70b": 68_976_648_192,
    "llama-3-8b": 8_030_261_248,
    "llama-3-70b": 70_553_706_496,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.1-405b": 405_853_388_800,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "mistral-7b": 7_241_732_096,
    "mistral-nemo-12b": 12_247_782_400,
    "mistral-small-24b": 23_572_403_200,
    "mistral-large-2": 122_610_069_504,
    "qwen1.5-7b": 7_721_324_544,
    "qwen1.5-14b": 14_167_290_880,
    "qwen1.5-32b": 32_512_218_112,
    "qwen1.5-72b": 72_287_920_128,
    "qwen1.5-110b": 111_209_914_368,
    "qwen2-0.5b": 494_032_768,
    "qwen2-1.5b": 1_543_714_304,
    "qwen2-7b": 7_615_616_512,
    "qwen2-72b": 72_706_203_648,
    "qwen2.5-3b": 3_085_938_688,
    "qwen2.5-7b": 7_615_616_512,
    "qwen2.5-14b": 14_770_033_664,
    "qwen2.5-32b": 32_763_876_352,
    "qwen2.5-72b": 72_706_203_648,
    "yi-34b": 34_388_917_248,
    "deepseek-7b": 6_910_365_696,
    "phi-3-mini": 3_821_079_552,
    "phi-4": 14_659_507_200,
    "gemma-2b": 2_506_172_416,
    "gemma-7b": 8_537_680_896,
    "gpt-2": 124_439_808,
    "gpt-2-medium": 354_823_168,
    "gpt-2-large": 774_030_080,
    "gpt-2-xl": 1_557_611_200,
    "opt-1.3b": 1_315_758_080,
    "opt-2.7b": 2_651_596_800,
    "opt-6.7b": 6_658_473_984,
    "opt-13b": 12_853_473_280,
    "bloom-7b1": 7_069_016_064,
    "bloom-176b": 176_247_271_424,
    "pythia-70m": 70_426_624,
    "pythia-160m": 162_322_944,
    "pythia-410m": 405_334_016,
    "pythia-1b": 1_011_781_632,
    "pythia-1.4b": 1_414_647_808,
    "pythia-2.8b": 2_775_208_960,
    "pythia-6.9b": 6_857_302_016,
    "pythia-12b": 11_846_072_320,
    "gpt-neox-20b": 20_554_567_680,
    "mpt-7b": 6_649_286_656,
    "falcon-7b": 6_921_720_704,
    "falcon-40b": 41_303_293_952,
    "starcoder-15.5b": 15_517_456_384,
    "ernie-4.5-21b-a3b": 21_825_437_888,
    "command-r": 34_980_831_232,
    "command-r-plus": 103_810_674_688,
    "command-r7b": 8_028_033_024,
    "dbrx": 131_596_523_520,
    "deepseek-moe-16b": 16_375_728_128,
    "deepseek-v2": 235_741_434_880,
    "deepseek-v2-lite": 15_706_484_224,
    "gemma-2-27b": 27_227_128_320,
    "gemma-2-2b": 2_614_341_888,
    "gemma-2-9b": 9_241_705_984,
    "gemma-3-12b": 11_766_034_176,
    "gemma-3-1b": 999_885_952,
    "gemma-3-270m": 268_098_176,
    "gemma-3-27b": 27_009_346_304,
    "gemma-3-4b": 3_880_263_168,
    "glm-4-32b": 32_566_081_536,
    "glm-4-9b": 9_399_951_360,
    "gpt-j-6b": 6_050_882_784,
    "gpt-oss-120b": 116_829_156_672,
    "gpt-oss-20b": 20_914_757_184,
    "granite-3-1b-a400m": 1_334_628_352,
    "granite-3-2b": 2_533_531_648,
    "granite-3-3b-a800m": 3_298_793_472,
    "granite-3-8b": 8_170_848_256,
    "hunyuan-a13b": 80_393_183_232,
    "internlm2-7b": 7_737_708_544,
    "mixtral-8x22b": 140_620_634_112,
    "mixtral-8x7b": 46_702_792_704,
    "olmo-2-13b": 13_716_198_400,
    "olmo-2-1b": 1_484_916_736,
    "olmo-2-32b": 32_234_279_936,
    "olmo-2-7b": 7_298_617_344,
    "olmo-7b": 6_888_095_744,
    "olmoe-1b-7b": 6_919_161_856,
    "phi-2": 2_779_683_840,
    "phi-3-medium": 13_960_238_080,
    "phi-3.5-moe": 41_873_153_344,
    "qwen1.5-moe-a2.7b": 14_315_784_192,
    "qwen2-57b-a14b": 57_408_658_944,
    "qwen3-0.6b": 596_049_920,
    "qwen3-1.7b": 1_720_574_976,
    "qwen3-14b": 14_768_307_200,
    "qwen3-235b-a22b": 235_093_634_560,
    "qwen3-30b-a3b": 30_532_122_624,
    "qwen3-32b": 32_762_123_264,
    "qwen3-4b": 4_022_468_096,
    "qwen3-8b": 8_190_735_360,
    "qwen3-coder-480b-a35b": 480_154_875_392,
    "seed-oss-36b": 36_151_104_512,
    "smollm3-3b": 3_075_098_624,
    "starcoder2-15b": 15_957_889_024,
}
# Only a rounded figure is published: billions, and half a unit of the last digit printed, unless a reason is given.
ROUNDED = {
    "deepseek-67b": (67, 0.5),
    "gpt-3-1.3b": (1.3, 0.05),
    "gpt-3-6.7b": (6.7, 0.05),
    "gpt-3-13b": (13.0, 0.15),  # the paper prints a width of 5140, which no 40 heads of 128 give; 5120 gives 12.85
    "gpt-3-175b": (175.0, 0.5),  # the paper prints 175.0 where its own shape gives 174.6
    "megatron-1.7b": (1.7, 0.05),
    "megatron-3.6b": (3.6, 0.05),
    "megatron-7.5b": (7.5, 0.05),
    "megatron-18b": (18.4, 0.05),
    "megatron-39b": (39.1, 0.05),
    "megatron-76b": (76.1, 0.05),
    "megatron-146b": (145.6, 0.05),
    "megatron-310b": (310.1, 0.05),
    "megatron-22b": (22, 0.5),
    "megatron-175b": (175, 0.5),
    "megatron-530b": (529.6, 0.05),
    "megatron-1t": (1008.0, 0.05),
    "mt-nlg-530b": (530, 0.5),
    "opt-30b": (30, 0.5),
    "opt-66b": (66, 0.5),
    "opt-175b": (175, 0.5),
    "mpt-30b": (30.0, 0.05),
    "falcon-180b": (180, 1.5),  # the output projection is stored apart (179.5) though it is tied (178.6)
    "palm-8b": (8.63, 0.005),
    "palm-62b": (62.50, 0.005),
    "palm-540b": (540.35, 0.01),  # 540.356, printed as 540.35
    "nemotron-4-15b": (15.7, 0.1),  # printed as 3.2 of embeddings + 12.5 of the rest
    "nemotron-4-340b": (341.0, 0.05),
    "llama-2-34b": (34, 0.5),
    "deepseek-v3": (671, 0.5),
    "kimi-k2": (1040, 15),  # printed as 1.04T; its configuration gives 1026.4
    "glm-4.5": (355, 2.5),  # 352.8, and 358.3 with the layer that predicts further tokens
    "glm-4.5-air": (106, 1),  # 106.85, printed as 106
    "llama-4-scout": (109, 1.5),  # 107.8 and a vision encoder of 0.9
    "llama-4-maverick": (400, 1),  # 400.7
    "ernie-4.5-300b-a47b": (300, 0.6),  # 299.5
    "grok-1": (314, 2),  # 315.7: 64 x (8 experts of 3 x 6144 x 32768 + 88M of attention) + 0.8 of embedding
    "arctic": (480, 1.5),  # printed as 10 + 128 x 3.66 = 478.5
    "hunyuan-large": (389, 0.5),
    "skywork-moe": (146, 0.5),
}


def test_every_architecture_is_checked_here() -> None:
    assert sorted([*EXACT, *ROUNDED]) == list(model_names())


@pytest.mark.parametrize(("name", "parameters"), EXACT.items())
def test_parameters_equal_the_checkpoint(name: str, parameters: int) -> None:
    assert model(name).parameters == parameters


@pytest.mark.parametrize(("name", "published"), ROUNDED.items())
def test_parameters_round_to_the_published_figure(name: str, published: tuple[float, float]) -> None:
    billions, tolerance = published
    assert model(name).parameters / 1e9 == pytest.approx(billions, abs=tolerance)


# Billions of active parameters as published, both embeddings counted.
ACTIVE = {
    "mixtral-8x7b": (12.9, 0.05),
    "mixtral-8x22b": (39, 0.5),
    "deepseek-moe-16b": (2.8, 0.05),
    "deepseek-v2": (21, 0.5),
    "deepseek-v3": (37, 0.6),  # 37.55, and 36.6 without the input embedding
    "kimi-k2": (32.6, 0.3),
    "qwen1.5-moe-a2.7b": (2.7, 0.05),
    "qwen2-57b-a14b": (14, 0.5),
    "qwen3-30b-a3b": (3.3, 0.06),
    "qwen3-235b-a22b": (22, 0.5),
    "olmoe-1b-7b": (1.3, 0.05),
    "phi-3.5-moe": (6.6, 0.05),
    "dbrx": (36, 0.5),
    "arctic": (17, 0.5),
    "hunyuan-large": (52, 0.5),
    "llama-4-scout": (17, 0.5),
    "llama-4-maverick": (17, 0.5),
}


@pytest.mark.parametrize(("name", "published"), ACTIVE.items())
def test_active_parameters_round_to_the_published_figure(name: str, published: tuple[float, float]) -> None:
    billions, tolerance = published
    assert model(name).active_parameters / 1e9 == pytest.approx(billions, abs=tolerance)


@pytest.mark.parametrize("path", sorted(DIRECTORY.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_file_states_its_name_source_and_published_count(path: Path) -> None:
    fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert fields["name"] == path.stem
    assert fields["source"]
    assert ("parameters" in fields) != ("parameters_rounded" in fields)


def test_a_name_is_found_in_any_case_and_a_wrong_one_gets_the_nearest() -> None:
    assert model("Llama-3-70B") is model("llama-3-70b")
    with pytest.raises(InputError, match=r"'lama-2-7b' is not a known model.*did you mean 'llama-2-7b'\?"):
        model("lama-2-7b")


def test_a_file_of_the_users_own_is_relative_to_its_workload(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "layers: 2\nhidden_size: 64\nffn_size: 256\nheads: 4\nkv_heads: 4\nvocabulary: 100\nparameters_rounded: 144k\n"
    )
    spec = model("mine.yaml", tmp_path)
    assert spec.name == "mine"
    # 2 layers x (4 x 64^2 attention + 3 x 64 x 256 feed-forward + 2 x 64 norms) + 2 x 100 x 64 embeddings + 64
    assert spec.parameters == 2 * (16_384 + 49_152 + 128) + 12_800 + 64


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("layrs: 2", r"mine.yaml:8: layrs: unknown key; did you mean 'layers'\?"),
        ("gated_mlp: maybe", r"mine.yaml:8: gated_mlp: expected true or false, got 'maybe'"),
        ("parameters: 5", r"mine.yaml:8: parameters: the fields give 144,192 parameters, got 5"),
        ("parameters_rounded: lots", r"mine.yaml:8: parameters_rounded: expected a number of parameters"),
        ("source: 5", r"mine.yaml:8: source: expected text, got 5"),
        ("head_size: 1.5", r"mine.yaml:8: head_size: expected a whole number"),
    ],
)
def test_a_wrong_field_of_the_users_own_file_has_its_line(tmp_path: Path, line: str, expected: str) -> None:
    text = "# mine\nlayers: 2\nhidden_size: 64\nffn_size: 256\nheads: 4\nkv_heads: 4\nvocabulary: 100\n"
    (tmp_path / "mine.yaml").write_text(text + line)
    with pytest.raises(InputError, match=expected):
        model(tmp_path / "mine.yaml")


def test_every_missing_field_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("layers: 2\nhidden_size: 64\n")
    with pytest.raises(InputError) as caught:
        model(tmp_path / "mine.yaml")
    assert [problem.field for problem in caught.value.problems] == ["ffn_size", "heads", "kv_heads", "vocabulary"]
