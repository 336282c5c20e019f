"""Files that somebody else may have made: read if they are ordinary, never written through a link."""

import os
import stat
import tracemalloc

import pytest

from rlaudio.runs import files, shapes
from rlaudio.runs.files import append_row, read_json, read_rows, read_text, unfinished, write_rows, write_text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b'{"a": NaN}',
        b"[" * 100_000,
        b"9" * 5_000,
        b'{"a": "\\ud800"}',
        b'{"a": 1',
    ],
    ids=["empty", "not UTF-8", "NaN", "deep", "long number", "half a character", "cut off"],
)
def test_what_is_not_json_is_one_message_with_the_file(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.json: expected JSON, found .* at line 1 .*; copy the"):
        read_json(tmp_path / "x.json")
    (tmp_path / "x.jsonl").write_bytes(b'{"a": 1}\n' + content + b"\n")
    with pytest.raises(ValueError, match=r"x\.jsonl, line 2: expected a JSON object, found .*; delete the"):
        read_rows(tmp_path / "x.jsonl")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("[1]", "expected a JSON object, found"),
        ("{}", "expected a row with the name of a stage under 'stage'"),
        ('{"stage": "../../x", "step": 1}', "expected a name, which is no path"),
        ('{"stage": "rl", "step": "1"}', "expected a row with a whole number under 'step'"),
        (
            '{"stage": "rl", "step": 1, "loss/total": "0.5"}',
            "expected a row with a finite number under 'loss/",
        ),
        (
            '{"stage": "rl", "step": 1, "loss/total": 1e999}',
            "expected a row with a finite number under 'loss/",
        ),
    ],
)
def test_a_row_of_another_shape_is_told_with_file_line_and_key(tmp_path, row, said):
    (tmp_path / "metrics.jsonl").write_text(row + "\n")
    with pytest.raises(ValueError, match=f"metrics.jsonl, line 1: {said}"):
        read_rows(tmp_path / "metrics.jsonl", shapes.METRICS)


def test_a_last_line_without_an_end_is_damage_except_where_rows_are_appended(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"a": 1}\n{"a": 2}')
    assert read_rows(tmp_path / "x.jsonl", appended=True) == [{"a": 1}]
    with pytest.raises(ValueError, match=r"x\.jsonl, line 2: the file ends within it, cut off; expected"):
        read_rows(tmp_path / "x.jsonl")


def test_a_pipe_a_folder_and_a_device_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "device").symlink_to("/dev/zero")
    for name in ("pipe", "folder", "device"):
        with pytest.raises(ValueError, match=f"{name}: expected an ordinary file, found a {name}; delete it"):
            read_text(tmp_path / name)


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LARGEST_ROWS", 10)
    (tmp_path / "rows.jsonl").write_text('{"a": 12345678}\n')
    with pytest.raises(ValueError, match=r"rows\.jsonl: .* bytes; expected a file of at most .*; delete it"):
        read_rows(tmp_path / "rows.jsonl")


@pytest.mark.parametrize(
    "write", [lambda path: write_text(path, "x"), lambda path: append_row(path, {"a": 1})]
)
def test_a_folder_in_the_place_of_a_file_is_named(tmp_path, write):
    path = tmp_path / "report.html"
    path.mkdir()
    with pytest.raises(OSError, match=rf"^{path}: a folder; expected a file to be written there; move"):
        write(path)
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "evaluation").write_text("")
    with pytest.raises(OSError, match=r"base\.json: .*; expected a file to be written there; move what is"):
        write_text(tmp_path / "evaluation" / "base.json", "x")


def test_a_device_is_not_replaced_by_a_file(tmp_path):
    device = tmp_path / "null"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root makes devices")
    with pytest.raises(FileExistsError, match="null: a device; expected a file to be written there"):
        write_text(device, "text")
    assert device.is_char_device()


def test_nothing_is_written_through_a_link_that_lies_in_the_way(tmp_path):
    (tmp_path / "mine").write_text("mine")
    for name in ("page.html", ".page.html.unfinished"):
        (tmp_path / name).symlink_to(tmp_path / "mine")
    write_text(tmp_path / "page.html", "page")
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (tmp_path / "page.html").is_symlink() and (tmp_path / "page.html").read_text() == "page"


def test_rows_are_written_one_by_one_and_all_or_nothing(tmp_path):
    path, taken = tmp_path / "x.jsonl", []
    write_rows(path, [{"n": 0}])

    def rows(last):
        for n in range(3):
            taken.append(unfinished(path).exists())
            yield {"n": n}
        if last is None:
            raise ValueError("no last row")
        yield {"n": last}

    with pytest.raises(ValueError, match="no last row"):
        write_rows(path, rows(None))
    assert read_rows(path) == [{"n": 0}] and not unfinished(path).exists()
    write_rows(path, rows(3))
    assert [row["n"] for row in read_rows(path)] == [0, 1, 2, 3] and taken == [True] * 6


def test_many_rows_are_never_in_memory_together(tmp_path):
    text = "x" * 10_000
    tracemalloc.start()
    write_rows(tmp_path / "x.jsonl", ({"n": n, "text": text} for n in range(2_000)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "x.jsonl").stat().st_size > 20_000_000 > 10 * peak


def test_a_file_that_is_missing_while_rows_are_made_is_told_as_itself(tmp_path):
    def rows():
        yield {"clip": (tmp_path / "gone.wav").read_bytes()}

    with pytest.raises(FileNotFoundError) as told:
        write_rows(tmp_path / "rows.jsonl", rows())
    assert told.value.filename == str(tmp_path / "gone.wav")
    assert not list(tmp_path.iterdir())
