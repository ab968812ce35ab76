"""Configurations of Hugging Face give the model they describe, and say what is wrong with them otherwise."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from planner.architecture import from_hugging_face, model, model_names
from planner.errors import InputError
from planner.hugging_face.config import FAMILIES, TEXT_MODELS
from planner.read import Invalid

# The keys of the published config.json files that have a bearing on the shape, in the shape they were published.
DIRECTORY = Path(__file__).parent / "hugging_face"
NAMES = sorted(path.stem for path in DIRECTORY.glob("*.json"))
# Parameters of models without a file in planner/architectures: those of transformers' own model of the configuration,
# or of the published checkpoint (qwen-7b).
COUNTS = {
    "afm-4.5b": 4_619_184_640,
    "codegen-16b": 16_032_155_648,
    "dots1": 142_774_381_696,
    "exaone-4-32b": 32_003_216_384,
    "falcon-11b": 11_102_822_400,
    "falcon-rw-1b": 1_311_625_216,
    "galactica-1.3b": 1_314_557_952,
    "gpt-neo-2.7b": 2_651_307_520,
    # 64 x (8 experts of 3 x 6144 x 32,768, router 8 x 6144, attention 2 x 6144^2 + 2 x 6144 x 1024, four norms), a last
    # norm and, unlike the original, an output projection of its own: 2 x 131,072 x 6144
    "grok-1-hpcai": 316_490_127_360,
    "helium-1-2b": 2_172_643_840,
    "llava-1.5-7b": 6_738_939_904,
    "mistral-small-3.1-24b": 23_572_403_200,
    "olmo-3-7b": 7_298_011_136,
    "qwen-7b": 7_721_324_544,
    "qwen2.5-vl-7b": 7_615_616_512,
    "stablelm-2-1.6b": 1_644_515_328,
    "stablelm-2-12b": 12_143_185_920,
    "starcoder2-3b": 3_030_371_328,
}


def config(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def test_every_config_is_of_a_named_model_or_is_counted_here() -> None:
    assert {name for name in NAMES if name not in model_names()} == set(COUNTS)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in COUNTS])
def test_a_config_gives_the_named_model(name: str) -> None:
    named = model(name)
    assert replace(model(DIRECTORY / f"{name}.json"), name=named.name, source=named.source) == named


@pytest.mark.parametrize(("name", "parameters"), COUNTS.items())
def test_a_config_counts_as_its_checkpoint(name: str, parameters: int) -> None:
    assert model(DIRECTORY / f"{name}.json").parameters == parameters


def test_every_family_is_read_in_a_test() -> None:
    kinds = set()
    for name in NAMES:
        one = config(name)
        kind = one.get("text_config", one).get("model_type", one["model_type"])
        kinds.add(TEXT_MODELS.get(kind, kind))
    alike = {
        "baichuan": "llama",
        "ernie4_5": "ernie4_5_moe",
        "granitemoeshared": "granitemoe",
        "hunyuan_v1_dense": "hunyuan_v1_moe",
        "internlm": "internlm2",
    }
    assert set(FAMILIES) - kinds == set(alike)


@pytest.mark.parametrize(
    ("base", "changes", "difference"),
    [
        # hidden 8192, 64 query and 8 key heads of 128, 80 layers: q 8192 + k, v 2 x 1024 + output 8192 biases each
        ("llama-3-70b", {"attention_bias": True}, 80 * (8192 + 2048 + 8192)),
        # gate and up 28,672 each, down 8192
        ("llama-3-70b", {"mlp_bias": True}, 80 * (2 * 28_672 + 8192)),
        ("llama-3-70b", {"tie_word_embeddings": True}, -128_256 * 8192),
        # GLM-4: query 32 x 128 and two key and value heads, 40 layers; no bias on the output projection
        ("glm-4-9b", {"attention_bias": False}, -40 * (4096 + 2 * 2 * 128)),
        # the last of 24 layers dense: 60 experts, router, shared expert and its gate against one block of 5632
        ("qwen1.5-moe-a2.7b", {"num_experts": 0}, -24 * (60 * 3 * 2048 * 1408 + 60 * 2048 + 2048)),
        # GPT-NeoX without biases of attention: query, key and value 3 x 6144, output 6144, 44 layers
        ("gpt-neox-20b", {"attention_bias": False}, -44 * 4 * 6144),
        # MPT with learned positions
        ("mpt-30b", {"attn_config": {"alibi": False}, "max_seq_len": 2048}, 2048 * 7168),
        # a shared expert of 512 in each of the 24 layers
        (
            "granite-3-1b-a400m",
            {"model_type": "granitemoeshared", "shared_intermediate_size": 512},
            24 * 3 * 1024 * 512,
        ),
        # 28 layers of 20 query and 4 key heads of 128, one dense of 12,288, 64 + 2 experts of 1536; head 103,424
        (
            "ernie-4.5-21b-a3b",
            {"use_bias": True},
            28 * (28 * 128 + 2560)
            + (2 * 12_288 + 2560)
            + 27 * (64 * (2 * 1536 + 2560) + 2 * 2 * 1536 + 2560)
            + 103_424,
        ),
    ],
)
def test_a_key_adds_the_parameters_it_stands_for(base: str, changes: dict[str, Any], difference: int) -> None:
    plain = from_hugging_face(config(base))
    assert from_hugging_face(config(base) | changes).parameters - plain.parameters == difference


@pytest.mark.parametrize(
    ("base", "changes", "window", "every"),
    [
        ("mistral-nemo-12b", {"sliding_window": 4096}, 4096, 0),
        ("qwen3-8b", {"sliding_window": 4096, "use_sliding_window": True, "max_window_layers": 0}, 4096, 0),
        ("qwen3-8b", {"sliding_window": 4096, "use_sliding_window": True, "max_window_layers": 36}, 0, 0),
        ("qwen3-8b", {"sliding_window": 4096, "use_sliding_window": False, "max_window_layers": 0}, 0, 0),
        ("gpt-oss-20b", {"layer_types": None}, 128, 2),  # the default of the family
        ("gpt-oss-20b", {"layer_types": ["full_attention"] * 24}, 0, 0),
        ("gpt-oss-20b", {"layer_types": ["sliding_attention"] * 24}, 128, 0),
        ("gpt-oss-20b", {"layer_types": ["full_attention", *["sliding_attention"] * 7] * 3}, 128, 8),
        ("gpt-oss-20b", {"layer_types": [*["sliding_attention"] * 23, "full_attention"]}, 128, 24),
        ("exaone-4-32b", {"sliding_window_pattern": 8}, 4096, 8),
        ("exaone-4-32b", {"sliding_window": None}, 0, 0),
    ],
)
def test_the_window_of_each_layer_becomes_a_pattern(
    base: str, changes: dict[str, Any], window: int, every: int
) -> None:
    spec = from_hugging_face(config(base) | changes)
    assert (spec.sliding_window, spec.global_attention_every) == (window, every)


@pytest.mark.parametrize(
    ("base", "changes", "dense", "every", "layers"),
    [
        ("qwen3-30b-a3b", {"decoder_sparse_step": 2}, 0, 2, 24),
        ("qwen3-30b-a3b", {"mlp_only_layers": [0, 1, 2]}, 3, 1, 45),
        ("ernie-4.5-300b-a47b", {"moe_layer_interval": 2}, 2, 2, 26),  # layers 3, 5 ... 53
        ("deepseek-v3", {"first_k_dense_replace": 60}, 60, 1, 1),
        ("deepseek-v3", {"first_k_dense_replace": 3, "moe_layer_freq": 2}, 3, 2, 29),  # layers 4, 6 ... 60
    ],
)
def test_layers_with_experts_become_a_pattern(
    base: str, changes: dict[str, Any], dense: int, every: int, layers: int
) -> None:
    spec = from_hugging_face(config(base) | changes)
    assert (spec.dense_layers, spec.moe_every, spec.moe_layers) == (dense, every, layers)


def test_a_config_without_experts_is_dense() -> None:
    spec = from_hugging_face(config("deepseek-v2-lite") | {"first_k_dense_replace": 27})
    assert (spec.experts, spec.moe_layers, spec.shared_ffn_size) == (0, 0, 0)


def test_the_text_model_of_a_multimodal_one_is_read_and_the_source_says_so() -> None:
    spec = model(DIRECTORY / "llama-4-scout.json")
    expected = "Hugging Face config.json, text_config (llama4_text) of a llama4 model, whose other parts are left out"
    assert spec.source == expected


def test_the_embedding_tied_outside_the_text_config_is_tied() -> None:
    wrapper = {"model_type": "qwen3_vl", "tie_word_embeddings": True, "text_config": config("qwen3-8b")}
    del wrapper["text_config"]["tie_word_embeddings"]
    assert from_hugging_face(wrapper).tied_embeddings


def test_a_model_is_named_by_its_origin_or_its_folder(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config("llama-3-70b")))
    assert model(tmp_path / "config.json").name == tmp_path.name
    named = config("llama-3-70b") | {"_name_or_path": "meta-llama/Meta-Llama-3-70B"}
    assert from_hugging_face(named).name == "Meta-Llama-3-70B"


KNOWN = ", ".join(sorted(FAMILIES))
BAD: list[tuple[str, dict[str, Any], list[str]]] = [
    (
        "llama-3-70b",
        {"model_type": "lama"},
        [
            "model_type: 'lama' models cannot be read from config.json: write a YAML file with the fields of a model "
            "spec (this file seems to give layers, hidden_size, ffn_size, heads, kv_heads, vocabulary), or give "
            f"parameters and tokens instead of a model; known are {KNOWN}; did you mean 'llama'?"
        ],
    ),
    (
        "codegen-16b",
        {"model_type": "ctrl"},
        [
            "model_type: 'ctrl' models cannot be read from config.json: write a YAML file with the fields of a model "
            "spec (this file seems to give layers, hidden_size, heads, vocabulary, not ffn_size, kv_heads), or give "
            f"parameters and tokens instead of a model; known are {KNOWN}"
        ],
    ),
    (
        "mixtral-8x7b",
        {"model_type": "jamba"},
        [
            "model_type: 'jamba' models have state-space layers, which a model spec cannot express: give parameters "
            "and tokens instead of a model"
        ],
    ),
    (
        "llama-3-70b",
        {"model_type": None, "architectures": []},
        ["model_type: missing; it says which family of models this is"],
    ),
    (
        "llama-3-70b",
        {"num_hidden_layers": None},
        ["num_hidden_layers: expected a number such as 1000 or '7B', got nothing"],
    ),
    ("llama-3-70b", {"num_hidden_layers": -1}, ["num_hidden_layers: expected at least 1, got -1"]),
    ("llama-3-70b", {"num_hidden_layers": 10**9}, ["num_hidden_layers: expected at most 10,000, got 1000000000"]),
    ("llama-3-70b", {"hidden_size": [1, 2]}, ["hidden_size: expected a number such as 1000 or '7B', got a list"]),
    ("llama-3-70b", {"num_key_value_heads": 7}, ["num_key_value_heads: expected a divisor of heads (64), got 7"]),
    ("llama-3-70b", {"attention_bias": "yes"}, ["attention_bias: expected true or false, got 'yes'"]),
    (
        "llama-3-70b",
        {"quantization_config": {"quant_method": "fp8"}},
        ["quantization_config: a quantised checkpoint cannot be trained: use the config of the original model"],
    ),
    (
        "deepseek-v3",
        {"quantization_config": {"quant_method": "awq"}},
        ["quantization_config: a quantised checkpoint cannot be trained: use the config of the original model"],
    ),
    (
        "deepseek-v3",
        {"attention_bias": True},
        ["attention_bias: biases in multi-head latent attention are not supported"],
    ),
    ("deepseek-v3", {"num_experts_per_tok": 257}, ["num_experts_per_tok: expected at most experts (256), got 257"]),
    ("deepseek-v3", {"moe_layer_freq": 0}, ["moe_layer_freq: expected at least 1, got 0"]),
    ("qwen3-30b-a3b", {"mlp_only_layers": 3}, ["mlp_only_layers: expected a list, got 3"]),
    (
        "qwen3-30b-a3b",
        {"mlp_only_layers": [5]},
        ["mlp_only_layers: layers with experts must be evenly spaced, after dense ones, for a model spec"],
    ),
    (
        "qwen3-8b",
        {"sliding_window": 4096, "use_sliding_window": True, "max_window_layers": 28},
        ["max_window_layers: layers that attend globally must be evenly spaced for a model spec"],
    ),
    (
        "gpt-oss-20b",
        {"layer_types": ["full_attention"]},
        ["layer_types: expected one entry for each of the 24 layers, got 1"],
    ),
    (
        "gpt-oss-20b",
        {"layer_types": ["linear_attention"] * 24},
        [
            "layer_types: expected a list of sliding_attention, chunked_attention, full_attention, got "
            "'linear_attention'"
        ],
    ),
    ("dbrx", {"ffn_config": "big"}, ["ffn_config: expected keys and values, got 'big'"]),
    ("mpt-30b", {"no_bias": False}, ["no_bias: biases and norms of query and key are not supported in an mpt model"]),
    ("phi-2", {"qk_layernorm": True}, ["qk_layernorm: norms of query and key heads with a bias are not supported"]),
    ("hunyuan-a13b", {"use_cla": True}, ["use_cla: keys and values shared between layers are not supported"]),
    ("gpt-neo-2.7b", {"num_layers": 24}, ["attention_types: expected 24 layers, got 32"]),
    (
        "galactica-1.3b",
        {"word_embed_proj_dim": 512, "do_layer_norm_before": False},
        [
            "do_layer_norm_before: norms after the blocks (OPT-350M) are not supported",
            "word_embed_proj_dim: projected embeddings (OPT-350M) are not supported",
        ],
    ),
    (
        "llama-4-scout",
        {"text_config": {"model_type": "llama4_text", "num_local_experts": "many"}},
        ["text_config.num_local_experts: expected a number such as 1000 or '7B', got 'many'"],
    ),
]


@pytest.mark.parametrize(("base", "changes", "expected"), BAD)
def test_a_config_that_does_not_fit_says_why(base: str, changes: dict[str, Any], expected: list[str]) -> None:
    with pytest.raises(Invalid) as caught:
        from_hugging_face(config(base) | changes)
    assert sorted(map(str, caught.value.problems)) == expected


def test_every_missing_key_is_named_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        from_hugging_face({"model_type": "qwen3_moe", "hidden_size": 2048, "vocab_size": 151_936})
    assert list(map(str, caught.value.problems)) == [
        f"{key}: missing; a qwen3_moe configuration states it"
        for key in (
            "num_hidden_layers",
            "num_attention_heads",
            "intermediate_size",
            "num_experts",
            "num_experts_per_tok",
            "moe_intermediate_size",
        )
    ]


def test_a_problem_has_the_line_of_its_key_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    wrong = config("llama-4-scout")
    wrong["text_config"]["num_key_value_heads"] = 7
    path.write_text(json.dumps(wrong, indent=2))
    line = path.read_text().splitlines().index('    "num_key_value_heads": 7,') + 1
    with pytest.raises(InputError) as caught:
        model(path)
    expected = f"{path}:{line}: text_config.num_key_value_heads: expected a divisor of heads (40), got 7"
    assert str(caught.value) == expected


ODD = [None, -1, 0, 1.5, 10**30, True, "x", [], [[]], ["x"], {}, {"alibi": 1}]


@pytest.mark.parametrize("name", NAMES)
def test_no_value_of_any_key_ends_in_a_traceback(name: str) -> None:
    whole = config(name)
    inner = whole.get("text_config", whole)
    for key in inner:
        if key == "model_type":
            continue
        for odd in ODD:
            changed = inner | {key: odd}
            try:
                spec = from_hugging_face(whole | {"text_config": changed} if "text_config" in whole else changed)
            except Invalid:
                continue
            assert spec.parameters > 0
