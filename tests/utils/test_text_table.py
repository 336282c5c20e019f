"""Tables in plain text: no wider than a terminal, with every number once."""

from rlaudio.utils.text_table import WIDTH, shown_once, text_table


def test_a_table_that_fits_is_one():
    assert text_table(["", "n", "share"], [["all", "12", "3.5"], ["a", "1", "10.0"]]) == (
        "      n  share\nall  12    3.5\na     1   10.0"
    )


def test_columns_that_do_not_fit_stand_below_with_the_first_column_again():
    header = ["", *(f"column {n}" for n in range(12))]
    rows = [[f"row {r}", *(f"{r}.{n}" for n in range(12))] for r in range(2)]
    tables = text_table(header, rows).split("\n\n")
    assert len(tables) == 2
    lines = [line for table in tables for line in table.splitlines()]
    assert all(len(line) <= WIDTH for line in lines)
    assert [line.split("  ")[0] for line in lines if line.startswith("row")] == ["row 0", "row 1"] * 2
    words = " ".join(lines).split()
    assert all(words.count(f"{r}.{n}") == 1 for r in range(2) for n in range(12))


def test_columns_that_belong_together_are_kept_apart_where_not_all_fit():
    header, row = ["", "n", *["x" * 25] * 4], ["all", "1", "a", "b", "c", "d"]
    first, second = text_table(header, [row], apart=4).split("\n\n")
    assert first.splitlines()[1].split() == ["all", "1", "a", "b"]
    assert second.splitlines()[1].split() == ["all", "c", "d"]
    assert "\n\n" not in text_table(header[:4], [row[:4]], apart=2)


def test_a_column_wider_than_the_terminal_stands_alone():
    assert len(text_table(["", "a", "b"], [["all", "x" * 120, "2"]]).split("\n\n")) == 2


def test_rows_about_the_same_are_shown_once_and_named():
    lines = [
        ("qa qb", ["all", "2", "50.0"]),
        ("qa", ["category: music", "1", "0.0"]),
        ("qb", ["category: sound", "1", "0.0"]),  # by chance the same numbers
        ("qa qb", ["source: clotho", "2", "50.0"]),
        ("qa", ["truth: strong", "1", "0.0"]),
    ]
    rows, notes = shown_once(lines)
    assert [row[0] for row in rows] == ["all", "category: music", "category: sound"]
    assert notes == ["Equal lines, shown once: all = source: clotho; category: music = truth: strong."]


def test_rows_about_the_same_that_say_something_else_are_all_shown():
    lines = [("qa qb", ["all", "2", "54.8"]), ("qa qb", ["source: tacos", "2", "26.7"])]
    assert shown_once(lines) == ([row for _, row in lines], [])


def test_without_equal_rows_nothing_is_said():
    rows = [("q r", ["all", "2"]), ("q", ["a: b", "1"])]
    assert shown_once(rows) == ([row for _, row in rows], [])
