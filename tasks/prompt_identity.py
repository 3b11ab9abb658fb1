"""Which prompts are the same one, and on which side of the split a prompt stands."""

import hashlib
import unicodedata

SALT = "katflow split 1"  # constant, so that a prompt is held out in every run, whatever else changes


def normalised(prompt: str) -> str:
    """The prompt in Unicode's composed form (NFC), each run of whitespace one space, none at the ends.

    Idempotent: composing makes no whitespace that was none before.
    """
    return " ".join(unicodedata.normalize("NFC", prompt).split())


def prompt_id(prompt: str) -> str:
    """16 hexadecimal digits of SHA-256 of the normalised prompt."""
    return hashlib.sha256(normalised(prompt).encode()).hexdigest()[:16]


def split_of(prompt: str, eval_share: float) -> str:
    """`train` or `eval`, by the normalised prompt alone; a larger share only adds to the held-out ones."""
    digest = hashlib.sha256(f"{SALT}\0{normalised(prompt)}".encode()).digest()
    return "eval" if int.from_bytes(digest[:8]) < eval_share * 2**64 else "train"
