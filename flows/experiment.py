"""Does density-aware sampling keep a policy diverse? Every arm trained with every seed, compared with its chance.

kat's stages up to the reward model → policy (arms × seeds) → what each says → comparison
"""

from pathlib import Path

from flows.cli import publish_until, run
from flows.deployed import deployable
from flows.kat import Stages, compared, prepared, trained
from flows.params import ExperimentParams


@deployable("experiment", "experiment {params.preset}, {params.seeds} seeds")
def experiment(params: ExperimentParams = ExperimentParams()) -> dict[str, Path]:
    """Train the arms with paired seeds from one SFT model and one reward model, and test how their answers differ."""
    return publish_until("experiment", params.out, stages(params), params.refreshed)


def stages(p: ExperimentParams) -> Stages:
    """The stages that kat has too, published as there; then arms/, comparison, report and pictures."""
    made = yield from prepared(p)
    runs = [p.policy.model_copy(update={"seed": p.policy.seed + number}) for number in range(p.seeds)]
    policies = trained(made, p.arms, runs)
    yield (
        "policy",
        {
            f"arms/{arm}/seed-{run.seed}/{name}": policy.part(name)
            for arm, of in policies.items()
            for policy, run in zip(of, runs, strict=True)
            for name in ("model", "log.json", "schedule.parquet", "settings.json")
        },
    )
    diversity = compared(made, policies, runs, p)
    yield (
        "experiment",
        {name: diversity.part(name) for name in ("comparison.json", "report.md", "forest.svg", "training.svg")},
    )


if __name__ == "__main__":
    run(experiment, ExperimentParams)
