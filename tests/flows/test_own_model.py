"""A causal language model from a folder, of another make than ours and with a chat template, on real preferences."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, Qwen2Config, Qwen2ForCausalLM

from flows.experiment import experiment
from flows.params import ExperimentParams
from tasks.scratch import train_tokenizer
from tests.flows.test_kat import TINY

SHARED = Path(__file__).parents[3] / "shared" / "data"
TURNS = (
    "{% for turn in messages %}{{ '<' + turn.role + '>' + turn.content + eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant>' }}{% endif %}"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> Path:
    folder = tmp_path_factory.mktemp("own")
    tokenizer = train_tokenizer(["Wie geht es dir?", "How are you?"] * 3, 400)
    tokenizer.chat_template = TURNS
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=2048,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder / "qwen")
    tokenizer.save_pretrained(folder / "qwen")
    sources = [f"file:{SHARED}/preferences_{name}.parquet" for name in ("wmt_mqm_ted", "alpaca_eval")]
    given = {name: of for name, of in TINY.items() if name not in ("terms", "map")}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        experiment(
            ExperimentParams.model_validate(
                {
                    **given,
                    "seeds": 1,
                    "pairs": {"sources": sources, "limit": 200, "eval_share": 0.2},
                    "sft": {"model": str(folder / "qwen"), "max_steps": 2, "batch": 8, "max_length": 2048},
                    "reward": {"max_steps": 2, "batch": 4, "max_length": 2048},
                    "embed": {"encoder": "minilm"},
                }
            )
        )
    return folder / "data"


def test_every_arm_is_the_given_model_trained_further(made: Path) -> None:
    start = load_file(made.parent / "qwen/model.safetensors")
    for arm in ("uniform", "density", "placebo"):
        folder = made / f"out/experiment/arms/{arm}/seed-0/model"
        assert isinstance(AutoModelForCausalLM.from_pretrained(folder), Qwen2ForCausalLM)
        trained = load_file(folder / "model.safetensors")
        assert any((trained[name] != start[name]).any() for name in start)


def test_without_a_checker_the_question_is_how_far_good_answers_spread(made: Path) -> None:
    comparison = json.loads((made / "out/experiment/comparison.json").read_text())
    assert comparison["primary"] == {"contrast": "density-placebo", "metric": "good_spread"}
    for of in comparison["arms"].values():
        assert of["distinct_correct"]["n"] == of["pass@1"]["n"] == 0
        assert of["self_bleu"]["n"] > 0


def test_the_reward_model_is_judged_against_who_wrote_an_answer(made: Path) -> None:
    [accuracy] = made.glob("reward/[!.]*/*/accuracy.json")
    for row in json.loads(accuracy.read_text())["by_source"]:
        assert 0 <= row["writer_only"] <= 1
