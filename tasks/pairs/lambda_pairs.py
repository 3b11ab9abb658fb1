"""Preference pairs over λ-terms: the chosen answer passes the checker, the rejected one fails it.

A length-only guess must not tell the two apart. So of the mistakes possible for a pair one is taken
that keeps, within its family, as many chosen answers longer as shorter; and `normal form` stands as
often among the rejected answers as among the chosen ones.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import lambda_gen_rs as lam
import polars as pl

from tasks.checker import NORMAL_FORM, check, next_term
from tasks.errors import InputError
from tasks.pairs.mistakes import claims_too_early, expansions, made_mistakes, reduces_mistakes, step_mistakes
from tasks.pairs.params import PairsParams
from tasks.pairs.phrasings import PHRASINGS
from tasks.pairs.rows import Pair
from tasks.pairs.sampler import count_terms, random_term

SLACK = 3  # by which longer and shorter chosen answers may differ in number
TRIES = 20  # to find a pair before one fewer is made
TERM_COLUMNS = ["term", "next_term", "size"]

Draft = tuple[dict[str, Any], str, list[str]]  # what is asked, a right answer, answers that may be wrong


class Balance:
    """Chooses among wrong answers so that length and `normal form` tell nothing."""

    def __init__(self) -> None:
        self.longer = 0
        self.claims = 0

    def choose(self, chosen: str, wrong: list[str], may_claim: bool) -> str:
        """One of the wrong answers; `wrong` is ordered by preference and not empty."""
        if chosen == NORMAL_FORM:
            self.claims += 1
        elif self.claims > 0 and may_claim:
            self.claims -= 1
            return NORMAL_FORM
        if chosen == NORMAL_FORM:
            return wrong[0]
        after = [abs(self.longer + _sign(len(chosen) - len(text))) for text in wrong]
        best = next((at for at, left in enumerate(after) if left <= SLACK), after.index(min(after)))
        self.longer += _sign(len(chosen) - len(wrong[best]))
        return wrong[best]


def lambda_pairs(terms: pl.DataFrame, params: PairsParams) -> list[Pair]:
    """`params.count` pairs of all families, shuffled, none twice, the same for the same seed.

    terms: rows of reduction traces (term, next_term, size).
    Raises InputError where the terms are too few or too long for a family.
    """
    shares = params.families.model_dump()
    total = sum(shares.values())
    pairs: list[Pair] = []
    used: set[str] = set()
    reached = 0.0
    for family, share in shares.items():
        rng = random.Random(f"{params.seed} {family}")
        before, reached = reached, reached + params.count * share / total
        count = round(reached) - round(before)
        pairs += _family_pairs(rng, family, count, _drafts(rng, family, terms, params, used))
    random.Random(params.seed).shuffle(pairs)
    return pairs


def _family_pairs(rng: random.Random, family: str, count: int, drafts: Iterator[Draft]) -> list[Pair]:
    pairs: list[Pair] = []
    seen: set[str] = set()
    balance = Balance()
    misses = 0
    while len(pairs) < count:
        asked, chosen, guesses = next(drafts, ({}, "", []))
        if not asked or misses > TRIES * (count + TRIES):
            raise InputError(
                f"There are {len(pairs)} different pairs of family {family} within these limits, and {count} are asked "
                "for. Make more terms (--terms.rows), allow larger ones, or ask for fewer pairs (--pairs.count)."
            )
        meta = {"family": family, **asked}
        wrong = [text for text in dict.fromkeys(guesses) if text != chosen and not check(meta, text)]
        if not wrong:
            misses += 1
            continue
        may_claim = "term" in asked and chosen != NORMAL_FORM and claims_too_early(asked["term"])
        prompt = rng.choice(PHRASINGS[family]).format(**asked).replace("1 redexes", "1 redex")
        pair = Pair(
            f"lambda:{family}",
            prompt,
            chosen,
            balance.choose(chosen, wrong, may_claim),
            meta=json.dumps(meta, sort_keys=True),
        )
        if pair.content_id in seen:
            misses += 1
            continue
        seen.add(pair.content_id)
        pairs.append(replace(pair, id=pair.content_id))
    return pairs


def _drafts(
    rng: random.Random, family: str, terms: pl.DataFrame, params: PairsParams, used: set[str]
) -> Iterator[Draft]:
    """Endless for the families that make terms; for steps each term once."""
    if family in {"one_step", "any_step"}:
        return _steps(rng, family, terms, params, used)
    makers: dict[str, Callable[[], Iterator[Draft]]] = {
        "make_normal": lambda: _normal_forms(rng, params),
        "make_redexes": lambda: _redexes(rng, params),
        "make_reduces": lambda: _reducing(rng, terms, params),
    }
    return makers[family]()


def _steps(
    rng: random.Random, family: str, terms: pl.DataFrame, params: PairsParams, used: set[str]
) -> Iterator[Draft]:
    """Prompts with a term; any_step takes terms with a choice where there are some."""
    short = terms.filter(
        (pl.col("term").str.len_chars() <= params.term_chars)
        & (pl.col("next_term").fill_null("").str.len_chars() <= params.term_chars)
    )
    normal = short.filter(pl.col("next_term").is_null())["term"].to_list()
    active = short.filter(pl.col("next_term").is_not_null())["term"].to_list()
    rng.shuffle(normal)
    rng.shuffle(active)
    if family == "any_step":
        active = sorted(active, key=lambda term: len(lam.redexes(term)))  # popped from the end: a choice first
    while normal and active:
        term = (normal if rng.random() < params.normal_share else active).pop()
        if term in used:
            continue
        used.add(term)
        right = next_term(term) if family == "one_step" else rng.choice(lam.reducts(term) or [NORMAL_FORM])
        yield {"term": term}, right, step_mistakes(rng, term)


def _normal_forms(rng: random.Random, params: PairsParams) -> Iterator[Draft]:
    while True:
        size = rng.randint(params.make_min_size, params.make_max_size)
        chosen = random_term(rng, size, 0)
        yield {"size": size}, chosen, made_mistakes(rng, size, 0, chosen)


def _redexes(rng: random.Random, params: PairsParams) -> Iterator[Draft]:
    """Sizes from the least that holds so many redexes; the limit leaves up to six nodes more."""
    while True:
        redexes = rng.randint(1, params.max_redexes)
        least = 3 * redexes + 2
        limit = least + rng.randint(0, 6)
        size = rng.randint(least, limit)
        if not count_terms(size, 0, redexes):
            continue
        chosen = random_term(rng, size, redexes)
        wrong = [text for text in made_mistakes(rng, size, redexes, chosen) if len(lam.redexes(text)) != redexes]
        yield {"redexes": redexes, "max_size": limit}, chosen, wrong


def _reducing(rng: random.Random, terms: pl.DataFrame, params: PairsParams) -> Iterator[Draft]:
    """Targets from the traces; answers are their predecessors there, or expansions."""
    before: dict[str, list[str]] = {}
    for term, target, size in terms.select("term", "next_term", "size").iter_rows():
        if target and len(target) <= 2 * params.target_size and size <= params.target_size + 6:
            before.setdefault(target, []).append(term)
    targets = [target for target in sorted(before) if lam.size(target) <= params.target_size]
    misses = 0
    while targets and misses < TRIES * len(targets):
        target = rng.choice(targets)
        misses += 1
        chosen = rng.choice([rng.choice(before[target]), *expansions(rng, target)])
        if len(chosen) <= params.term_chars and check({"family": "make_reduces", "target": target}, chosen):
            misses = 0
            yield {"target": target}, chosen, reduces_mistakes(rng, target, chosen)


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
