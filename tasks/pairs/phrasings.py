"""How the λ families are asked for: short English, in enough ways that few prompts repeat."""

from itertools import product

ONE_STEP = (
    "Reduce one step: {term}",
    "Next term after {term}",
    "One leftmost step from {term}",
    "Contract the leftmost-outermost redex: {term}",
    "What does {term} step to?",
    "Do one normal-order step on {term}",
)
ANY_STEP = (
    "Contract any redex: {term}",
    "Any one step from {term}",
    "Pick a redex and contract it: {term}",
    "Some one-step reduct of {term}",
    "Contract a redex of your choice in {term}",
)
_VERBS = ("Make", "Give", "Write", "Find", "Show me", "Name", "Build")
MAKE_NORMAL = tuple(
    f"{verb} {what} {size}"
    for verb, what, size in product(
        _VERBS,
        ("a closed normal form", "a closed term without redexes", "a normal form, closed,"),
        ("of size {size}", "with {size} nodes", "of exactly {size} nodes"),
    )
)
MAKE_REDUCES = tuple(
    f"{verb} a closed term that {reduces}"
    for verb, reduces in product(_VERBS, ("reduces to {target}", "becomes {target}", "steps to {target}"))
)
MAKE_REDEXES = tuple(
    f"{verb} a closed term with {what}"
    for verb, what in product(
        _VERBS,
        (
            "{redexes} redexes and at most {max_size} nodes",
            "at most {max_size} nodes and {redexes} redexes",
            "{redexes} redexes, size up to {max_size}",
        ),
    )
)
PHRASINGS = {
    "one_step": ONE_STEP,
    "any_step": ANY_STEP,
    "make_normal": MAKE_NORMAL,
    "make_reduces": MAKE_REDUCES,
    "make_redexes": MAKE_REDEXES,
}
