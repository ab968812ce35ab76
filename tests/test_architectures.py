"""Every bundled architecture counts its parameters as published, and configurations of Hugging Face are understood."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from planner.architecture import DIRECTORY, from_hugging_face, model, model_names
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


LLAMA = {
    "model_type": "llama",
    "hidden_size": 8192,
    "intermediate_size": 28672,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "tie_word_embeddings": False,
}
# The keys of the published config.json files, with what has no bearing on the shape left out.
CONFIGS: dict[str, tuple[dict[str, Any], int]] = {
    "llama-3-70b": (LLAMA, 70_553_706_496),
    "llama-2-7b": (
        {
            "model_type": "llama",
            "hidden_size": 4096,
            "intermediate_size": 11008,
            "vocab_size": 32000,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
        },
        6_738_415_616,
    ),  # no num_key_value_heads
    "mistral-nemo": (
        {
            "model_type": "mistral",
            "hidden_size": 5120,
            "intermediate_size": 14336,
            "num_hidden_layers": 40,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "vocab_size": 131072,
            "sliding_window": None,
        },
        12_247_782_400,
    ),
    "qwen2-0.5b": (
        {
            "model_type": "qwen2",
            "hidden_size": 896,
            "intermediate_size": 4864,
            "num_hidden_layers": 24,
            "num_attention_heads": 14,
            "num_key_value_heads": 2,
            "vocab_size": 151936,
            "sliding_window": 32768,
            "use_sliding_window": False,
            "tie_word_embeddings": True,
        },
        494_032_768,
    ),
    "gemma-7b": (
        {
            "model_type": "gemma",
            "hidden_size": 3072,
            "intermediate_size": 24576,
            "num_hidden_layers": 28,
            "num_attention_heads": 16,
            "num_key_value_heads": 16,
            "head_dim": 256,
            "vocab_size": 256000,
        },
        8_537_680_896,
    ),
    "gpt2-xl": (
        {"model_type": "gpt2", "n_embd": 1600, "n_head": 25, "n_layer": 48, "n_positions": 1024, "vocab_size": 50257},
        1_557_611_200,
    ),
    "gpt-neox-20b": (
        {
            "model_type": "gpt_neox",
            "hidden_size": 6144,
            "intermediate_size": 24576,
            "vocab_size": 50432,
            "num_hidden_layers": 44,
            "num_attention_heads": 64,
            "tie_word_embeddings": False,
        },
        20_554_567_680,
    ),
    "opt-1.3b": (
        {
            "model_type": "opt",
            "hidden_size": 2048,
            "ffn_dim": 8192,
            "num_hidden_layers": 24,
            "num_attention_heads": 32,
            "max_position_embeddings": 2048,
            "vocab_size": 50272,
            "word_embed_proj_dim": 2048,
        },
        1_315_758_080,
    ),
    "bloom": (
        {"model_type": "bloom", "n_embed": 14336, "num_attention_heads": 112, "n_layer": 70, "vocab_size": 250880},
        176_247_271_424,
    ),
    "falcon-7b": (
        {
            "model_type": "falcon",
            "hidden_size": 4544,
            "num_hidden_layers": 32,
            "num_attention_heads": 71,
            "vocab_size": 65024,
            "multi_query": True,
            "parallel_attn": True,
            "bias": False,
            "new_decoder_architecture": False,
        },
        6_921_720_704,
    ),
    "falcon-40b": (
        {
            "model_type": "falcon",
            "hidden_size": 8192,
            "num_hidden_layers": 60,
            "num_attention_heads": 128,
            "num_kv_heads": 8,
            "vocab_size": 65024,
            "bias": False,
            "new_decoder_architecture": True,
        },
        41_303_293_952,
    ),
}


@pytest.mark.parametrize(("config", "parameters"), CONFIGS.values(), ids=CONFIGS)
def test_a_hugging_face_config_counts_as_its_checkpoint(config: dict[str, Any], parameters: int) -> None:
    assert from_hugging_face(config).parameters == parameters


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"model_type": "mixtral"}, r"json:1: model_type: 'mixtral' models cannot be read.*give parameters and tokens"),
        ({"model_type": "lama"}, r"did you mean 'llama'\?"),
        ({"num_hidden_layers": None}, r"config.json:1: layers: expected a number.*got nothing"),
        ({"num_hidden_layers": -1}, r"layers: expected at least 1, got -1"),
        ({"num_key_value_heads": 7}, r"kv_heads: expected a divisor of heads \(64\), got 7"),
        ({"mlp_bias": True}, r"mlp_bias: biases"),
        ({"quantization_config": {"bits": 4}}, r"quantization_config: a quantised checkpoint"),
    ],
)
def test_a_config_that_does_not_fit_says_why(tmp_path: Path, changes: dict[str, Any], expected: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA | changes))
    with pytest.raises(InputError, match=expected):
        model(path)


def test_a_config_without_a_key_names_it(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({key: value for key, value in LLAMA.items() if key != "vocab_size"}))
    with pytest.raises(InputError, match="missing key 'vocab_size' of a llama model"):
        model(str(path))


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
