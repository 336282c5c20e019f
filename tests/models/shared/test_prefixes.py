"""What sequences begin with in common."""

import numpy as np
import pytest

from rlaudio.models.shared.prefixes import before_media, common_start


@pytest.mark.parametrize(
    ("sequences", "length"),
    [
        ([[1, 2, 3, 4], [1, 2, 9, 4]], 2),
        ([[1, 2, 3], [1, 2, 3]], 2),  # the last of the shortest is left to be computed
        ([[1, 2], [1, 2, 3, 4]], 1),
        ([[5, 2], [1, 2]], 0),
        ([[1, 2, 3]], 2),
        ([[1], [1, 2]], 0),
    ],
)
def test_sequences_share_what_they_begin_with_but_never_all_of_one(sequences, length):
    assert common_start([np.array(sequence) for sequence in sequences]) == length


@pytest.mark.parametrize(("ids", "length"), [([1, 2, 7, 3], 2), ([8, 1], 0), ([1, 2], 2), ([], 0)])
def test_text_ends_before_the_first_media_token(ids, length):
    assert before_media(np.array(ids, dtype=np.int64), (7, 8)) == length
