"""Rows of files: every kind of damage is one bad row with file, line and reason, and the others are read."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pyarrow
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from rlaudio.data import rows
from rlaudio.data.bad_rows import BadRow
from rlaudio.data.rows import FieldError, JsonRow, read_json_rows, scan_rows

GOOD = b'{"id": "a"}\n'


def write(folder: Path, content: bytes, name: str = "t.jsonl") -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def scanned(file: Path) -> tuple[list[str], list[str]]:
    """Ids of the rows, and the bad rows as text without the folder."""
    rows = list(scan_rows(file))
    ids = [row.fields["id"] for row in rows if isinstance(row, JsonRow)]
    bad = [str(row).replace(f"{file.parent}/", "") for row in rows if isinstance(row, BadRow)]
    return ids, bad


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"id": "\xe9"}', "byte 0xe9 at column 9 is not UTF-8; save the file as UTF-8"),
        (b'{"id": "\xed\xa0\x80"}', "byte 0xed at column 9 is not UTF-8"),
        (b'{"id": "b",', "not JSON ("),
        (b'{"id": "b",}', "not JSON ("),
        (b'{"id": "b"} {"id": "c"}', "not JSON (Extra data at column 13)"),
        (b'{"id": "b\x01"}', "not JSON (Invalid control character at column 10)"),
        (b"\0\0\0\0", "not JSON (Expecting value at column 1)"),
        (b"null", "holds null; expected an object with named fields"),
        (b"17", "holds a number; expected an object"),
        (b"[1]", "holds a list; expected an object"),
        (b'"row"', "holds a text; expected an object"),
        (b"NaN", "is NaN, which JSON does not have"),
        (b'{"z": NaN}', '"z" is NaN, which JSON does not have; expected a number or null'),
        (b'{"z": {"y": [1, -Infinity]}}', '"z.y[1]" is -Infinity, which JSON does not have'),
        (b'{"z": 1e999}', '"z" is a number too large'),
        (b'{"z": ' + b"9" * 5000 + b"}", '"z" is a number of 5000 digits; expected at most 300'),
        (b'{"z": "half \\ud83d"}', r""""z" holds '\ud83d', half of a character"""),
        (b'{"z": ["\\udcff"]}', r""""z[0]" holds '\udcff', half of a character or a byte"""),
        (b'{"\\ud800": 1}', r"the name '\ud800' holds half of a character"),
        (b'{"z": 1, "y": 2, "z": 3}', '"z" stands 2 times in one object; keep one'),
        (b'{"z": {"y": 1, "y": 2}}', '"z.y" stands 2 times in one object'),
        (b'{"z": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "lists and objects are nested more than 50"),
        (b'{"z": ' + b"[" * 60 + b"]" * 60 + b"}", "lists and objects are nested more than 50 deep"),
    ],
)
def test_a_damaged_line_is_one_bad_row_with_its_place_and_reason(tmp_path, line, reason):
    ids, bad = scanned(write(tmp_path, GOOD + line + b"\n" + GOOD.replace(b"a", b"c")))
    assert ids == ["a", "c"] and len(bad) == 1
    assert bad[0].startswith(f"t.jsonl:2: {reason}")


def test_every_fault_of_a_row_is_told_with_its_id(tmp_path):
    _, bad = scanned(write(tmp_path, b'{"id": "q7", "y": NaN, "z": NaN}'))
    assert [text.partition(" is")[0] for text in bad] == ['t.jsonl:1: "y"', 't.jsonl:1: "z"']
    assert all(text.endswith("(id q7)") for text in bad)


def test_a_line_beyond_the_limit_is_one_bad_row_and_is_not_parsed(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "MAX_CHARACTERS", 1000)
    ids, bad = scanned(write(tmp_path, GOOD + b'{"id": "' + b"x" * 5000 + b'"}\n' + GOOD + b"y" * 5000))
    assert ids == ["a", "a"]
    assert [text.partition(" than ")[0] for text in bad] == ["t.jsonl:2: longer", "t.jsonl:4: longer"]


def test_a_line_at_the_limit_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "MAX_CHARACTERS", len(GOOD) - 1)
    assert scanned(write(tmp_path, GOOD + GOOD)) == (["a", "a"], [])


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + GOOD + b'{"id": "b"}',
        GOOD + b"\xef\xbb\xbf" + b'{"id": "b"}',  # two files with a mark each, put together
        b'{"id": "a"}\r\n\r\n{"id": "b"}\r\n',
        b'{"id": "a"}\r{"id": "b"}\r',
        b"\n \t\n" + GOOD + b'{"id": "b"}',
        b'{"id": "a", "z": "\xe2\x80\xa8 \xc2\x85 \xe2\x80\xa9"}\n{"id": "b"}',  # line separators in a text
        b'{"id": "a", "z": "\\ud83d\\ude00"}\n{"id": "b"}',  # a pair is a character
    ],
)
def test_marks_line_ends_and_line_separators_do_no_harm(tmp_path, content):
    assert scanned(write(tmp_path, content)) == (["a", "b"], [])


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16"])
@pytest.mark.parametrize("text", ["b", "é", "音"])
def test_a_line_in_utf_16_among_others_is_one_bad_row_that_no_conversion_of_the_file_mends(
    tmp_path, encoding, text
):
    odd = f'{{"id": "{text}"}}\n'.encode(encoding)
    ids, bad = scanned(write(tmp_path, '{"id": "ä"}\n'.encode() + odd + GOOD))
    assert ids == ["ä", "a"] and len(bad) == 1
    assert bad[0].startswith("t.jsonl:2: a zero byte at column ") and "iconv" not in bad[0]
    assert bad[0].endswith("expected UTF-8; write the line anew, or remove it")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"id": "a"}'.encode("utf-16"), "is text in UTF-16; expected JSON in UTF-8; convert it: iconv -f"),
        ('{"id": "a"}'.encode("utf-16-le"), "iconv -f UTF-16LE -t UTF-8"),
        ('[{"id": "a"}]'.encode("utf-16-be"), "iconv -f UTF-16BE -t UTF-8"),
        (
            '\n{"id": "a"}'.encode("utf-16-le"),
            "iconv -f UTF-16LE -t UTF-8",
        ),
        (
            '{"id": "a"}'.encode("utf-32"),
            "is text in UTF-32; expected JSON in UTF-8; convert it",
        ),
        ("\n".join(['{"id": "é"}'] * 9).encode("utf-16-be"), "iconv -f UTF-16BE -t UTF-8"),
        (b"[" + b"\0" * 7 + b"{}", "is no text in UTF-8: zero bytes stand"),
        (gzip.compress(GOOD, mtime=0), "is compressed by gzip; expected JSON in UTF-8; unpack it"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "is a pointer of git LFS, not the file itself"),
        (b"<!doctype html><title>404</title>", "is an HTML or XML page"),
    ],
)
@pytest.mark.parametrize("name", ["t.jsonl", "t.json"])
def test_a_file_in_another_format_is_an_error_that_says_which(tmp_path, content, said, name):
    with pytest.raises(ValueError, match=rf"{name}: is .*") as error:
        scanned(write(tmp_path, content, name))
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'[{"id": "a"},\n]', "t.json:2: not JSON"),
        (b'7\n{"id": "a"}', r"t.json:2: not JSON \(Extra data\)"),
        (GOOD, "t.json: holds an object; expected a list of objects"),
        (b"", "t.json:1: not JSON"),
        (b"[" * 100_000, "t.json: lists and objects are nested more than 50 deep"),
    ],
)
def test_a_json_file_that_is_no_list_is_an_error(tmp_path, content, said):
    with pytest.raises(ValueError, match=said):
        scanned(write(tmp_path, content, "t.json"))


def test_a_json_file_with_an_object_a_line_is_read_by_lines(tmp_path):
    assert scanned(write(tmp_path, GOOD + b"7\n" + GOOD, "t.json")) == (
        ["a", "a"],
        ["t.json:2: holds a number; expected an object with named fields"],
    )


def test_one_object_is_a_row_where_that_is_asked_for(tmp_path):
    file = write(tmp_path, b'{\n "id": "a"\n}', "t.json")
    assert [row.fields for row in scan_rows(file, one_object=True)] == [{"id": "a"}]


@pytest.mark.parametrize("name", ["t.jsonl", "t.parquet"])
def test_rows_of_parquet_are_named_by_their_number_whatever_the_file_is_called(tmp_path, name):
    table = pyarrow.table({"id": ["a", "b"], "n": [1.5, float("nan")], "empty": [None, None]})
    parquet.write_table(table, tmp_path / name)
    rows_read = list(scan_rows(tmp_path / name))
    assert [row.where for row in rows_read] == [f"{tmp_path / name}: row 1", f"{tmp_path / name}: row 2"]
    assert [row.fields for row in rows_read] == [{"id": "a", "n": 1.5}, {"id": "b"}]


@pytest.mark.parametrize("content", [b"PAR1\0\0", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_a_damaged_parquet_file_is_an_error_that_names_it(tmp_path, content):
    with pytest.raises(ValueError, match=r"t\.parquet: cannot be read as Parquet \(.*\); fetch it again"):
        list(scan_rows(write(tmp_path, content, "t.parquet")))


def test_a_parquet_file_whose_values_cannot_be_read_is_an_error_that_names_it(tmp_path):
    moment = pyarrow.array([1], pyarrow.timestamp("ns"))  # Python has none below a microsecond
    names = ["id", "answer", "answer"]
    for columns, said in (([moment], "Nanosecond"), ([["a"], ["x"], ["y"]], "2 columns are called 'answer'")):
        table = pyarrow.table(columns, names[: len(columns)])
        parquet.write_table(table, tmp_path / "t.parquet")
        with pytest.raises(
            ValueError, match=rf"t\.parquet: cannot be read as Parquet \({said}.*write it anew"
        ):
            list(scan_rows(tmp_path / "t.parquet"))


def test_the_first_byte_of_a_line_is_known(tmp_path):
    file = write(tmp_path, "\ufeff{}\n\n".encode() + '{"id": "é"}\r\n'.encode() + GOOD)
    assert [row.offset for row in scan_rows(file)] == [0, 7, 21]


def test_bad_entries_of_a_json_list_are_bad_rows_named_by_their_number(tmp_path):
    ids, bad = scanned(write(tmp_path, b'\xef\xbb\xbf[{"id": "a"}, 7, {"z": NaN}, {"id": "b"}]', "t.json"))
    assert ids == ["a", "b"]
    assert [text.partition(" is ")[0] for text in bad] == [
        "t.json: item 2: holds a number; expected an object with named fields",
        't.json: item 3: "z"',
    ]


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "t.jsonl")
    with pytest.raises(ValueError, match=r"t\.jsonl: a pipe or a device; expected a file"):
        scanned(tmp_path / "t.jsonl")


def test_a_file_name_that_is_not_utf8_can_be_printed(tmp_path):
    file = tmp_path / os.fsdecode(b"\xff.jsonl")
    file.write_bytes(b"x\n")
    (row,) = scan_rows(file)
    assert isinstance(row, BadRow)
    assert f"{tmp_path}/\\udcff.jsonl:1: not JSON" in str(row).encode().decode()


def test_where_no_row_may_be_bad_the_first_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"t\.jsonl:2: not JSON"):
        list(read_json_rows(write(tmp_path, GOOD + b"x\ny\n")))


def test_a_field_of_another_type_is_shown_short_enough_for_a_message():
    row = JsonRow("t.jsonl:1", {"id": ["x" * 10_000] * 10_000})
    with pytest.raises(FieldError, match=r't\.jsonl:1: "id" is \[.*; expected text') as error:
        row.text("id")
    assert len(str(error.value)) < 3000


def test_a_field_that_is_null_is_not_called_present():
    with pytest.raises(FieldError, match=r'no field "answer"; found: id$'):
        JsonRow("t.jsonl:1", {"id": "a", "answer": None}).text("answer")


def test_an_item_that_is_nested_too_deep_is_one_bad_row_of_a_json_file(tmp_path):
    deep = "[" * 4_000 + "]" * 4_000
    path = tmp_path / "t.json"
    path.write_text(f'[{{"id": "a"}}, {{"id": "z", "x": {deep}, "y": "]"}}, {{"id": "b"}}]', encoding="utf-8")
    rows = list(scan_rows(path))
    assert [row.fields["id"] for row in rows if isinstance(row, JsonRow)] == ["a", "b"]
    [bad] = [str(row) for row in rows if isinstance(row, BadRow)]
    assert bad.startswith(f"{path}: item 2: lists and objects are nested more than 50 deep")
    assert bad.endswith("(id z)")


# Values as they are written, so that a name may stand twice and a number have any form.
_TEXT = st.text(max_size=6) | st.sampled_from(['"', "\\", "{", "[", "]", ":", "\ud800", "é", "\x7f", "\0"])
_NUMBER = st.sampled_from(["0", "-0", "1e5", "1e999", "1.7976931348623159e308", "9" * 400, "NaN", "01"])
_SIMPLE = st.builds(json.dumps, _TEXT | st.none() | st.booleans(), ensure_ascii=st.booleans()) | _NUMBER
_LIST = st.lists(_SIMPLE, max_size=3).map(lambda entries: f"[{','.join(entries)}]")
_NAME = st.sampled_from(["a", "b", "c", ""]).map(json.dumps)
_OBJECT = st.lists(st.tuples(_NAME, _SIMPLE | _LIST), max_size=4).map(
    lambda pairs: "{" + ", ".join(f"{name}: {value}" for name, value in pairs) + "}"
)


@given(_OBJECT)
def test_the_short_way_for_texts_gives_what_the_strict_parser_gives_or_nothing(text):
    line = text.encode(errors="surrogatepass") + b"\n"
    fields = rows._object_of_texts(line)
    if fields is not None:
        strict = rows._DECODER.decode(text)
        assert fields == strict
        assert list(fields) == list(strict)
        assert not list(rows._faults(strict))


@pytest.mark.parametrize(
    "line",
    [
        b'{"id": "a", "question": "What?", "choices": ["a", "b"], "more": null, "flag": true}\n',
        b'{"id": "\xc3\xa9"}',
        b"{}\n",
    ],
)
def test_lines_of_texts_take_the_short_way(line):
    assert rows._object_of_texts(line) == json.loads(line)


def test_a_name_that_stands_twice_is_a_fault_also_beside_a_list_with_numbers(tmp_path):
    file = write(tmp_path, b'{"id": "a", "id": "b", "choices": [1, 2]}\n{"id": "a", "id": "b"}\n')
    assert scanned(file) == (
        [],
        [f't.jsonl:{n}: "id" stands 2 times in one object; keep one' for n in (1, 2)],
    )
