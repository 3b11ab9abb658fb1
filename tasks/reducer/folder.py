"""A reducer as a folder of transformers: config.json and model.safetensors. What writes is a Llama to anyone, what
points is read by `PointerNetwork.from_pretrained`."""

import json
from pathlib import Path

from safetensors import SafetensorError
from transformers import LlamaForCausalLM, PreTrainedModel

from tasks.errors import InputError, first_line
from tasks.reducer.causal import CausalReducer, new_network
from tasks.reducer.characters import VOCABULARY
from tasks.reducer.params import LearningParams
from tasks.reducer.pointer import PointerConfig, PointerNetwork, PointerReducer

Learnt = PointerReducer | CausalReducer
LATER_SHARE = 5
"""One in so many of the pointer's blocks looks for the second place, one for the third."""
KINDS: dict[str, tuple[type[PreTrainedModel], type[Learnt]]] = {
    PointerConfig.model_type: (PointerNetwork, PointerReducer),
    "llama": (LlamaForCausalLM, CausalReducer),
}
"""By `model_type` of config.json."""


def new_reducer(params: LearningParams) -> Learnt:
    """With random weights, by torch's seed."""
    if params.head == "causal":
        return CausalReducer(new_network(params.width, params.layers))
    later = max(1, params.layers // LATER_SHARE)
    blocks = (params.layers - 2 * later, later, later)
    shape = PointerConfig(width=params.width, hidden=2 * params.width, blocks=blocks)
    return PointerReducer(PointerNetwork(shape))


def save_reducer(folder: Path, reducer: Learnt) -> None:
    """Write a new folder."""
    reducer.network.save_pretrained(folder)


def load_reducer(folder: Path) -> Learnt:
    """Raises InputError where the folder holds no reducer, or not all of one."""
    try:
        kind = json.loads((folder / "config.json").read_text()).get("model_type")
        if kind not in KINDS:
            raise InputError(f"{folder} holds a model of type {kind!r}, no reducer. Give model/ of a reducer's --out.")
        network, learner = KINDS[kind]
        read, found = network.from_pretrained(folder, use_safetensors=True, output_loading_info=True)
    except (OSError, ValueError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        raise InputError(
            f"{folder} holds no reducer that loads ({first_line(error)}). Give "
            "model/ of a reducer's --out, or train it again."
        ) from None
    if wrong := sorted({*found["missing_keys"], *found["unexpected_keys"], *map(str, found["mismatched_keys"])}):
        raise InputError(f"{folder} has other weights than its config says ({wrong[0]}): copy the whole folder again.")
    if read.config.vocab_size != VOCABULARY:
        raise InputError(f"{folder} reads {read.config.vocab_size} symbols, not the {VOCABULARY} of λ-terms here.")
    if damaged := next((name for name, of in read.state_dict().items() if not of.isfinite().all()), None):
        raise InputError(
            f"{folder} has weights that are no numbers ({damaged}), so it answers nothing: train it again."
        )
    return learner(read.eval())
