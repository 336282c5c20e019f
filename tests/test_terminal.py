"""What the terminal shows: tables, percentages and progress bars."""

from rlaudio.progress import progress
from rlaudio.text_table import percent, text_table


def test_a_table_has_its_names_flush_left_and_its_numbers_flush_right():
    table = text_table(["", "accuracy"], [["weak", "9.0"], ["strong", "100.0"]])
    assert table.splitlines() == [
        "        accuracy",
        "weak         9.0",
        "strong     100.0",
    ]


def test_a_missing_fraction_is_a_dash():
    assert (percent(0.1234), percent(1.0), percent(None)) == ("12.3", "100.0", "-")


def test_progress_passes_every_item_on_and_is_quiet_off_a_terminal(capfd):
    assert list(progress(range(3), total=3, label="count", unit="item")) == [0, 1, 2]
    assert capfd.readouterr().err == ""
