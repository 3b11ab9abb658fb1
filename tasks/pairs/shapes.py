r"""The shapes in which preference data comes, and the three texts that they all hold.

    text         prompt, chosen, rejected: text
    chat         chosen, rejected: lists of {role, content}, with the prompt in front or in a column of its own
                 (ultrafeedback_binarized)
    transcript   chosen, rejected: "\n\nHuman: …\n\nAssistant: …" with a shared beginning (hh-rlhf)

A conversation of more than one turn becomes a transcript that ends in `Assistant:`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

TURN = "\n\nAssistant:"
NAMES = {"system": "System", "user": "Human", "assistant": "Assistant"}

Message = Mapping[str, Any]


class ShapeError(ValueError):
    """The row has none of the known shapes: what is missing."""


def texts_of(row: Mapping[str, Any]) -> tuple[str, str, str]:
    """Prompt, chosen and rejected. Raises ShapeError where the row does not hold them."""
    for name in ("chosen", "rejected"):
        if row.get(name) is None:
            raise ShapeError(f'"{name}" is missing (met: {", ".join(map(str, row)) or "nothing"})')
    prompt, chosen, rejected = row.get("prompt"), row["chosen"], row["rejected"]
    if isinstance(chosen, str) and isinstance(rejected, str):
        if isinstance(prompt, str):
            return prompt, chosen, rejected
        if _is_chat(prompt):
            return rendered(prompt), chosen, rejected
        if prompt is None:
            return split_transcripts(chosen, rejected)
    elif _is_chat(chosen) and _is_chat(rejected) and (prompt is None or isinstance(prompt, str) or _is_chat(prompt)):
        return _split_chats(prompt, chosen, rejected)
    wrong = {name: type(row[name]).__name__ for name in ("prompt", "chosen", "rejected") if name in row}
    raise ShapeError(f"prompt, chosen and rejected are neither text nor chats, but {wrong}")


def split_transcripts(chosen: str, rejected: str) -> tuple[str, str, str]:
    """The shared beginning up to the last `Assistant:` in it is the prompt; what follows are the answers."""
    at = chosen.rfind(TURN, 0, shared_length(chosen, rejected))
    if at < 0:
        raise ShapeError('"prompt" is missing, and chosen and rejected share no beginning up to an "Assistant:"')
    end = at + len(TURN)
    return chosen[:end].strip(), chosen[end:].strip(), rejected[end:].strip()


def shared_length(one: Sequence[Any], other: Sequence[Any]) -> int:
    """How many items from the beginning are the same."""
    differing = (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
    return next(differing, min(len(one), len(other)))


def rendered(messages: Sequence[Message]) -> str:
    """A lone user's message as it is, any other conversation as a transcript that ends in `Assistant:`."""
    if len(messages) == 1 and messages[0]["role"] == "user":
        return str(messages[0]["content"])
    return _transcript(messages) + TURN


def _transcript(messages: Sequence[Message]) -> str:
    return "\n\n".join(f"{NAMES.get(m['role'], m['role'])}: {m['content']}" for m in messages)


def _split_chats(
    prompt: str | Sequence[Message] | None, chosen: Sequence[Message], rejected: Sequence[Message]
) -> tuple[str, str, str]:
    said, other = ([(m["role"], m["content"]) for m in messages] for messages in (chosen, rejected))
    shared = min(shared_length(said, other), len(chosen) - 1, len(rejected) - 1)
    if shared == 0 and prompt is None:
        raise ShapeError('"prompt" is missing, and chosen and rejected share no first message')
    if shared == 0 and prompt is not None:
        asked = prompt if isinstance(prompt, str) else rendered(prompt)
    elif isinstance(prompt, str) or prompt is None:
        asked = rendered(chosen[:shared])
    else:
        begun = list(prompt) if list(prompt) != list(chosen[: len(prompt)]) else []
        asked = rendered([*begun, *chosen[:shared]])
    return asked, _answer(chosen[shared:]), _answer(rejected[shared:])


def _answer(messages: Sequence[Message]) -> str:
    if not messages or messages[0]["role"] != "assistant":
        raise ShapeError("an answer does not begin with an assistant's message")
    return str(messages[0]["content"]) if len(messages) == 1 else _transcript(messages).removeprefix("Assistant: ")


def _is_chat(value: Any) -> TypeGuard[list[Message]]:
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(
            isinstance(m, Mapping) and all(isinstance(m.get(name), str) for name in ("role", "content")) for m in value
        )
    )
