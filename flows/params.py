"""The flows' own parameters: the stages' together, with presets."""

from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from tasks.density.params import DensityParams
from tasks.diversity.params import DiversityParams
from tasks.embed.params import EmbedParams
from tasks.pairs.params import PairsParams
from tasks.params import HOW, Params
from tasks.policy.params import PolicyParams
from tasks.prompt_map.params import MapParams
from tasks.reward.params import RewardParams
from tasks.sft.params import SftParams
from tasks.terms.params import TermsParams

Stage = Literal["terms", "pairs", "prompts", "sft", "embed", "density", "reward", "policy", "diversity", "map"]

PRESETS: dict[str, dict[str, Any]] = {
    "demo": {},
    "experiment": {
        "terms": {"rows": 200_000},
        "pairs": {"count": 100_000},
        "sft": {"max_steps": 10_000, "max_tokens": None, "hidden": 256, "layers": 6},
        "reward": {"max_steps": 5000, "max_tokens": None},
        "policy": {"max_steps": 2000, "max_tokens": None},
        "diversity": {"prompts": 1000, "completions": 16},
    },
}


class KatParams(Params):
    """Preference pairs in; two trained policies, their comparison and a map out."""

    preset: Literal["demo", "experiment"] = Field("demo", description="sizes to begin from; what is given besides wins")
    until: Stage = Field("map", description="the last stage to run")
    out: Path = Field(Path("data/out/kat"), description="folder for the results, under stable names")
    terms: TermsParams = TermsParams()
    pairs: PairsParams = PairsParams()
    sft: SftParams = SftParams()
    embed: EmbedParams = EmbedParams()
    density: DensityParams = DensityParams()
    reward: RewardParams = RewardParams()
    policy: PolicyParams = PolicyParams()
    diversity: DiversityParams = DiversityParams()
    map: MapParams = MapParams()

    @model_validator(mode="before")
    @classmethod
    def _fill_in_preset(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return merged(PRESETS.get(str(given.get("preset", "demo")), {}), given)


class LambdaTermsParams(Params):
    """How many λ-term examples, how large, and where they go."""

    examples: int = Field(250_000, ge=1, description="rows in all, one reduction step each")
    part: int = Field(250_000, ge=1000, description="rows of a part: what a kill costs at most")
    seed: int | None = Field(None, ge=0, lt=2**63, description="seed; none: derived from the flow run's id")
    min_size: int = Field(10, ge=2, description="nodes of a root at least")
    max_size: int = Field(120, ge=2, description="nodes of a root at most")
    max_depth: int = Field(15, ge=1, description="edges from a root to its deepest node at most")
    size_limit: int = Field(250, ge=2, description="nodes of a row's term at most")
    max_steps: int = Field(1000, ge=1, description="steps after which a reduction is cut")
    workers: int = Field(2, ge=1, json_schema_extra=HOW, description="threads; the result does not depend on them")
    out: Path = Field(Path("data/out/lambda_terms"), description="folder for the parts")

    def parts(self, seed: int) -> list[TermsParams]:
        """The parts to make, each with a seed of its own."""
        limits = self.model_dump(include={"min_size", "max_size", "max_depth", "size_limit", "max_steps", "workers"})
        return [
            TermsParams(
                rows=min(self.part, self.examples - start),
                seed=int.from_bytes(sha256(f"{seed}/{number}".encode()).digest()[:8]),
                **limits,
            )
            for number, start in enumerate(range(0, self.examples, self.part))
        ]


def merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Two trees of parameters, the second's leaves winning."""
    both = {**under, **over}
    for name in under.keys() & over.keys():
        if isinstance(under[name], dict) and isinstance(over[name], dict):
            both[name] = merged(under[name], over[name])
    return both
