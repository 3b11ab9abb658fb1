"""Pairs in; the model before and after supervised training out."""

from tasks.artifact import Artifact, new_artifact, work_folder
from tasks.caching import cached_task
from tasks.model_folders import find_model
from tasks.reporting import progress, show_table
from tasks.sft.params import SftParams


def find_sft_model(params: SftParams) -> Artifact | None:
    """The model to start from, by path or name; None for the small one made from scratch."""
    return find_model(params.model) if params.model else None


@cached_task("train SFT, at most {params.max_steps} steps")
def train_sft_model(pairs: Artifact, start: Artifact | None, params: SftParams) -> Artifact:
    """Train a causal language model on the chosen answers.

    Returns a folder: base/ (before) and model/ (after), Hugging Face folders in safetensors, and
    log.json (loss by step).
    """
    import json

    from tasks.models import load_causal_lm, load_tokenizer, save_model
    from tasks.runtime import device, torch_threads
    from tasks.scratch import small_llama, train_tokenizer
    from tasks.sft.train import short_enough, train_sft
    from tasks.tables import PAIRS, read_table

    rows = read_table(pairs.path, PAIRS).filter(split="train").unique(("prompt", "chosen"), maintain_order=True)
    prompts, answers = rows["prompt"].to_list(), rows["chosen"].to_list()
    with torch_threads(), new_artifact("sft", "sft") as out:
        if start is None:
            tokenizer = train_tokenizer([*prompts, *answers], params.vocabulary)
            model = small_llama(
                tokenizer,
                hidden=params.hidden,
                layers=params.layers,
                heads=params.heads,
                positions=max(2048, params.max_length),
                seed=params.seed,
            )
        else:
            tokenizer, model = load_tokenizer(start.path), load_causal_lm(start.path)
        save_model(out.path / "base", model, tokenizer)
        kept = short_enough(model, tokenizer, prompts, answers, params.max_length)
        learnt = [prompts[i] for i in kept], [answers[i] for i in kept]
        with progress("supervised training") as show:
            log = train_sft(model.to(device()), tokenizer, *learnt, params, work_folder("sft"), show)
        save_model(out.path / "model", model, tokenizer)
        (out.path / "log.json").write_text(json.dumps(log))
        figures = {
            "parameters": model.num_parameters(),
            "examples": len(kept),
            "too_long": len(prompts) - len(kept),
            "steps": log[-1]["step"],
            "loss_first": log[0]["loss"],
            "loss_last": log[-2]["loss"] if len(log) > 1 else log[0]["loss"],
        }
        show_table("sft", [figures], "Supervised training; examples over max_length tokens are left out")
    return out.sealed()
