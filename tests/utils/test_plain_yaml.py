"""YAML of others: a few lines cannot become gigabytes, and every fault has its line."""

import pytest

from rlaudio.utils.plain_yaml import DEEPEST, parse_plain_yaml, plain_yaml


def test_values_come_back_and_one_used_twice_is_written_twice():
    shared = ["é", 1, None, "a\u2028b", "\x85", "\u2029", "\xa0"]
    text = plain_yaml({"b": shared, "a": shared})
    assert "&" not in text and parse_plain_yaml(text, "x.yaml") == {"b": shared, "a": shared}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &a [x, x]\nb: [*a, *a]\n", r"x.yaml, line 2: not valid YAML: aliases \(\*name\) are not supp"),
        ("a: " + "[" * 5000, rf"x.yaml, line 1: not valid YAML: more than {DEEPEST} maps"),
        ("a: 1\nb: " + "9" * 5000, r"x.yaml, line 2: not valid YAML: '9{40}' cannot be read"),
        ("a: !!python/object/apply:os.system [ls]", r"x.yaml, line 1: .*tags .* are not supported"),
        ('a: 1\nb: "\\U00110000"', r"x.yaml, line 2: not valid YAML: \\U00110000 is no character; expected"),
        ('a: "\\UFFFFFFFF"', r"x.yaml, line 1: not valid YAML: \\UFFFFFFFF is no character; expected"),
        (f"%YAML {'9' * 5000}.1\n---\na: 1", r"x.yaml, line 1: not valid YAML: cannot be read: Exceeds"),
        ("a: \x01", r"x.yaml, line 1: not valid YAML: the sign U\+0001 cannot stand in text; delete it"),
        ("a: 1\nb: x\u2029y", r"x.yaml, line 2: not valid YAML: the sign U\+2029 cannot stand in text"),
    ],
)
def test_what_could_grow_or_run_is_refused_with_its_line(text, said):
    with pytest.raises(ValueError, match=said):
        parse_plain_yaml(text, "x.yaml")


def test_a_date_is_text():
    assert parse_plain_yaml("a: 2020-13-45", "x.yaml") == {"a": "2020-13-45"}
