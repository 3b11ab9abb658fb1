"""How a prompt and an answer are given to a model: by its chat template, or as two lines."""

from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from tasks.errors import InputError

Prompt = str | list[dict[str, str]]


def as_prompt(text: str, tokenizer: PreTrainedTokenizerBase) -> Prompt:
    """What TRL takes as a prompt: chat messages where the tokenizer has a template, else a line."""
    return [{"role": "user", "content": text}] if tokenizer.chat_template else f"{text}\n"


def as_answer(text: str, tokenizer: PreTrainedTokenizerBase) -> Prompt:
    """What TRL takes as a completion of `as_prompt`."""
    return [{"role": "assistant", "content": text}] if tokenizer.chat_template else text


def answer_text(answer: Any) -> str:
    """The text of a completion in either form."""
    return answer if isinstance(answer, str) else "".join(message["content"] for message in answer)


def answered_ids(prompt: str, answer: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids of a prompt and its whole answer with what ends it, as TRL's trainers make them."""
    asked, said = as_prompt(prompt, tokenizer), as_answer(answer, tokenizer)
    if isinstance(asked, list) and isinstance(said, list):
        return tokenizer.apply_chat_template([*asked, *said], return_dict=True)["input_ids"]
    ids = tokenizer(answer, add_special_tokens=False)["input_ids"]
    return [*prompt_ids(prompt, tokenizer), *ids, tokenizer.eos_token_id]


def closing_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """What a chat template puts behind an answer's end token, such as a line break; a model stops before it."""
    whole = answered_ids("a", "b", tokenizer)
    ends = [at for at, token in enumerate(whole) if token == tokenizer.eos_token_id]
    return whole[ends[-1] + 1 :] if ends else []


def prompt_ids(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids of a prompt, ready for the answer's first token."""
    prompt = as_prompt(text, tokenizer)
    if isinstance(prompt, str):
        return tokenizer(prompt)["input_ids"]
    return tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=True)["input_ids"]


def turns_ids(turns: list[str], tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Token ids of what user and assistant say in turn, by the chat template or as lines; nothing is asked after."""
    if not tokenizer.chat_template:
        return tokenizer("\n".join(turns), verbose=False)["input_ids"]
    messages = [{"role": ("user", "assistant")[at % 2], "content": text} for at, text in enumerate(turns)]
    try:
        return tokenizer.apply_chat_template(messages, return_dict=True)["input_ids"]
    except TemplateError as error:
        raise InputError(
            f"The tokenizer's chat template cannot be applied to {turns[0][:40]!r} ({error}). Mend the template, or "
            "save the tokenizer without one."
        ) from error
