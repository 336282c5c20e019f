"""The table of arms that are made up."""

from rlaudio.compare.table import markdown_table
from tests.compare.made_up_arms import HALF, RIGHT


def test_the_table_has_a_row_for_every_arm(made_up):
    table = markdown_table(made_up(a=[HALF], b=[RIGHT])).splitlines()
    assert table[0].startswith(
        "| arm | strong | strong, silence | weak | all | strong, against a | p (Holm) |"
    )
    assert len({line.count("|") for line in table}) == 1
    # Wilson: 4 of 4 is at least 4 / (4 + 1.96^2), 0 of 4 the mirror; Bonett and Price: 4 of 4 gained
    assert table[3].startswith("| `b` | 100.0 [51.0, 100.0] | 0.0 [0.0, 49.0] | 100.0 [51.0, 100.0] |")
    assert "+100.0 [+7.0, +100.0] | 0.12 | 7.0 | 40 | 450 | 4.0 s |" in table[3]
