"""Which of several texts is nearest to another? By an embedder: a plug-in that makes vectors of texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rlaudio.utils.messages import shown

Embedder = Callable[[list[str]], np.ndarray]  # of N texts: an array [N, D]

_LEAST_NORM = 1e-12  # PyTorch's, of `normalize`: a vector of zeros stays one, no division by zero


def nearest(text: str, others: Sequence[str], embedder: Embedder) -> int:
    """Position of the text with the greatest cosine to `text`; of equally near ones the first.

    The text is embedded by itself and the others together, as MMAU-Pro's script does. Raises ValueError for
    an embedder that gives anything else than one finite vector for each text.
    """
    vector = _unit(embedder([text]), 1, embedder)  # [1, D]
    many = _unit(embedder(list(others)), len(others), embedder)  # [N, D]
    if vector.shape[1] != many.shape[1]:
        raise ValueError(
            f"{embedder}: vectors of {vector.shape[1]} and of {many.shape[1]}; expected equal ones"
        )
    return int(np.argmax(many @ vector[0]))


def _unit(vectors: object, count: int, embedder: Embedder) -> np.ndarray:
    """The vectors [N, D] at length 1."""
    try:
        array = np.asarray(vectors, dtype=np.float64)
    except (TypeError, ValueError) as error:  # texts, or rows of several lengths
        raise ValueError(f"{embedder}: {shown(vectors)}; expected an array of numbers") from error
    if array.ndim != 2 or len(array) != count or not np.isfinite(array).all():
        finite = "" if np.isfinite(array).all() else ", not all of it finite"
        raise ValueError(
            f"{embedder}: an array of shape {array.shape}{finite} for {count} texts; expected one finite "
            "vector for each text"
        )
    unit: np.ndarray = array / np.maximum(np.linalg.norm(array, axis=1, keepdims=True), _LEAST_NORM)
    return unit
