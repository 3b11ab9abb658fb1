"""A reducer that points: where the leftmost-outermost redex begins and ends, or that there is none.

The step itself is done exactly (`lambda_gen_rs.contract`). A term is read in one pass of a few blocks, each of which
counts: every channel of a counter adds a learnt step of -1 to 1 for each character, from the left or from the right,
and a perceptron reads the sums. Counting is what parentheses ask for: a transformer of this size, which attends to
averages, learnt them many times more slowly. After Graves et al. (2014) and Suzgun et al. (2019, "LSTM Networks Can
Perform Dynamic Counting"); departures: steps do not depend on earlier sums within a block, so that sums are one
`cumsum`, and what depends on them is left to the next block.

A redex is found in three stages, its beginning, the end of its function, the end of its argument, each by blocks that
count from the place found before on alone (as Wang & Jiang 2017, "Machine Comprehension Using Match-LSTM and Answer
Pointer", find an answer's end after its beginning). Without the middle one, 120 seconds of training on one core left
the end's loss at 2.5 instead of 0.7.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import lambda_gen_rs as lam
import numpy as np
import polars as pl
import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from tasks.reducer.answers import NO_TERM, Answer
from tasks.reducer.characters import PADDING, VOCABULARY, closing, encoded

NEVER = -1e9
PERIODS = (4.0, 16.0)
CLAMPED, SCALED = 4.0, 32.0


class PointerConfig(PretrainedConfig):
    """width: of a character's vector.  counters: each way, a block.  window: characters on each side that the first
    layer sees.  blocks: of each stage."""

    model_type = "katflow-pointer"

    def __init__(
        self,
        width: int = 128,
        hidden: int = 256,
        counters: int = 16,
        window: int = 3,
        blocks: Sequence[int] = (3, 1, 1),
        vocab_size: int = VOCABULARY,
        **given: object,
    ) -> None:
        self.width, self.hidden, self.counters, self.window = width, hidden, counters, window
        self.blocks, self.vocab_size = list(blocks), vocab_size
        super().__init__(**given)


@dataclass(frozen=True)
class Scores:
    """Logits of a batch: of each place, [n, T] each in the order of stages; normal form [n]."""

    places: tuple[torch.Tensor, ...]
    normal: torch.Tensor


class Counting(nn.Module):
    """Adds to characters [n, T, width] what a perceptron makes of them and of counters."""

    def __init__(self, config: PointerConfig) -> None:
        super().__init__()
        self.counters = config.counters
        self.norm = nn.LayerNorm(config.width)
        self.steps = nn.Linear(config.width, 4 * config.counters)
        self.up = nn.Linear(config.width, config.hidden)
        self.read = nn.Linear(2 * config.counters * (2 + 2 * len(PERIODS)), config.hidden, bias=False)
        self.down = nn.Linear(config.hidden, config.width)

    def forward(self, x: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
        """counts: [n, T, 1], 1 where a character is counted."""
        y = self.norm(x)
        gate, value = self.steps(y).chunk(2, dim=-1)
        step = (gate.sigmoid() * value.tanh()).float() * counts
        right, left = step.split(self.counters, dim=-1)
        ahead = left.sum(dim=1, keepdim=True) - left.cumsum(dim=1) + left
        sums = torch.cat([right.cumsum(dim=1), ahead], dim=-1)
        phases = [sums * (2 * math.pi / period) for period in PERIODS]
        waves = [wave for phase in phases for wave in (phase.sin(), phase.cos())]
        seen = torch.cat([sums.clamp(-CLAMPED, CLAMPED) / CLAMPED, sums / SCALED, *waves], dim=-1)
        return x + self.down(torch.relu(self.up(y) + self.read(seen.to(y.dtype))))


class PointerNetwork(PreTrainedModel):
    """Scores of a term's characters; see the module."""

    config_class = PointerConfig
    config: PointerConfig

    def __init__(self, config: PointerConfig) -> None:
        super().__init__(config)
        self.seen = nn.EmbeddingBag((2 * config.window + 1) * config.vocab_size, config.width, mode="sum")
        self.stages = nn.ModuleList(nn.ModuleList(Counting(config) for _ in range(of)) for of in config.blocks)
        self.norms = nn.ModuleList(nn.LayerNorm(config.width) for _ in config.blocks)
        self.points = nn.ModuleList(nn.Linear(config.width, 1) for _ in config.blocks)
        self.normal = nn.Linear(config.width, 1)
        self.marks = nn.Parameter(torch.randn(len(config.blocks) - 1, 2, config.width))
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """As torch initialises them."""

    def forward(self, ids: torch.Tensor, places: Sequence[torch.Tensor] = ()) -> Scores:
        """ids: [n, T].  places: [n] each, of the first stages, as training knows them; else the likeliest count."""
        counted = held = (ids != PADDING)[..., None]
        number = torch.arange(ids.shape[1], device=ids.device)
        x, found = self._windows(ids), []
        for stage, (blocks, norm, point) in enumerate(zip(self.stages, self.norms, self.points, strict=True)):
            for block in blocks:
                x = block(x, counted)
            y = norm(x)
            found.append(point(y).float().masked_fill(~counted, NEVER)[..., 0])
            if stage == 0:
                normal = self.normal(y).float().masked_fill(~held, NEVER)[..., 0].amax(dim=1)
            if stage < len(self.marks):
                at = (places[stage] if stage < len(places) else found[-1].argmax(dim=1))[:, None]
                after = (number >= at)[..., None]
                x = x + (number == at)[..., None] * self.marks[stage, 0] + after * self.marks[stage, 1]
                counted = held & after
        return Scores(tuple(found), normal)

    def _windows(self, ids: torch.Tensor) -> torch.Tensor:
        """Each character with its neighbours: the sum of a vector for each symbol at each distance."""
        width = 2 * self.config.window + 1
        padded = nn.functional.pad(ids, (self.config.window, self.config.window))
        symbols = padded.unfold(1, width, 1) + self.config.vocab_size * torch.arange(width, device=ids.device)
        return self.seen(symbols.reshape(-1, width)).view(*ids.shape, -1)


class PointerReducer(nn.Module):
    """A network that points, learnt and asked."""

    def __init__(self, network: PointerNetwork) -> None:
        super().__init__()
        self.network = network

    def tensors(self, rows: pl.DataFrame) -> tuple[torch.Tensor, ...]:
        """ids [n, T], and [n] each: the redex's first character, its function's last and its own last, and whether
        there is none."""
        ids, _ = encoded(rows["term"].to_list())
        span = rows["target_span"].struct
        begin, end = (span.field(name).to_numpy().astype(np.int64) for name in ("start", "end"))
        of = (ids, begin, closing(ids, begin), np.maximum(end - 1, 0), rows["is_nf"].to_numpy())
        return tuple(map(torch.from_numpy, of))

    def forward(self, ids: torch.Tensor, *places_and_normal: torch.Tensor) -> torch.Tensor:
        """Mean -log p of what is right: normal form or not, and where not, each place after those before it."""
        ids, *places, normal = (of.to(self.network.device) for of in (ids, *places_and_normal))
        scores = self.network(ids, places)
        decision = nn.functional.binary_cross_entropy_with_logits(scores.normal, normal.float())
        losses = sum(map(functools.partial(nn.functional.cross_entropy, reduction="none"), scores.places, places))
        return decision + (losses * ~normal).mean()

    def right(self, rows: pl.DataFrame) -> list[bool]:
        """Whether each row's next term is what is answered to its term."""
        answers = self.answers(rows["term"].to_list())
        return [one.next_term == right for one, right in zip(answers, rows["next_term"], strict=True)]

    @torch.inference_mode()
    def answers(self, terms: Sequence[str]) -> list[Answer]:
        """One step of each term. Confidence is the probability of what it answers."""
        scores = self.network(torch.from_numpy(encoded(terms)[0]).to(self.network.device))
        likeliest = [of.log_softmax(dim=1).max(dim=1) for of in scores.places]
        normal = scores.normal.sigmoid()
        pointed = (1 - normal) * sum(of.values for of in likeliest).exp()
        begins, ends = likeliest[0].indices.tolist(), (likeliest[-1].indices + 1).tolist()
        made = lam.contract(list(terms), list(zip(begins, ends, strict=True)))
        return [
            Answer(None, sure) if sure > 0.5 else Answer(NO_TERM if term is None else term, other)
            for sure, other, term in zip(normal.tolist(), pointed.tolist(), made, strict=True)
        ]
