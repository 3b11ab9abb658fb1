"""Prompts, weights, the SFT and the reward model in; one trained policy out."""

from typing import Any

from tasks.artifact import Artifact, new_artifact, work_folder
from tasks.caching import cached_task
from tasks.errors import ProcessDied
from tasks.policy.params import Arm, PolicyParams
from tasks.reporting import progress, show_table


def stop_training() -> None:
    """End policies that train in processes of their own: a signal reaches the main thread alone."""
    from tasks.launch import stop_processes

    stop_processes()


def _process_died(task: Any, run: Any, state: Any) -> bool:
    return isinstance(state.result(raise_on_failure=False), ProcessDied)


@cached_task(
    "train policy {arm}, at most {params.max_steps} steps",
    retries=2,
    retry_delay_seconds=5,
    retry_condition_fn=_process_died,
)
def train_policy(
    arm: Arm, prompts: Artifact, weights: Artifact, sft: Artifact, reward: Artifact, params: PolicyParams
) -> Artifact:
    """Train one arm's policy with GRPO on the training prompts.

    Returns a folder: model/ (Hugging Face, safetensors), schedule.parquet (id, expected, drawn, seen),
    settings.json, log.json (by step), completions.json (the last batch).
    """
    import json

    from tasks.policy.arm import Job, train_arm
    from tasks.policy.launch import train_arm_apart
    from tasks.runtime import torch_threads

    with torch_threads(), new_artifact("policy", "policy") as out:
        job = Job(
            arm=arm,
            prompts=prompts.path,
            weights=weights.path,
            sft=sft.path,
            reward=reward.path,
            work=work_folder("policy"),
            out=out.path,
            params=params,
        )
        with progress(f"GRPO, {arm}") as show:
            apart = params.launcher == "accelerate" or params.side_by_side > 1
            (train_arm_apart if apart else train_arm)(job, show)
        written = lambda name: json.loads((out.path / f"{name}.json").read_text())  # noqa: E731
        rewards = [entry["reward"] for entry in written("log") if "reward" in entry]
        shown = {**written("settings"), "reward at first": rewards[0], "reward at last": rewards[-1]}
        show_table(f"policy-{arm}", [shown], f"How {arm} was trained")
        show_table(f"completions-{arm}", written("completions")[:16], f"Completions sampled in the last step of {arm}")
    return out.sealed()
