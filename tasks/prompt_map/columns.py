"""Columns packed for the page: a JSON head, then each column's bytes, deflated together, in base64.

    deflate( head's length (4 bytes, little-endian) · head (UTF-8, padded to 4) · columns, each padded to 4 )

The head is any JSON; under "columns" it holds for each column its type (a JavaScript typed array's name), offset and
length. `page/data.js` is the reader.
"""

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

ARRAYS = {
    "uint8": "Uint8Array",
    "int16": "Int16Array",
    "uint16": "Uint16Array",
    "uint32": "Uint32Array",
    "float32": "Float32Array",
}
LEVEL = 9


def pack(head: Mapping[str, Any], columns: Mapping[str, NDArray[Any]]) -> str:
    """Base64 text. columns: arrays of uint8, int16, uint16, uint32 or float32, flattened row by row."""
    where: dict[str, Any] = {}
    body = bytearray()
    for name, column in columns.items():
        where[name] = {"type": ARRAYS[column.dtype.name], "offset": len(body), "length": column.size}
        body += padded(np.ascontiguousarray(column, dtype=column.dtype.newbyteorder("<")).tobytes())
    text = padded(json.dumps({**head, "columns": where}, ensure_ascii=False).encode(), b" ")
    whole = len(text).to_bytes(4, "little") + text + bytes(body)
    return base64.b64encode(zlib.compress(whole, LEVEL)).decode("ascii")


def unpack(packed: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What `pack` was given; columns flat."""
    whole = zlib.decompress(base64.b64decode(packed))
    start = 4 + int.from_bytes(whole[:4], "little")
    head = json.loads(whole[4:start])
    dtypes = {array: dtype for dtype, array in ARRAYS.items()}
    return head, {
        name: np.frombuffer(whole, np.dtype(dtypes[at["type"]]), at["length"], start + at["offset"])
        for name, at in head.pop("columns").items()
    }


def quantised(share: NDArray[Any]) -> NDArray[np.int16]:
    """Values of [-1, 1] in steps of 1/32767."""
    steps: NDArray[np.int16] = np.rint(share * 32767).astype(np.int16)
    return steps


def padded(data: bytes, filler: bytes = b"\0") -> bytes:
    return data + filler * (-len(data) % 4)
