"""Questions to a model or data hub, asked again where the network fails: its own downloads do so by themselves."""

import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")
PAUSES = (1.0, 4.0)
"""Seconds before the second and the third try."""
BUSY = 429


def patiently(ask: Callable[[], Answer]) -> Answer:
    """What the hub answers, or its last error. A hub that says no, or that must not be asked, is not asked again."""
    for pause in PAUSES:
        try:
            return ask()
        except Exception as error:  # the client's own, httpx's and OS errors have no common base
            if not _may_pass(error):
                raise
        time.sleep(pause)
    return ask()


def _may_pass(error: Exception) -> bool:
    from huggingface_hub.errors import OfflineModeIsEnabled

    status = getattr(getattr(error, "response", None), "status_code", None)
    refused = status is not None and 400 <= status < 500 and status != BUSY
    return not (refused or isinstance(error, OfflineModeIsEnabled | ValueError))
