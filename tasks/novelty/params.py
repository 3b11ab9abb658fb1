"""Parameters of the novelty stage: an experiment, and what all experiments share."""

from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, ValidationError, field_validator, model_validator

from tasks.cpu import cpu_has_bfloat16
from tasks.errors import InputError
from tasks.params import Params

DEFAULT_BATCH = Path(__file__).with_name("experiments.yaml")
ENCODERS = {
    "gte": "thenlper/gte-base",
    "granite": "ibm-granite/granite-embedding-english-r2",
    "granite-small": "ibm-granite/granite-embedding-small-english-r2",
}
"""Short names; minilm, any other name and any path are taken as they are."""
STAND_IN = "minilm"
"""For a short name whose model no hub gives."""


class View(Params):
    """What of a row is encoded, by what, and whether vectors get length 1."""

    encoder_name: str = Field("minilm", min_length=1, description="gte, granite, granite-small, minilm, a name or path")
    concat_problem_answer: bool = Field(False, description="encode the problem and its solution, not the problem alone")
    normalize_embeddings: bool = Field(True, description="give vectors length 1")

    @property
    def file(self) -> str:
        """Under which its vectors are published."""
        answer = "-with-answer" if self.concat_problem_answer else ""
        name = self.encoder_name.strip("/").replace("/", "--")
        return f"{name}{answer}{'' if self.normalize_embeddings else '-raw'}.parquet"


class Experiment(View):
    """One way of training a random network and its predictor."""

    name: str = Field(pattern=r"^[\w.-]+$", description="of its results")
    num_train_samples: int = Field(1000, ge=2, description="rows to learn")
    num_epochs: int = Field(50, ge=1, description="passes over them")
    learning_rate: float = Field(1e-4, gt=0, description="of Adam")
    batch_size: int = Field(50, ge=1, description="rows a step")
    target_layers: tuple[int, ...] = Field((256, 128, 64), min_length=1, description="sizes of the frozen network")
    predictor_layers: tuple[int, ...] = Field((512, 256, 64), min_length=1, description="sizes of the one that learns")

    @field_validator("target_layers", "predictor_layers")
    @classmethod
    def _sizes(cls, layers: tuple[int, ...]) -> tuple[int, ...]:
        if min(layers) < 1:
            raise ValueError("a layer has one output at least")
        return layers

    @model_validator(mode="after")
    def _one_output(self) -> Self:
        if self.target_layers[-1] != self.predictor_layers[-1]:
            raise ValueError(
                f"target_layers end in {self.target_layers[-1]} and predictor_layers in {self.predictor_layers[-1]}: "
                "the one imitates the other, so they must end alike"
            )
        return self

    @property
    def view(self) -> View:
        return View.model_validate(self.model_dump(include=set(View.model_fields)))


class Member(Params):
    """A network to train: an experiment and a seed.

    The experiment's name decides nothing, nor what its vectors are of: they are an input of their own.
    """

    experiment: Experiment
    seed: int

    def identity(self) -> dict[str, Any]:
        aside = {"name", "encoder_name", "concat_problem_answer"}
        return self.experiment.model_dump(mode="json", exclude=aside) | {"seed": self.seed}


class PromptNoveltyParams(Params):
    """Random networks that tell which prompts are unlike the others: the weights of the arm density-by-novelty."""

    folds: int = Field(5, ge=2, description="parts of the prompts; each is judged by a predictor of the others")
    epochs: int = Field(20, ge=1, description="passes over the prompts")
    learning_rate: float = Field(1e-4, gt=0, description="of Adam")
    batch: int = Field(50, ge=1, description="prompts a step")
    seed: int = Field(0, ge=0, description="seed of the networks and of the parts")


class NoveltyParams(Params):
    """What is learnt, what is judged, and by what."""

    train_source: str = Field("medquad/3_GHR_QA", description="the source that is known")
    novel_sources: list[str] = Field(
        ["medquad/5_NIDDK_QA", "medquad/6_NINDS_QA", "gsm8k-train", "opentriviaqa/science-technology"],
        min_length=1,
        description="sources that are new; of the known one's domain: near, of others: far",
    )
    judged_rows: int = Field(500, ge=10, description="rows of each tested set at most")
    seeds: int = Field(5, ge=1, description="seeds of the networks; the split is the same for all")
    split_seed: int = Field(0, ge=0, description="seed of which rows are learnt and tested")
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="numbers that networks multiply; auto: bfloat16 where the CPU has it. Weights are float32"
    )
    resamples: int = Field(1000, ge=100, description="bootstrap resamples of test rows behind each interval")

    @property
    def numbers(self) -> str:
        """What networks multiply on this machine."""
        return ("bfloat16" if cpu_has_bfloat16() else "float32") if self.dtype == "auto" else self.dtype


def read_experiments(path: Path) -> list[Experiment]:
    """A YAML list of experiments, names unique.

    Raises InputError for a file that cannot be read and for an entry that is no experiment, by its number and name.
    """
    try:
        entries = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be read as YAML ({' '.join(str(error).split())}). Give a list.") from None
    if not isinstance(entries, list) or not entries:
        raise InputError(
            f"{path} holds no list of experiments. Give entries with a name, and what differs from default."
        )
    made = [
        as_experiment(f"{path}: experiment {number}" + (f" ({entry['name']})" if _has_name(entry) else ""), entry)
        for number, entry in enumerate(entries, 1)
    ]
    names = [one.name for one in made]
    if again := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"{path} has two experiments named {again!r}, so their results could not be told apart.")
    return made


def as_experiment(what: str, entry: Any) -> Experiment:
    """An entry's experiment. Raises InputError, naming it as `what`, where it is none."""
    try:
        return Experiment.model_validate(entry)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"])) or "entry"
        said = fault["msg"].removeprefix("Value error, ")
        raise InputError(f"{what}: {where}: {said}. Keys: {', '.join(Experiment.model_fields)}.") from None


def _has_name(entry: Any) -> bool:
    return isinstance(entry, dict) and "name" in entry
