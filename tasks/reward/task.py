"""Pairs and the SFT model in; a reward model and its held-out accuracy out."""

from tasks.artifact import Artifact, new_artifact, work_folder
from tasks.caching import cached_task
from tasks.errors import TrainingError
from tasks.reporting import progress, show_table
from tasks.reward.params import RewardParams


@cached_task("train reward model, at most {params.max_steps} steps")
def train_reward_model(pairs: Artifact, sft: Artifact, params: RewardParams) -> Artifact:
    """Train a reward model from the SFT model.

    Returns a folder: model/ (Hugging Face, safetensors), accuracy.json (on held-out pairs, by source, with its 95 %
    interval, beside guesses by length and by who wrote an answer; and by difference of length), log.json.
    """
    import json

    import torch

    from tasks.models import load_reward_model, load_tokenizer, save_model
    from tasks.reward.accuracy import accuracy_by_length, accuracy_by_source
    from tasks.reward.train import short_enough, train_reward
    from tasks.runtime import device, torch_threads
    from tasks.scoring import score_answers
    from tasks.tables import PAIRS, WRITERS, read_table

    with torch_threads(), new_artifact("reward", "reward") as out:
        torch.manual_seed(params.seed)
        tokenizer = load_tokenizer(sft.path / "model")
        model = load_reward_model(sft.path / "model", pad_token_id=tokenizer.pad_token_id).to(device())
        every = read_table(pairs.path, PAIRS | WRITERS)
        kept = short_enough(model, tokenizer, every, params.max_length)
        learnt, held_out = kept.filter(split="train"), kept.filter(split="eval")
        if held_out.is_empty():
            raise TrainingError(
                "No held-out pair is short enough, so the reward model could not be judged. Give more pairs, or raise "
                "--pairs.eval-share or --reward.max-length."
            )
        with progress("reward model") as show:
            log = train_reward(model, tokenizer, learnt, params, work_folder("reward"), show)
        prompts = held_out["prompt"].to_list()
        chosen = score_answers(model, tokenizer, prompts, held_out["chosen"].to_list())
        rejected = score_answers(model, tokenizer, prompts, held_out["rejected"].to_list())
        by_source = accuracy_by_source(held_out, chosen - rejected, learnt)
        by_length = accuracy_by_length(held_out, chosen - rejected)
        accuracy = {
            "pairs": len(every),
            "too_long": len(every) - len(kept),
            "by_source": by_source,
            "by_length": by_length,
        }
        save_model(out.path / "model", model, tokenizer)
        (out.path / "accuracy.json").write_text(json.dumps(accuracy, indent=1))
        (out.path / "log.json").write_text(json.dumps(log))
        show_table(
            "reward-accuracy",
            by_source,
            f"Held-out pairs put in the right order; {accuracy['too_long']} pairs too long and left out",
        )
        show_table("reward-accuracy-by-length", by_length, "The same by how many characters longer the chosen one is")
    return out.sealed()
