"""Parameters of the density stage."""

from pydantic import Field

from tasks.params import Params


class DensityParams(Params):
    """How much more a rare prompt counts than a common one, and how many are drawn."""

    k: int = Field(10, ge=1, description="nearest neighbours whose mean cosine similarity is the density")
    target_ess: float = Field(
        0.6, gt=0, le=1, description="effective sample size of the weights as a share of all prompts; alpha follows"
    )
    alpha: float | None = Field(
        None, ge=0, description="weight is proportional to (floor + density)^-alpha; default: solved for the target"
    )
    floor: float = Field(1e-3, gt=0, description="added to every density, so that a lone prompt's weight is finite")
    max_ratio: float = Field(20.0, ge=1, description="largest weight, as a multiple of the median")
    budget: int | None = Field(
        None, ge=1, description="prompts to draw into sampled_ids.txt, none twice; default: 256, or all if fewer"
    )
    exact_up_to: int = Field(50_000, ge=1, description="prompts up to which each is compared with every other")
    least_recall: float = Field(
        0.99,
        gt=0,
        le=1,
        description="share of the true neighbours that a faster search must find beyond, or it is exact",
    )
    seed: int = Field(0, ge=0, description="seed of the draw")
