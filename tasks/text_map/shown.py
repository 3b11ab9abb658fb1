"""What the page draws: places scaled into a square, regions with their words, contours of density."""

from typing import Any

import numpy as np
from contourpy import contour_generator
from scipy.ndimage import gaussian_filter

from tasks.clusters import find_clusters
from tasks.tables import Floats
from tasks.text_map.documents import Documents

GRID = 160
SMOOTHED = 3.0
"""Cells."""
LEVELS = (0.1, 0.25, 0.5, 0.75)
"""Of the highest density."""


def shown(made: Documents) -> dict[str, Any]:
    """JSON for the page: ids, titles, places [[x, y]] in the square [-1, 1]², coordinates as they are (a document is
    asked for by them), regions and contours."""
    low, high = made.places.min(axis=0), made.places.max(axis=0)
    middle, half = (low + high) / 2, float((high - low).max() / 2) or 1.0
    square = ((made.places - middle) / half).astype(np.float32)
    titles = made.texts["title"].to_list()
    found = find_clusters(square, titles)
    return {
        "ids": made.texts["document_id"].to_list(),
        "titles": titles,
        "places": np.round(square, 4).tolist(),
        "coordinates": made.places.astype(np.float64).tolist(),
        "middle": middle.tolist(),
        "half": half,
        "cluster": found.of_point.tolist(),
        "clusters": found.keywords,
        "contours": contours(square),
    }


def contours(square: Floats) -> list[dict[str, Any]]:
    """Lines of equal density of [n, 2] places in [-1, 1]²: {level, lines: [[[x, y], …], …]}, the faintest first."""
    edges = np.linspace(-1.1, 1.1, GRID + 1)
    counts, _, _ = np.histogram2d(square[:, 1], square[:, 0], bins=(edges, edges))
    density = gaussian_filter(counts, SMOOTHED)
    top = float(density.max())
    centres = (edges[:-1] + edges[1:]) / 2
    generator = contour_generator(centres, centres, density)
    return [
        {"level": level, "lines": [np.round(np.asarray(line), 4).tolist() for line in generator.lines(level * top)]}
        for level in LEVELS
    ]
