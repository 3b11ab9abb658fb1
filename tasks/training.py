"""What all trainers share: arguments that fit the device, progress, and checkpoints to go on from.

A trainer's checkpoints lie in the task's own work folder and are loaded only from there. One counts
once it is marked whole, so that a kill in the middle of saving costs one interval, never a run.
"""

import math
import shutil
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import torch
from accelerate import PartialState
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations import TensorBoardCallback

from tasks.runtime import training_log
from tasks.tracking import Tracker, figures_folder, require

WHOLE = ".whole"
SHOWN = ("loss", "reward", "kl", "entropy", "grad_norm", "learning_rate")

datasets.disable_progress_bars()
warnings.filterwarnings("ignore", message=".*gradient_checkpointing. is deprecated")  # TRL's own default sets it


def device_arguments() -> dict[str, Any]:
    """Training arguments that TRL needs on a CPU, or bf16 on a GPU that has it."""
    if torch.cuda.is_available():
        return {"bf16": torch.cuda.is_bf16_supported(including_emulation=False)}
    return {"use_cpu": True, "bf16": False, "gradient_checkpointing": False, "dataloader_pin_memory": False}


def common_arguments(
    work: Path, *, max_steps: int, save_steps: int, seed: int, tracker: Tracker = "none"
) -> dict[str, Any]:
    """Arguments of every trainer here: a fixed number of steps, two checkpoints kept.

    Raises InputError where the tracker is not installed.
    """
    require(tracker)
    return {
        "output_dir": str(work),
        "max_steps": max_steps,
        "save_strategy": "steps",
        "save_steps": save_steps,
        "save_total_limit": 2,
        "logging_strategy": "steps",
        "logging_steps": max(1, max_steps // 50),
        "report_to": tracker,
        "disable_tqdm": True,
        "seed": seed,
        "data_seed": seed,
        **device_arguments(),
    }


def steps_to_train(
    lengths: Sequence[int], batch: int, *, max_steps: int, max_epochs: float = math.inf, max_tokens: int | None = None
) -> int:
    """Optimizer steps within all limits, at least one.

    lengths: tokens of each example.  max_tokens: tokens over the whole run, padding aside; None is no limit.
    """
    by_epochs = max_epochs * len(lengths) / batch
    by_tokens = math.inf if max_tokens is None else max_tokens * len(lengths) / (batch * max(1, sum(lengths)))
    return max(1, math.floor(min(max_steps, math.ceil(by_epochs) if by_epochs < math.inf else by_epochs, by_tokens)))


def train(trainer: Trainer, work: Path, progress: Callable[[float], None]) -> list[dict[str, float]]:
    """Train to the end, from the last whole checkpoint in `work` if there is one; return the log by step."""
    trainer.add_callback(_Progress(progress))
    trainer.add_callback(_MarkWhole())
    trainer.add_callback(_Log())
    trainer.remove_callback(PrinterCallback)
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, TensorBoardCallback):
            callback.logging_dir = str(figures_folder(work))
    trainer.train(resume_from_checkpoint=last_whole_checkpoint(work))
    return [entry for entry in trainer.state.log_history if "step" in entry]


def last_whole_checkpoint(work: Path) -> str | None:
    """The newest checkpoint that was written to its end; later, torn ones are removed."""
    found = sorted(work.glob("checkpoint-*"), key=lambda p: int(p.name.rpartition("-")[2]))
    while found and not (found[-1] / WHOLE).exists():
        shutil.rmtree(found.pop(), ignore_errors=True)  # another process of the run may be doing the same
    return str(found[-1]) if found else None


class _MarkWhole(TrainerCallback):
    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        PartialState().wait_for_everyone()  # each process writes its own random state
        if state.is_world_process_zero:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / WHOLE).touch()


class _Log(TrainerCallback):
    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        figures = [f"{name} {logs[name]:.4g}" for name in SHOWN if name in logs] if logs else []
        if figures and state.is_world_process_zero:
            training_log().info("step %d of %d: %s", state.global_step, state.max_steps, ", ".join(figures))


class _Progress(TrainerCallback):
    def __init__(self, progress: Callable[[float], None]) -> None:
        self.progress = progress

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.progress(state.global_step / max(1, state.max_steps))
