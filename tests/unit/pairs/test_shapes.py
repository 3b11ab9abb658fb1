import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.pairs.shapes import ShapeError, rendered, split_transcripts, texts_of

TEXT = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8)


def says(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


ASKED = says("user", "Why?")


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Why?", "chosen": "So.", "rejected": "No."},
        {"prompt": [ASKED], "chosen": "So.", "rejected": "No."},
        {"prompt": "Why?", "chosen": [ASKED, says("assistant", "So.")], "rejected": [ASKED, says("assistant", "No.")]},
        {"chosen": [ASKED, says("assistant", "So.")], "rejected": [ASKED, says("assistant", "No.")]},
        {"prompt": [ASKED], "chosen": [says("assistant", "So.")], "rejected": [says("assistant", "No.")]},
        {"prompt": [ASKED], "chosen": [ASKED, says("assistant", "So.")], "rejected": [ASKED, says("assistant", "No.")]},
        {"prompt": "Why?", "chosen": [says("assistant", "So.")], "rejected": [says("assistant", "No.")]},
    ],
)
def test_all_shapes_of_one_pair_are_the_same_pair(row: dict) -> None:
    assert texts_of(row) == ("Why?", "So.", "No.")


def test_a_conversation_of_more_turns_becomes_a_transcript() -> None:
    begun = [says("system", "Be brief."), ASKED, says("assistant", "Hm."), says("user", "Well?")]
    row = {"chosen": [*begun, says("assistant", "So.")], "rejected": [*begun, says("assistant", "No.")]}
    prompt = "System: Be brief.\n\nHuman: Why?\n\nAssistant: Hm.\n\nHuman: Well?\n\nAssistant:"
    assert texts_of(row) == (prompt, "So.", "No.")
    assert texts_of({**row, "prompt": "Well?"}) == (prompt, "So.", "No.")
    assert texts_of({"prompt": begun, "chosen": "So.", "rejected": "No."}) == (prompt, "So.", "No.")


def test_equal_answers_are_not_taken_for_the_prompt() -> None:
    same = [ASKED, says("assistant", "So.")]
    assert texts_of({"chosen": same, "rejected": same}) == ("Why?", "So.", "So.")


@given(st.lists(st.tuples(TEXT, TEXT), max_size=3), TEXT, TEXT, TEXT)
def test_a_transcript_is_cut_at_the_last_shared_assistant(turns: list, asked: str, chosen: str, rejected: str) -> None:
    begun = "".join(f"\n\nHuman: {human}\n\nAssistant: {answer}" for human, answer in turns) + f"\n\nHuman: {asked}"
    prompt = begun + "\n\nAssistant:"
    assert split_transcripts(f"{prompt} {chosen}", f"{prompt} {rejected}") == (prompt.strip(), chosen, rejected)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=3), TEXT, TEXT, TEXT)
def test_a_chat_and_its_transcript_are_the_same_pair(turns: list, asked: str, chosen: str, rejected: str) -> None:
    chat = [says(r, t) for turn in turns for r, t in zip(("user", "assistant"), turn, strict=True)] + [
        says("user", asked)
    ]
    as_text = "\n\n" + rendered(chat)
    as_chat = texts_of({"chosen": [*chat, says("assistant", chosen)], "rejected": [*chat, says("assistant", rejected)]})
    assert as_chat == split_transcripts(f"{as_text} {chosen}", f"{as_text} {rejected}")


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"prompt": "p", "chosen": "c"},
        {"prompt": "p", "chosen": None, "rejected": "r"},
        {"chosen": "c", "rejected": "r"},
        {"chosen": [says("assistant", "c")], "rejected": [says("assistant", "r")]},
        {"chosen": [says("user", "c")], "rejected": [says("user", "c")]},
        {"prompt": "p", "chosen": [], "rejected": []},
        {"prompt": "p", "chosen": [{"role": "user"}], "rejected": [{"content": 3}]},
        {"prompt": 3, "chosen": "c", "rejected": "r"},
        {"prompt": "p", "chosen": "c", "rejected": [says("assistant", "r")]},
    ],
)
def test_what_has_no_known_shape_says_so(row: dict) -> None:
    with pytest.raises(ShapeError):
        texts_of(row)
