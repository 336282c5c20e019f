"""The commands of `rlaudio data`, on small files with real audio."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from rlaudio.cli import main
from rlaudio.config.plugins import bind
from rlaudio.data.audiomcq import audiomcq, write_audiomcq
from rlaudio.types import Choice, Dataset
from tests.word_family import questions_on_disk


def data(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["data", *map(str, arguments)])


@pytest.fixture
def good(tmp_path) -> Path:
    """Four questions in two groups, in a file beside their audio."""
    groups = [{"category": "sound", "source": f"s{n // 2}"} for n in range(4)]
    questions = questions_on_disk(tmp_path, 4, labels={"q0": "weak"}, groups=groups)
    write_audiomcq(questions, tmp_path / "good.jsonl")
    return tmp_path / "good.jsonl"


@pytest.fixture
def bad(good) -> Path:
    """The same with a missing clip, an answer that is no option, equal options, and a line without JSON."""
    first, second, third, fourth = audiomcq(path=good)
    rows = Dataset(
        (
            replace(first, clips=(good.parent / "gone.wav",)),
            replace(second, target=Choice(("a", "b"), None, "c")),
            replace(third, target=Choice(("a", "A", "b"), 0, "a")),
            replace(fourth, target=Choice(("a dog", "dog"), 0, "a dog")),
        )
    )
    write_audiomcq(rows, good.with_name("bad.jsonl"))
    with good.with_name("bad.jsonl").open("a", encoding="utf-8") as file:
        file.write("no JSON\n")
    return good.with_name("bad.jsonl")


# --- options -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "options", "told"),
    [
        ("audit", ("--max-seconds", "nan"), "nan is not a number"),
        ("audit", ("--max-seconds", "inf"), "is not in the range 0<x<=86400"),
        (
            "audit",
            ("--audio-root", "other=/gone"),
            "no set is called other; expected a folder, or NAME=FOLDER",
        ),
        ("audit", ("--audio-root", ""), "--audio-root '': expected a folder"),
        ("audit", ("--audio-root", "a", "--audio-root", "b"), "--audio-root a and b are of the same sets"),
        ("audit", ("--audio-root", "audiomcq="), "--audio-root 'audiomcq=': expected a folder"),
        (
            "split",
            ("--out", "parts", "--share", "0.1", "--share", "0.2"),
            "--share is given 2 times; expected",
        ),
        ("convert", ("--out", "c.jsonl", "--only", "weak", "--only", "strong"), "--only is given 2 times"),
        ("split", ("--out", "parts", "--seed", "-1"), "-1 is not in the range x>=0"),
        ("view", ("--out", "good.jsonl"), "expected a file that ends in .html"),
        ("permute", ("--out", "permuted.txt"), "expected a file that ends in .jsonl"),
    ],
)
def test_an_option_that_would_do_nothing_or_harm_is_refused(good, monkeypatch, command, options, told):
    monkeypatch.chdir(good.parent)
    before = good.read_bytes()
    done = data(command, good, *options)
    assert (done.exit_code, told in done.output) == (2, True), done.output
    assert good.read_bytes() == before


def test_an_audio_root_of_a_set_that_is_not_compared_is_refused(good):
    done = data("dedupe", good, good, "--audio-root", "good-3=/gone")
    assert done.exit_code == 2
    assert (
        "no set is called good-3; expected a folder, or NAME=FOLDER with NAME one of good, good-2"
        in done.output
    )


# --- audit and stats -----------------------------------------------------------------------------


def test_an_audit_of_good_data_is_a_table_and_exit_status_0(good):
    done = data("audit", good)
    assert done.exit_code == 0
    assert done.output.splitlines()[-1] == "every row can be used"
    counts, gold = [part.splitlines() for part in done.output.split("\n\n")]
    assert [line.split("  ")[0] for line in counts] == ["", "all", "source: s0", "source: s1"]
    assert counts[1].split() == ["all", "4", "0", "4", "0.00", "0.10", "0.25", "0.40"]
    assert gold[0].split() == ["gold", "1", "gold", "2", "gold", "3", "gold", "4"]
    assert gold[1].split() == ["all", *["1", "(25%)"] * 4]
    assert "Equal lines, shown once: all = category: sound." in gold


def test_an_audit_lists_what_is_wrong_and_has_exit_status_1(bad):
    done = data("audit", bad)
    assert done.exit_code == 1
    for said in (
        f"{bad}:1: {bad.parent / 'gone.wav'}: no such file",
        f"{bad}:2: answer 'c' is none of ['a', 'b']",
        f"{bad}:3: 'a' stands more than once in ['a', 'A', 'b']",
        f"{bad}:5: not JSON",
        "nested options: 1 question (q3); the words of one option stand within another",
        "4 problems in 4 of 5 questions (",
    ):
        assert said in done.output
    whole = next(line for line in done.output.splitlines() if line.startswith("all "))
    assert whole.split()[1:3] == ["4", "4"]


def test_an_audit_as_json_has_every_count(bad):
    done = data("audit", bad, "--json")
    told = json.loads(done.output)
    assert (done.exit_code, told["usable"], told["rows"]) == (1, False, 5)
    assert told["problems"] == {
        "malformed row": 1,
        "missing audio": 1,
        "answer not among the choices": 1,
        "duplicate choices": 1,
    }
    assert told["odd_questions"] == {"equal options": ["q2"], "nested options": ["q3"]}
    whole = told["counts"][0]
    assert (whole["gold_positions"], whole["options"]) == ([3], {"2": 2, "3": 1, "4": 1})
    assert whole["durations"]["clips"] == 3


def test_without_audio_no_file_is_looked_at(bad):
    done = data("audit", bad, "--no-audio")
    assert done.exit_code == 1
    assert "gone.wav" not in done.output and "hours" not in done.output
    assert "3 problems in 3 of 5" in done.output


def test_decoding_finds_what_headers_hide(good):
    (good.parent / "q0.wav").write_bytes((good.parent / "q0.wav").read_bytes()[:44] + bytes(3200))
    assert "digital silence: 1 clip" in data("audit", good, "--decode").output


def test_stats_are_numbers_of_each_group(good):
    lines = data("stats", good).output.splitlines()
    assert lines[0].split()[:2] == ["questions", "options"] and lines[0].endswith("weak  unlabelled")
    assert [line.split()[-2:] for line in lines[1:-1]] == [["1", "3"], ["1", "1"], ["0", "2"]]
    assert lines[-1] == "Equal lines, shown once: all = category: sound."
    assert json.loads(data("stats", good, "--json").output)[0]["contribution"] == {"unlabelled": 3, "weak": 1}


# --- making files --------------------------------------------------------------------------------


def specs(done: Result) -> list[dict[str, str]]:
    """The files that a command wrote, as a recipe names them."""
    assert done.exit_code == 0, done.output
    return [yaml.safe_load(line[line.index("{") :]) for line in done.output.splitlines() if "{" in line]


def read(spec: dict[str, str]) -> Dataset:
    return bind("data", spec)()


@pytest.mark.parametrize("by", ["clip", "source"])
def test_a_split_is_two_files_without_anything_in_common(good, tmp_path, by):
    done = data("split", good, "--by", by, "--share", "0.5", "--out", tmp_path / "parts")
    train, held_out = map(read, specs(done))
    assert (len(train), len(held_out)) == (2, 2)
    assert {clip for q in train for clip in q.clips}.isdisjoint(clip for q in held_out for clip in q.clips)
    if by == "source":
        assert len({q.groups["source"] for q in held_out}) == 1
    assert sorted(file.name for file in (tmp_path / "parts").iterdir()) == ["held_out.jsonl", "train.jsonl"]


def test_a_file_is_never_replaced(good):
    done = data("convert", good, "--out", good)
    assert done.exit_code == 1
    assert f"{good}: is there already" in done.output


def test_no_part_of_a_split_is_written_beside_an_old_one(good, tmp_path):
    (tmp_path / "held_out.jsonl").touch()
    done = data("split", good, "--share", "0.5", "--out", tmp_path)
    assert done.exit_code == 1 and "held_out.jsonl: is there already" in done.output
    assert not (tmp_path / "train.jsonl").exists()


def test_permuted_data_has_the_gold_option_everywhere(good, tmp_path):
    done = data("permute", good, "--out", tmp_path / "p.jsonl")
    assert done.output.startswith("16 questions, {use: ")
    positions = [q.answer_index for spec in specs(done) for q in read(spec)]
    assert positions == [0, 1, 2, 3] * 4


def test_what_permuting_leaves_out_is_counted(tmp_path):
    rows = [{"id": "q0", "question": "?", "choices": ["a", "b"], "answer": "a"}]
    rows += [{"id": "q1", "question": "?", "choices": ["a", "b"]}]
    rows += [{"id": "q2", "question": "?", "choices": ["a", "none of the above"], "answer": "a"}]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    done = data("permute", f"jsonl={tmp_path / 'd.jsonl'}", "--out", tmp_path / "p.jsonl")
    assert "2 questions, {use: " in done.output
    assert "1 question without a known gold option left out" in done.output
    assert "1 question left out, with an option that refers to others by their places" in done.output
    assert "first: q2" in done.output


def test_converted_data_is_the_same(good, tmp_path):
    (spec,) = specs(data("convert", f"audiomcq={good}", "--out", tmp_path / "c.jsonl"))
    before, after = audiomcq(path=good), read(spec)
    assert [q.id for q in after] == [q.id for q in before]
    assert after.contributions == before.contributions


def test_bad_rows_stop_a_command_or_are_dropped_and_told(bad, tmp_path):
    refused = data("convert", bad, "--out", tmp_path / "c.jsonl")
    assert (refused.exit_code, "1 bad row; fix or remove them" in refused.output) == (1, True)
    done = data("convert", bad, "--out", tmp_path / "c.jsonl", "--drop-bad-rows")
    assert done.exit_code == 0
    assert "1 bad row left out:" in done.stderr and "bad.jsonl:5: not JSON" in done.stderr


# --- dedupe --------------------------------------------------------------------------------------


@pytest.fixture
def benchmark(good) -> Path:
    """Another folder with one of the clips, under another name, one of the texts, and a new question."""
    folder = good.parent / "benchmark"
    folder.mkdir()
    copied, text, new, _ = audiomcq(path=good)
    shutil.copy(copied.clips[0], folder / "x.wav")
    shutil.copy(good.parent / "q3.wav", folder / "z.wav")
    questions = questions_on_disk(folder, 6)[4:]  # clips of other lengths
    write_audiomcq(
        [
            replace(copied, id="x", question="Else?", clips=(folder / "x.wav",)),
            replace(text, id="y", clips=questions[0].clips),
            replace(new, id="z", question="New?", clips=questions[1].clips),
        ],
        folder / "b.jsonl",
    )
    return folder / "b.jsonl"


def test_leaks_are_counted_and_listed_and_have_exit_status_1(good, benchmark):
    done = data("dedupe", good, benchmark)
    assert done.exit_code == 1
    rows = [line.split() for line in done.output.splitlines()[1:3]]
    assert rows == [["good", "in", "b", "4", "0", "1", "1"], ["b", "in", "good", "3", "0", "1", "1"]]
    assert done.output.splitlines()[3:] == ["audio: q0 of good, x of b", "text: q1 of good, y of b"]


def test_of_many_leaks_five_are_listed_and_the_others_counted(tmp_path):
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        write_audiomcq(questions_on_disk(folder, 8), folder / f"{name}.jsonl")
    done = data("dedupe", tmp_path / "a" / "a.jsonl", tmp_path / "b" / "b.jsonl")
    *five, others = done.output.splitlines()[3:]
    assert [line.endswith(f"q{n} of a, q{n} of b") for n, line in enumerate(five)] == [True] * 5
    assert others == "and 3 more of a and b; --json lists all"


def test_leaks_are_masked_in_files(good, benchmark, tmp_path):
    out = tmp_path / "masks"
    done = data("dedupe", good, benchmark, "--out", out)
    assert done.exit_code == 0
    assert (out / "good.leave_out.txt").read_text(encoding="utf-8") == "q0\nq1\n"
    assert (out / "b.leave_out.txt").read_text(encoding="utf-8") == "x\ny\n"
    (clean,) = map(read, specs(done))
    assert [q.id for q in clean] == ["q2", "q3"]
    leaks = [json.loads(line) for line in (out / "leaks.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(leak["id"], leak["shared"], leak["other_id"]) for leak in leaks[:2]] == [
        ("q0", "audio", "x"),
        ("q1", "text", "y"),
    ]


def test_data_that_leaks_as_a_whole_is_told_and_an_old_clean_file_is_refused(good, tmp_path):
    done = data("dedupe", good, good, "--out", tmp_path)
    assert "every question leaks; good.clean.jsonl is not written" in done.output
    (tmp_path / "good.clean.jsonl").touch()
    done = data("dedupe", good, good, "--out", tmp_path)
    assert done.exit_code == 1 and "good.clean.jsonl: is there already" in done.output


@pytest.mark.parametrize("name", ["leaks.jsonl", "b.leave_out.txt"])
def test_what_masking_would_replace_is_refused_before_anything_is_written(good, benchmark, tmp_path, name):
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / name).write_text("mine", encoding="utf-8")
    done = data("dedupe", good, benchmark, "--out", tmp_path / "masks")
    assert done.exit_code == 1 and f"{name}: is there already" in done.output
    assert [file.read_text(encoding="utf-8") for file in (tmp_path / "masks").iterdir()] == ["mine"]


def test_by_audio_shared_text_alone_is_no_leak(good, benchmark, tmp_path):
    data("dedupe", good, benchmark, "--by", "audio", "--out", tmp_path / "masks")
    assert (tmp_path / "masks" / "b.leave_out.txt").read_text(encoding="utf-8") == "x\n"


def test_sets_without_a_leak_have_exit_status_0(good, benchmark):
    assert data("dedupe", good, benchmark, "--by", "both").exit_code == 0


def test_audio_roots_are_given_to_all_sets_or_to_one(good, benchmark, tmp_path):
    for file in (good, benchmark):
        shutil.move(file, tmp_path / f"moved_{file.name}")
    sets = (tmp_path / "moved_good.jsonl", tmp_path / "moved_b.jsonl")
    roots = ("--audio-root", f"moved_b={benchmark.parent}")
    assert "audio: q0 of moved_good, x of moved_b" in data("dedupe", *sets, *roots).output


# --- what is wrong with the command line ---------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["audit", "mmao=x"], "unknown data 'mmao'"),
        (["audit", "=x"], "expected NAME=PATH, such as mmau=/data/MMAU, or a path"),
        (["audit", "gone.jsonl"], "gone.jsonl: no such file or folder"),
        (["audit", "gone.jsonl", "--no-audio", "--decode"], "--no-audio and --decode exclude each other"),
        (["dedupe", "one.jsonl"], "Missing argument 'BENCHMARK...'"),
    ],
)
def test_mistakes_are_one_message(arguments, said):
    done = data(*arguments)
    assert done.exit_code in (1, 2) and said in done.output
    assert isinstance(done.exception, SystemExit)


def test_every_command_explains_itself_without_a_library_that_computes():
    for name in ("audit", "stats", "split", "dedupe", "permute", "convert"):
        assert data(name, "--help").exit_code == 0
        assert f"  {name} " in data("--help").output
