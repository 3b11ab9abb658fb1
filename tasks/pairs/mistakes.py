"""Wrong answers to λ-prompts, as models give them. Each is proposed here and judged by the checker."""

import random
from collections.abc import Iterator

import lambda_gen_rs as lam

from tasks.checker import NORMAL_FORM, next_term
from tasks.pairs.sampler import count_terms, random_term


def is_term(text: str) -> bool:
    try:
        return lam.is_closed(text)
    except lam.LambdaError:
        return False


def edits(rng: random.Random, text: str) -> Iterator[str]:
    """Closed terms that differ from this one by a symbol: another index, one more or less, a lost or added λ."""
    places = list(range(len(text)))
    rng.shuffle(places)
    for at in places:
        if text[at].isdigit():
            others = [text[:at] + other + text[at + 1 :] for other in ("0", "1", "2", text[at] + "0", text[at] * 2, "")]
        elif text[at] == "\\":
            others = [text[:at] + text[at + 2 :], text[:at] + "\\." + text[at:]]
        else:
            continue
        rng.shuffle(others)
        yield from (other for other in others if other != text and is_term(other))


def claims_too_early(term: str) -> bool:
    """Whether the redex is easily overlooked: not at the start of the text but under a λ or further in."""
    stepped = lam.step(term)
    return stepped is not None and stepped[1][0] > 0


def step_mistakes(rng: random.Random, term: str) -> list[str]:
    """Wrong next terms: wrong index, lost copy, another redex, two steps at once, an edited or unchanged term."""
    kinds = list(lam.wrong_steps(term).values())
    rng.shuffle(kinds)
    right = next_term(term)
    if right == NORMAL_FORM:
        return [*_some(rng, term, 6), term]
    twice = next_term(right)
    slips = [*_some(rng, right, 4), *([twice] if twice != NORMAL_FORM else []), term]
    rng.shuffle(slips)
    return kinds + slips


def made_mistakes(rng: random.Random, size: int, redexes: int, chosen: str) -> list[str]:
    """Terms near the one asked for: a redex too many or few; of a normal form also another size or a free variable."""
    near = [(size + by, redexes + more) for by in (0, 0, -1, 1) for more in (-1, 1, 2)]
    if redexes == 0:
        near += [(size + by, 0) for by in (-2, -1, -1, 1, 1, 2)]
    wrong = [random_term(rng, n, k) for n, k in near if k >= 0 and n > 1 and count_terms(n, 0, k)]
    if redexes == 0:
        last = max(at for at, symbol in enumerate(chosen) if symbol.isdigit())
        wrong.append(chosen[:last] + str(chosen.count("\\")) + chosen[last + 1 :])
    rng.shuffle(wrong)
    return wrong


def expansions(rng: random.Random, target: str) -> list[str]:
    """Closed terms that reduce to a closed `target`: an identity around it or under its λ, a thrown-away argument."""
    thrown = random_term(rng, rng.choice((2, 3, 3, 4)), 0)
    body = target.removeprefix("\\.")
    under = f"\\.(\\.0){body if len(body) == 1 else f'({body})'}"
    return [f"(\\.0)({target})", f"(\\.{target})({thrown})", *([under] if target.startswith("\\.") else [])]


def reduces_mistakes(rng: random.Random, target: str, chosen: str) -> list[str]:
    """The target itself, an expansion of something near it, the answer with a slip."""
    others = [text for near in _some(rng, target, 3) for text in expansions(rng, near)]
    wrong = [*others, *_some(rng, chosen, 4)]
    rng.shuffle(wrong)
    return [*wrong, target]


def _some(rng: random.Random, text: str, count: int) -> list[str]:
    return [text for text, _ in zip(edits(rng, text), range(count), strict=False)]
