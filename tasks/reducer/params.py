"""Parameters of the reducer: what learns, on how much, and how it is diagnosed."""

from typing import Literal

from pydantic import Field

from tasks.params import Params
from tasks.tracking import Tracked

Head = Literal["pointer", "causal"]


class LearningParams(Tracked):
    """A model of one reduction step, learnt from the train split of a corpus."""

    head: Head = Field(
        "pointer",
        description="pointer: where the redex begins and ends, or normal form, and the step is done exactly; causal: "
        "writes the next term",
    )
    width: int = Field(128, ge=16, le=4096, multiple_of=16, description="numbers that a character is")
    layers: int = Field(
        5,
        ge=3,
        le=64,
        description="blocks; of the pointer's, a fifth each looks for the two ends, the rest for the beginning",
    )
    steps: int = Field(7000, ge=1, description="training steps")
    characters: int = Field(
        4000,
        ge=100,
        description="of terms, and of next ones where they are written, in a step of each process; a longer one is a "
        "step of its own",
    )
    rate: float = Field(4e-3, gt=0, le=1, description="learning rate at its highest")
    mix: float = Field(0.2, ge=0, lt=1, description="share of rows that come from the old corpus, where one is given")
    num_processes: int = Field(
        1,
        ge=1,
        description="processes that train together, a GPU each or on the CPU; each learns a batch in a step",
    )
    seed: int = Field(0, ge=0, lt=2**31, description="seed of the network and of the order of rows")


class DiagnosisParams(Params):
    """What a model is diagnosed on."""

    rows: int = Field(20_000, ge=1, description="rows of which one step is judged, at most; drawn evenly")
    traces: int = Field(500, ge=0, description="whole reductions, of complete traces, at most; drawn evenly")
    seed: int = Field(0, ge=0, lt=2**31, description="seed of the draw")
