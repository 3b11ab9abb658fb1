"""Parameters of the map stage."""

from pydantic import Field

from tasks.params import Params


class MapParams(Params):
    """How the map is laid out."""

    n_neighbors: int = Field(15, ge=2, description="neighbours that UMAP keeps near: few show detail, many the whole")
    min_dist: float = Field(0.1, ge=0, le=1, description="least distance of points in UMAP's layout")
    densmap: bool = Field(False, description="keep dense regions dense and sparse ones sparse (densMAP)")
    shown: int = Field(
        30_000, ge=100, description="prompts that are laid out and shown on the page at most; of more, a sample"
    )
    seed: int = Field(0, ge=0, description="seed of the layout and of the sample")
