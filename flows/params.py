"""The flows' own parameters: the stages' together, with presets."""

from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

from pydantic import Field, ValidationInfo, field_validator, model_validator

from tasks.density.params import DensityParams
from tasks.diversity.params import DiversityParams
from tasks.embed.params import EmbedParams, TokenEncoding
from tasks.novelty.params import DEFAULT_BATCH, NoveltyParams, PromptNoveltyParams
from tasks.pairs.params import PairsParams
from tasks.params import HOW, Params
from tasks.policy.params import Arm, PolicyParams
from tasks.prompt_map.params import MapParams
from tasks.reducer.params import DiagnosisParams, LearningParams
from tasks.reward.params import RewardParams
from tasks.sft.params import SftParams
from tasks.terms.params import RunParams, TermsParams
from tasks.text_map.params import (
    Backend,
    DocumentsParams,
    GenerationParams,
    PlacingParams,
    Text,
    WritingParams,
)
from tasks.transport.params import RandomPairsParams

Stage = Literal["terms", "pairs", "prompts", "sft", "embed", "density", "reward", "policy", "diversity", "map"]
FOLDERS: dict[Stage, tuple[str, ...]] = {"density": ("density", "novelty"), "map": ("prompt_map",)}
"""Of tasks/, in which a stage's tasks lie, where that is not its name."""

PRESETS: dict[str, dict[str, Any]] = {
    "demo": {},
    "full": {
        "terms": {"rows": 200_000},
        "pairs": {"count": 100_000},
        "sft": {"max_steps": 10_000, "max_tokens": None, "hidden": 256, "layers": 6},
        "reward": {"max_steps": 5000, "max_tokens": None},
        "policy": {"max_steps": 2000, "max_tokens": None},
        "diversity": {"prompts": 1000, "completions": 16},
    },
}


class MainParams(Params):
    """What the main flow and the experiment have in common."""

    defaults: ClassVar[dict[str, Any]] = {}
    """Of single fields of stages, where a flow's differ."""

    preset: Literal["demo", "full"] = Field("demo", description="sizes to begin from; what is given besides wins")
    arms: list[Arm] = Field(
        ["uniform", "density", "placebo"],
        min_length=1,
        description="ways of choosing prompts to train: uniform, density, density-by-novelty (by what random networks "
        "find new, in the place of neighbours), or placebo (density's weights, permuted)",
    )
    novelty: Path | None = Field(
        None,
        description="Parquet of id and score of every prompt, higher is rarer: weighs in the place of density",
    )
    refresh: list[Stage] = Field(
        [],
        json_schema_extra=HOW,
        description="stages to make again though they are there, as after an upgrade of a library",
    )
    terms: TermsParams = TermsParams()
    pairs: PairsParams = PairsParams()
    sft: SftParams = SftParams()
    embed: EmbedParams = EmbedParams()
    density: DensityParams = DensityParams()
    rnd: PromptNoveltyParams = PromptNoveltyParams()
    reward: RewardParams = RewardParams()
    policy: PolicyParams = PolicyParams()
    diversity: DiversityParams = DiversityParams()

    @model_validator(mode="before")
    @classmethod
    def _fill_in_preset(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return merged(merged(cls.defaults, PRESETS.get(str(given.get("preset", "demo")), {})), given)

    @field_validator("arms")
    @classmethod
    def _each_once_in_one_order(cls, arms: list[Arm]) -> list[Arm]:
        if len(set(arms)) != len(arms):
            raise ValueError(f"arms names one twice: {', '.join(arms)}")
        return sorted(arms, key=get_args(Arm).index)

    @property
    def refreshed(self) -> set[str]:
        """The folders of tasks/ whose artifacts are made again."""
        return {folder for stage in self.refresh for folder in FOLDERS.get(stage, (stage,))}


class KatParams(MainParams):
    """Preference pairs in; trained policies, their comparison and a map out."""

    until: Stage = Field("map", description="the last stage to run")
    out: Path = Field(Path("data/out/kat"), description="folder for the results, under stable names")
    map: MapParams = MapParams()


class ExperimentParams(MainParams):
    """Preference pairs in; for every arm and seed a policy, and the test of what density does, out."""

    defaults: ClassVar[dict[str, Any]] = {"diversity": {"completions": 16}}
    out: Path = Field(Path("data/out/experiment"), description="folder for the results, under stable names")
    seeds: int = Field(8, ge=1, description="training seeds of each arm, paired over arms; six can tell at the least")


class LambdaTermsParams(RunParams):
    """What to make, on what, and where it goes."""

    seed: int | None = Field(None, ge=0, lt=2**63, description="seed; none: derived from the flow run's id")
    runner: Literal["threads", "dask"] = Field(
        "threads", description="threads: one process; dask: parts are tasks on a Dask cluster, and no byte differs"
    )
    dask_address: str | None = Field(
        None,
        description="a Dask scheduler whose workers share this folder; none: a local cluster of --workers processes",
    )
    out: Path = Field(Path("data/out/lambda_terms"), description="folder for the splits, the coverage and the manifest")

    @property
    def run(self) -> RunParams:
        """What decides the bytes, for the tasks."""
        return RunParams.model_validate(self.model_dump(include=set(RunParams.model_fields)))


class EmbedTextsParams(EmbedParams, TokenEncoding):
    """Texts in, vectors out; or pairs of statements in, vectors of all their tokens out."""

    data: Path = Field(
        description="texts: .jsonl[.gz] or .parquet with id, prompt and, where there is one, assistant; with --tokens "
        "id, nl and lean (nl_lean.parquet: nearly all rows are statements, without their proofs)"
    )
    tokens: bool = Field(
        False,
        description="a vector for each token of nl and of lean, as the model's hidden layer gives it: nl_ and "
        "lean_embeddings.parquet. Encoder: also the folder of any causal language model, which reads the bare text. "
        "Both sides of an id keep as many tokens as the shorter one has, evenly spaced over the whole of the longer "
        "one, none of them special. centre, normalize and dtype do not count here",
    )
    out: Path = Field(Path("data/out/embed"), description="folder for embeddings.parquet, or the two of --tokens")
    kat: Path = Field(Path("data/out/kat"), description="for policy: results of a kat run, whose models encode")
    runner: Literal["threads", "dask"] = Field(
        "threads", description="threads: shard after shard; dask: shards are spread over a Dask cluster"
    )
    workers: int = Field(2, ge=1, description="processes of a local Dask cluster")
    dask_address: str | None = Field(
        None, description="a Dask scheduler whose workers share this folder; none: a local cluster of --workers"
    )

    @model_validator(mode="before")
    @classmethod
    def _arm(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("ckpt_source") == "grpo" and not given.get("grpo_model"):
            return {**given, "grpo_model": str(Path(given.get("kat", "data/out/kat")) / "policy_density")}
        return given

    @model_validator(mode="after")
    def _tokens_own(self) -> Self:
        if not self.tokens and (self.layer is not None or self.token_dtype != "float32"):
            raise ValueError("layer and token-dtype are of token vectors: give --tokens too, or leave them out")
        if self.tokens and self.dtype == "bfloat16":
            raise ValueError("token vectors are computed in float32: leave dtype out; token-dtype float16 saves room")
        return self

    @property
    def embed(self) -> EmbedParams:
        """What decides the result, for the tasks."""
        return EmbedParams.model_validate(self.model_dump(include=set(EmbedParams.model_fields)))

    @property
    def token_encoding(self) -> TokenEncoding:
        """What decides token vectors, for the tasks."""
        return TokenEncoding.model_validate(self.model_dump(include=set(TokenEncoding.model_fields)))

    @property
    def policies(self) -> dict[str, Path]:
        """The folders of kat's own language model, before SFT and after."""
        return {"base": self.kat / "policy_base", "sft": self.kat / "policy_sft"}


class SampleRareParams(DensityParams):
    """Vectors in; weights and ids drawn by them out."""

    emb: Path = Field(description="embeddings.parquet: id and emb, vectors of one length")
    prompts: Path | None = Field(None, description="prompts.parquet (id, prompt, source): texts for the report")
    k: int = Field(20, ge=1, description="nearest neighbours whose mean cosine similarity is the density")
    out: Path = Field(Path("data/out/sample_rare"), description="folder for the weights and the report")
    out_indices: Path | None = Field(
        None, description="file for the ids, one a line; default: sampled_ids.txt in --out"
    )

    @field_validator("out_indices")
    @classmethod
    def _no_input(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if path and path.absolute() in {given.absolute() for given in map(info.data.get, ("emb", "prompts")) if given}:
            raise ValueError("it is an input, which the ids would replace")
        return path

    @property
    def density(self) -> DensityParams:
        """What decides the result, for the task."""
        return DensityParams.model_validate(self.model_dump(include=set(DensityParams.model_fields)))


class NoveltyFlowParams(NoveltyParams):
    """Problems and experiments in; how well novelty is told, by every detector, out."""

    data: Path = Field(
        Path("../shared/data/problems.parquet"),
        description="Parquet of problems: id, source, problem, solution and, where there is one, domain",
    )
    experiments: Path = Field(DEFAULT_BATCH, description="YAML list of experiments; default: ten in tasks/novelty")
    until: Literal["precompute", "report"] = Field("report", description="precompute: encode and stop")
    compare: list[Path] = Field([], description="compare batches instead: folders that --out named before")
    out: Path = Field(Path("data/out/novelty"), description="folder for the results, under stable names")

    @property
    def novelty(self) -> NoveltyParams:
        """What decides the result, for the tasks."""
        return NoveltyParams.model_validate(self.model_dump(include=set(NoveltyParams.model_fields)))


PAIR_PRESETS: dict[str, dict[str, Any]] = {
    "easy": {"distribution_type": "coupled", "noise_scale": 0.05},
    "medium": {"distribution_type": "separate", "mean_shift": 2.0},
    "hard": {"distribution_type": "affine", "affine_scale": 0.9, "rotation_angle": 0.5, "noise_scale": 0.2},
}


class RandomPairsFlowParams(RandomPairsParams):
    """Random pairs of token sequences, and the known maps between them, out."""

    preset: Literal["easy", "medium", "hard"] | None = Field(
        None,
        description="easy: coupled, noise .05; medium: separate, mean shift 2; hard: affine, scale .9, angle .5, noise "
        ".2; what is given besides wins",
    )
    output_dir: Path = Field(
        Path("data/out/random_pairs"), description="folder for the two tables of token vectors and truth.safetensors"
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_in_preset(cls, given: Any) -> Any:
        return merged(PAIR_PRESETS.get(str(given.get("preset")), {}), given) if isinstance(given, dict) else given

    @property
    def pairs(self) -> RandomPairsParams:
        """What decides the result, for the task."""
        return RandomPairsParams.model_validate(self.model_dump(include=set(RandomPairsParams.model_fields)))


class NeuralOtParams(Params):
    """A config in, a map between two tables of token vectors and what it is worth out; or a map applied."""

    config: Path | None = Field(None, description="YAML with the section neural_ot (see README)")
    no_wandb: bool = Field(False, json_schema_extra=HOW, description="send nothing to wandb, whatever the config says")
    out: Path = Field(Path("data/out/neural_ot"), description="folder for the results, under stable names")
    apply: Path | None = Field(None, description="instead: the folder map/ of a run, to move tokens by")
    tokens: Path | None = Field(None, alias="in", description="with --apply: Parquet of token vectors to move")
    out_file: Path | None = Field(None, description="with --apply: Parquet for the moved ones")

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        applied = [self.apply is not None, self.tokens is not None, self.out_file is not None]
        if any(applied) and (not all(applied) or self.config):
            raise ValueError("applying a map needs --apply, --in and --out-file, and no --config")
        if not any(applied) and self.config is None:
            raise ValueError("give --config FILE to learn a map, or --apply MODEL --in FILE --out-file FILE to use one")
        return self


class TextMapParams(Params):
    """Documents in; a map of them both ways and a writer of texts for its points out."""

    prepare: Path | None = Field(
        None,
        description="instead: Parquet of papers (document_id, title, content, authors), of which the three files that "
        "--data-dir takes are made in --out",
    )
    limit: int | None = Field(None, ge=10, description="documents at most, drawn by seed; not with --data-dir")
    out: Path = Field(Path("data/out/documents"), description="with --prepare: folder for the three files")
    data_dir: Path | None = Field(
        None,
        description="folder with all_embeddings, all_metadata and coordinates, .json or .parquet; default: documents "
        "that tell of λ-terms",
    )
    output_dir: Path = Field(Path("data/out/text_map"), description="folder for models, metrics and report")
    encoder: str = Field("minilm", min_length=1, description="what made the embeddings: minilm, or a model by name")
    umap_epochs: int = Field(100, ge=1, description="passes over the documents, of each network of the map")
    vec2text_epochs: int = Field(3, ge=1, description="passes over the texts, of the writer")
    batch_size: int = Field(32, ge=2, description="documents or texts a step")
    skip_umap: bool = Field(False, description="learn no map")
    skip_vec2text: bool = Field(False, description="learn no writer")
    text: Text = Field("title", description="what is written: title or content")
    backend: Backend = Field(
        "small",
        description="small: a few million parameters from scratch; hf: --vec2text-model; retrieve_edit: no network, "
        "the nearest texts with words exchanged",
    )
    vec2text_model: str | None = Field(
        None, description="with backend hf: folder or name of a causal or encoder-decoder language model"
    )
    seed: int = Field(0, ge=0, lt=2**31, description="seed of the draw, the layout, the split and all training")
    terms: TermsParams = TermsParams(rows=4000, max_size=24, size_limit=48, max_depth=16)
    generation: GenerationParams = GenerationParams()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.backend == "hf") != (self.vec2text_model is not None):
            raise ValueError("backend hf and vec2text-model go together: give both, or neither")
        if self.skip_umap and self.skip_vec2text:
            raise ValueError("skip-umap and skip-vec2text leave nothing to do: give one at most")
        if self.prepare and (self.data_dir or self.skip_umap or self.skip_vec2text or self.backend != "small"):
            raise ValueError("prepare makes documents and nothing else: give flags of training without it")
        if self.skip_vec2text and (self.backend, self.text) != ("small", "title"):
            raise ValueError("skip-vec2text trains no writer: leave out --backend and --text, or it")
        if self.limit is not None and self.data_dir is not None:
            raise ValueError("limit is not of --data-dir: a folder is read whole")
        return self

    @property
    def documents(self) -> DocumentsParams:
        return DocumentsParams(limit=self.limit, seed=self.seed)

    @property
    def placing(self) -> PlacingParams:
        return PlacingParams(epochs=self.umap_epochs, batch_size=self.batch_size, seed=self.seed)

    @property
    def writing(self) -> WritingParams:
        return WritingParams(
            backend=self.backend,
            text=self.text,
            epochs=self.vec2text_epochs,
            batch_size=self.batch_size,
            max_length=self.generation.max_length,
            seed=self.seed,
        )

    @property
    def embed(self) -> EmbedParams:
        return EmbedParams(encoder=self.encoder)


FULL_REDUCER = {"width": 512, "layers": 10, "characters": 65_536, "steps": 60_000, "rate": 1e-3}
REDUCER_PRESETS: dict[tuple[str, str], dict[str, Any]] = {
    ("demo", "pointer"): {"num_processes": 2, "steps": 3600},
    ("demo", "causal"): {
        "num_processes": 2,
        "width": 64,
        "layers": 4,
        "characters": 2000,
        "steps": 5000,
        "rate": 3e-3,
        "diagnosis": {"rows": 3000, "traces": 100},
    },
    ("full", "pointer"): FULL_REDUCER,
    ("full", "causal"): FULL_REDUCER,
}


class ReducerParams(LearningParams):
    """Corpora of flows.lambda_terms in; a model of one reduction step, and what it gets wrong, out."""

    data: Path = Field(Path("data/out/terms"), description="corpus of flows.lambda_terms; to diagnose, also one split")
    old_data: Path | None = Field(None, description="corpus of which a share of the rows comes (--mix)")
    exclude: list[Path] = Field(
        [], description="more corpora or splits to be diagnosed on: no term of their val and test is learnt from"
    )
    preset: Literal["demo", "full"] = Field(
        "demo", description="demo: two cores, 20 minutes; full: a GPU; what is given besides wins"
    )
    init: Path | None = Field(None, description="model folder to begin with, in the place of random weights")
    model: Path | None = Field(None, description="instead of learning: model folder to diagnose")
    until: Literal["train", "diagnose"] = Field("diagnose", description="train: learn and stop")
    compare: list[Path] = Field([], description="instead: two folders that --out named before, compared")
    diagnosis: DiagnosisParams = DiagnosisParams()
    out: Path = Field(Path("data/out/reducer"), description="folder for the results, under stable names")

    @model_validator(mode="before")
    @classmethod
    def _fill_in_preset(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        asked = str(given.get("preset", "demo")), str(given.get("head", "pointer"))
        return merged(REDUCER_PRESETS.get(asked, {}), given)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.compare and len(self.compare) != 2:
            raise ValueError("compare takes two folders: --compare A,B")
        if self.model and (self.until == "train" or self.init or self.old_data or self.exclude):
            raise ValueError("model is diagnosed as it is: leave out --until train, --init, --old-data and --exclude")
        if self.compare and (self.model or self.until == "train" or self.init or self.old_data or self.exclude):
            raise ValueError("compare takes two diagnoses that are there: leave out all else but --out")
        if self.mix != LearningParams.model_fields["mix"].default and not self.old_data:
            raise ValueError("mix is the share of an old corpus: give it by --old-data, or leave --mix out")
        return self

    @property
    def learning(self) -> LearningParams:
        """What decides the model, for the task."""
        return LearningParams.model_validate(self.model_dump(include=set(LearningParams.model_fields)))


class PromptMapParams(MapParams):
    """Where prompts come from, what encodes them, how they are drawn, and where the map goes."""

    pairs_path: Path | None = Field(
        None, description="pairs: .jsonl[.gz], .parquet or .csv; their unique prompts count"
    )
    prompts_path: Path | None = Field(
        None, description="or prompts: .parquet with id, prompt, source, and reward where points may be coloured by it"
    )
    encoder: str = Field("minilm", min_length=1, description="minilm, or a sentence-transformers model's name or path")
    output_path: Path = Field(
        Path("data/out/prompt_map/embeddings_3d.json"), description="the points; prompt_map.html is written beside them"
    )
    density: DensityParams = DensityParams()

    @model_validator(mode="after")
    def _one_input(self) -> Self:
        if (self.pairs_path is None) == (self.prompts_path is None):
            raise ValueError("give either --pairs-path or --prompts-path: the map is drawn of one of them")
        return self

    @property
    def pairs(self) -> PairsParams:
        return PairsParams(sources=[f"file:{self.pairs_path}"])

    @property
    def embed(self) -> EmbedParams:
        return EmbedParams(encoder=self.encoder)

    @property
    def map(self) -> MapParams:
        return MapParams.model_validate(self.model_dump(include=set(MapParams.model_fields)))


def merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Two trees of parameters, the second's leaves winning."""
    both = {**under, **over}
    for name in under.keys() & over.keys():
        if isinstance(under[name], dict) and isinstance(over[name], dict):
            both[name] = merged(under[name], over[name])
    return both
