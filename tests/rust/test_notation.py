"""The bindings: notation, errors with their position, Term."""

import importlib
import inspect
import pathlib
import re
import threading

import lambda_gen_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lambda_gen_rs import LambdaError, parse

RUST = pathlib.Path(__file__).parents[2] / "rust_ext"


@pytest.mark.parametrize(
    ("text", "position"),
    [("", 0), ("\\.", 2), ("0 1", 1), ("(01)2", 0), ("0(12", 1), ("01)", 2), ("{61}", 0), ("0\\.0", 1), ("0λ", 1)],
)
def test_a_fault_is_told_with_its_position_and_what_to_do(text: str, position: int) -> None:
    with pytest.raises(LambdaError) as caught:
        parse(text)
    assert caught.value.position == position
    what, _, advice = str(caught.value).partition(". ")
    assert what.startswith(f"character {position}: ")
    assert advice


@given(st.text(alphabet="\\.()01aZ{}62 λ\ud7ff", max_size=30))
def test_a_text_is_refused_with_a_position_or_has_the_printed_spelling(text: str) -> None:
    try:
        printed, position = str(parse(text)), 0
    except LambdaError as error:
        printed, position = text, error.position
    assert printed == text
    assert 0 <= position <= len(text)


def test_terms_of_one_spelling_are_equal_immutable_and_hashable() -> None:
    term = parse("\\.(\\.01)0")
    assert term == parse("\\.(\\.01)0")
    assert term != parse("\\.0")
    assert term != "\\.(\\.01)0"
    assert len({term, parse("\\.(\\.01)0")}) == 1
    assert repr(term) == f"parse({str(term)!r})"
    assert (term.size, term.depth, term.is_closed) == (7, 4, True)
    with pytest.raises(AttributeError):
        term.size = 3  # type: ignore[misc]


def test_a_million_nested_parentheses_are_ordinary_also_on_a_thread() -> None:
    n = 1_000_000
    text = "0" + "(\\.0" * n + ")" * n
    seen = []
    thread = threading.Thread(target=lambda: seen.append(lambda_gen_rs.depth(text)))
    thread.start()
    thread.join()
    assert seen == [2 * n]
    with pytest.raises(LambdaError) as caught:
        parse("(" * n)
    assert caught.value.position == n - 1


def test_the_stub_names_what_the_module_holds() -> None:
    native = importlib.import_module("lambda_gen_rs._native")
    stub = (RUST / "python/lambda_gen_rs/_native.pyi").read_text().split('"""', 2)[2]
    stub_only = set(re.findall(r"^class (\w+)\(TypedDict\)", stub, re.MULTILINE))
    documented = set(re.findall(r"^(?:def|class) (\w+)|^(\w+):", stub, re.MULTILINE))
    names = {a or b for a, b in documented} - stub_only
    public = {name for name in dir(native) if not name.startswith("_")}
    assert names == public == set(lambda_gen_rs.__all__)
    for name, signature in re.findall(r"^def (\w+)\(([^)]*)\)", stub, re.MULTILINE):
        stubbed = [p.split(":")[0].strip() for p in signature.split(",\n" if "\n" in signature else ", ")]
        actual = inspect.signature(getattr(native, name))
        expected = [p.name for p in actual.parameters.values()]
        assert [p for p in stubbed if re.fullmatch(r"\w+", p)] == expected, name


def test_the_build_is_of_these_sources() -> None:
    import hashlib

    digest = hashlib.sha256()
    sources = [*(RUST / "src").glob("*.rs"), RUST / "Cargo.toml", RUST / "Cargo.lock"]
    for name, path in sorted((p.relative_to(RUST).as_posix(), p) for p in sources):
        digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    assert digest.hexdigest()[:32] == lambda_gen_rs.SOURCE_HASH, "the extension is stale: run make setup"
