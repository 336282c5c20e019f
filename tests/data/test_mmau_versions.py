"""Which version of MMAU questions are of, by their ids."""

import pytest

from rlaudio.data.mmau_versions import BEFORE, CURRENT, UNKNOWN, version_of


@pytest.mark.parametrize(
    ("ids", "version"),
    [
        (["002ebba8-1111", "x"], CURRENT),
        (["02256382-1111", "x"], BEFORE),
        (["002ebba8-1", "02256382-1"], UNKNOWN),
        (["x"], UNKNOWN),
        ([], UNKNOWN),
    ],
)
def test_ids_of_one_version_alone_tell_it(ids, version):
    assert version_of(ids) == version
