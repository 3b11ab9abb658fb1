"""Prompts, weights, the SFT and the reward model in; one trained policy out."""

from tasks.artifact import Artifact, new_artifact, work_folder
from tasks.caching import cached_task
from tasks.policy.params import Arm, PolicyParams
from tasks.reporting import progress, show_table


@cached_task("train policy {arm}, at most {params.max_steps} steps")
def train_policy(
    arm: Arm, prompts: Artifact, weights: Artifact, sft: Artifact, reward: Artifact, params: PolicyParams
) -> Artifact:
    """Train one arm's policy with GRPO on the training prompts.

    Returns a folder: model/ (Hugging Face, safetensors), schedule.parquet (id, expected, drawn, seen),
    settings.json, log.json (by step), completions.json (the last batch).
    """
    import json

    from tasks.models import load_causal_lm, load_reward_model, load_tokenizer, longest_prompt, save_model
    from tasks.policy.gate import refuse_weak_reward
    from tasks.policy.plan import count_table, draw_schedule, settings, trainable
    from tasks.policy.rewards import Seen, checker_reward, model_reward
    from tasks.policy.train import train_grpo
    from tasks.runtime import device, torch_threads

    with torch_threads(), new_artifact("policy", "policy") as out:
        tokenizer = load_tokenizer(sft.path / "model", padding_side="left")
        model = load_causal_lm(sft.path / "model")
        judge = load_reward_model(reward.path / "model").to(device())
        longest = longest_prompt(model, params.max_prompt, params.max_completion)
        table, too_long = trainable(prompts.path, weights.path, tokenizer, longest)
        if not params.allow_weak_reward:
            held_out = json.loads((reward.path / "accuracy.json").read_text())["by_source"][0]
            refuse_weak_reward(held_out, table["meta"], params.reward)
        schedule = draw_schedule(arm, table, params)
        rewards = [
            checker_reward(params.reward),
            model_reward(judge, load_tokenizer(reward.path / "model"), params.reward),
        ]
        seen = Seen(work_folder("policy"), params.generations)
        with progress(f"GRPO, {arm}") as show:
            log = train_grpo(model, tokenizer, schedule, rewards, seen, params, work_folder("policy"), show)
        save_model(out.path / "model", model, tokenizer)
        count_table(arm, table, schedule, seen, params.seed).write_parquet(out.path / "schedule.parquet")
        (out.path / "log.json").write_text(json.dumps(log))
        chosen = settings(arm, params, schedule, too_long)
        (out.path / "settings.json").write_text(json.dumps(chosen, indent=1))
        (out.path / "completions.json").write_text(json.dumps(seen.last, ensure_ascii=False, indent=1))
        rewards_seen = [entry["reward"] for entry in log if "reward" in entry]
        shown = {**chosen, "reward at first": rewards_seen[0], "reward at last": rewards_seen[-1]}
        show_table(f"policy-{arm}", [shown], f"How {arm} was trained")
        show_table(f"completions-{arm}", seen.last[:16], f"Completions sampled in the last step of {arm}")
    return out.sealed()
