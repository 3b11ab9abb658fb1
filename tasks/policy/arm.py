"""One arm from its inputs to its files: what the task runs, and each process of several."""

import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

from tasks.models import load_causal_lm, load_reward_model, load_tokenizer, longest_prompt, save_model
from tasks.params import Params
from tasks.policy.gate import refuse_weak_reward
from tasks.policy.params import Arm, PolicyParams
from tasks.policy.plan import count_table, draw_schedule, settings, trainable
from tasks.policy.rewards import Seen, checker_reward, model_reward, read_seen, zero_variance_groups
from tasks.policy.train import train_grpo
from tasks.runtime import device, rank


class Job(Params):
    """An arm to train, as JSON for a process that knows nothing else. Checkpoints lie in `work`, results in `out`."""

    arm: Arm
    prompts: Path
    weights: Path
    sft: Path
    reward: Path
    work: Path
    out: Path
    params: PolicyParams


def train_arm(job: Job, progress: Callable[[float], None]) -> None:
    """Plan and train one arm, and write the folder that `train_policy` describes.

    Each of several processes calls it with the same job; the first one reports progress and writes.
    Raises TrainingError where there is nothing to train on, or a weak reward model to be trained by.
    """
    params = job.params
    tokenizer = load_tokenizer(job.sft / "model", padding_side="left")
    model = load_causal_lm(job.sft / "model")
    judge = load_reward_model(job.reward / "model").to(device())
    longest = longest_prompt(model, params.max_prompt, params.max_completion)
    table, too_long = trainable(job.prompts, job.weights, tokenizer, longest)
    if not params.allow_weak_reward:
        refuse_weak_reward(json.loads((job.reward / "accuracy.json").read_text())["by_source"], table, params.reward)
    schedule = draw_schedule(job.arm, table, params)
    rewards = [
        checker_reward(params.reward),
        model_reward(judge, load_tokenizer(job.reward / "model"), params.reward),
    ]
    log = train_grpo(model, tokenizer, schedule, rewards, Seen(job.work, rank()), params, job.work, progress)
    if rank() > 0:
        return
    save_model(job.out / "model", model, tokenizer)
    seen = read_seen(job.work)
    counts = count_table(job.arm, table, schedule, seen, params)
    counts.write_parquet(job.out / "schedule.parquet")
    said = [{"prompt": row["prompt"], "completion": row["completion"]} for row in seen[max(seen)]]
    (job.out / "completions.json").write_text(json.dumps(said, ensure_ascii=False, indent=1))
    alike = zero_variance_groups(seen, dict(table.select("id", "meta").iter_rows()), params.generations)
    before = 0
    for entry in log:
        if "reward" in entry:
            entry["zero_variance_groups"] = fmean(alike[step] for step in range(before, int(entry["step"])))
            before = int(entry["step"])
    (job.out / "log.json").write_text(json.dumps(log))
    chosen = settings(job.arm, params, schedule, too_long)
    (job.out / "settings.json").write_text(json.dumps(chosen, indent=1))
