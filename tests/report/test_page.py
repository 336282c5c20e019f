"""The page of a run: complete, self-contained, honest about what is missing, deaf to what models write."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from rlaudio.cli.commands import main
from rlaudio.report.page import write_report
from rlaudio.report.sections.accuracy_tables import held_out
from rlaudio.report.sections.labels import labelled_sets
from rlaudio.report.sections.metric_curves import STEP_TIME, curves
from rlaudio.report.sections.notices import notices, training_notices
from rlaudio.runs.digests import record
from rlaudio.runs.files import read_rows, write_rows
from rlaudio.runs.run import open_run
from rlaudio.runs.summary import build_summary
from rlaudio.utils.charts import Mark, axis_ticks, nice_ticks, range_chart
from rlaudio.utils.number_format import percent, signed
from tests.made_up_run import HOSTILE, RECIPE, made_up_evaluation, made_up_questions, made_up_run

VOID = {"meta", "br", "line", "circle", "path", "img", "input"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return made_up_run(
        tmp_path_factory.mktemp("runs") / "finished", sft_steps=12, rl_steps=40, questions=(120, 80, 24)
    )


@pytest.fixture(scope="module")
def page(finished):
    return write_report(finished).read_text(encoding="utf-8")


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "copy")


class Outline(HTMLParser):
    """Checks that tags close in order, and collects ids, references and tag names."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.references, self.tags, self.handlers = [], set(), [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.add(value)
            if name.startswith("on"):
                self.handlers.append(value)
            if name in {"src", "href"}:
                self.references.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


# --- the page -----------------------------------------------------------------------------------------


def test_the_page_is_well_formed_and_its_links_lead_somewhere(page):
    outline = Outline(page)
    assert outline.open == []
    links = {reference[1:] for reference in outline.references if reference.startswith("#")}
    assert links <= outline.ids and links


def data_of(page, id="viewer-data"):
    """What the scripts of a page read."""
    [block] = re.findall(rf'<script type="application/json" id="{id}">(.*?)</script>', page, re.DOTALL)
    assert not set("<>&") & set(block)
    return json.loads(block)


def test_the_page_asks_nothing_of_the_network_and_runs_no_script_but_those_that_it_names(page):
    outline = Outline(page)
    assert "link" not in outline.tags and not outline.handlers
    assert all(reference.startswith("#") for reference in outline.references)
    [policy] = re.findall(r'Content-Security-Policy" content="([^"]+)"', page)
    policy = unescape(policy)
    assert "default-src 'none'" in policy and "script-src 'sha256-" in policy
    assert "unsafe" not in policy.partition("script-src")[2].partition(";")[0]
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert re.findall(r"sha256-([^']+)", policy) == hashes and len(hashes) == 5
    assert outline.tags.count("script") == 5 + 2  # and two blocks of data


def test_what_a_model_wrote_is_shown_and_not_obeyed(page):
    assert HOSTILE not in page
    assert data_of(page)["groups"][0]["c"][0]["t"] == HOSTILE


def test_names_of_questions_and_sets_are_escaped_too(copy):
    samples = json.loads((copy / "samples" / "samples.json").read_text())
    samples["samples"][0] |= {"question": "<i>why</i>", "choices": ["<u>a</u>"], "source": "<s>x</s>"}
    (copy / "samples" / "samples.json").write_text(json.dumps(samples))
    (copy / "recipe.yaml").write_text(RECIPE.replace("made_up_weak_to_strong", "<em>x</em>"))
    page = write_report(copy).read_text()
    for tag in ("<i>why", "<u>a", "<s>x", "<em>x"):
        assert tag not in page


NAME = "\"'><img src=x onerror=alert(1)>"
TEXT = f"{NAME}</style></pre></title></script><script>alert(1)</script>"
NAMED = {"rewards", "right_in_silence", "other_scores", "category", "source", "arguments", "seconds"}


def planted(value, key=""):
    """The value with markup in all its texts, and in the names that users give."""
    if isinstance(value, dict):
        named = key in NAMED
        return {f"{name}{NAME}" if named else name: planted(entry, name) for name, entry in value.items()}
    if isinstance(value, list):
        return [planted(entry, key) for entry in value]
    kept = not isinstance(value, str) or key in {"stage", "control", "audio", "stop_reason"}
    return value if kept else value + TEXT


def test_markup_in_any_text_of_a_run_folder_is_shown_and_not_obeyed(copy):
    for path in copy.rglob("*.json"):
        value = planted(json.loads(path.read_text()))
        if path.parent.name == "evaluation":
            value = {f"{name}{NAME}": tables for name, tables in value.items()}
        path.write_text(json.dumps(value | {NAME: TEXT} if path.name == "versions.json" else value))
    for path in copy.glob("evaluation/*/*.jsonl"):
        write_rows(path.with_stem(f"{path.stem}{NAME}"), map(planted, read_rows(path)))
    metrics = [
        {f"{k}{NAME}" if k.startswith("reward/") and k != "reward/total" else k: v for k, v in row.items()}
        | {"stage": f"{row['stage']}{NAME}"}
        for row in read_rows(copy / "metrics.jsonl")
    ]
    write_rows(copy / "metrics.jsonl", metrics)
    (copy / "recipe.yaml").write_text(
        json.dumps(
            {
                "name": TEXT,
                "model": {"path": TEXT},
                "algorithm": f"{TEXT}/x.py",
                "curriculum": {"use": TEXT},
                "rewards": {TEXT: {"weight": 1.0}},
            }
        )
    )
    page = write_report(copy).read_text(encoding="utf-8")
    outline = Outline(page)
    assert "img" not in outline.tags and not outline.handlers
    assert outline.tags.count("style") == 1 and outline.tags.count("script") == 7 and outline.open == []
    assert all(reference.startswith("#") for reference in outline.references)
    assert page.count("&lt;img src=x onerror=alert(1)&gt;") > 50 and "Left out" not in page


# --- folders of others --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(path.read_bytes()[:100] + b"\n"),
        lambda path: path.write_bytes(b"\xff\n"),
        lambda path: path.write_text("[]\n"),
        lambda path: path.write_text('{"test": 1, "samples": 1, "seconds": [], "train": {"tables": 1}}\n'),
        lambda path: (path.unlink(), os.mkfifo(path)),
        lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["cut off", "not UTF-8", "a list", "other types", "a pipe", "a device", "a folder"],
)
def test_a_page_says_which_damaged_part_it_leaves_out(copy, change):
    names = ["metrics.jsonl", "timings.jsonl", "labels.json", "summary.json", "samples/samples.json"]
    names += ["evaluation/base.json", "evaluation/final/test.jsonl"]
    for name in names:
        change(copy / name)
    top = top_of(copy)
    assert "Left out, because it is damaged:" in top
    for name in names:
        assert f"{copy / name}" in top


@pytest.mark.parametrize("name", ["base", "final"])
def test_a_page_without_the_tables_of_an_evaluation_is_written(copy, name):
    shutil.copytree(copy / "evaluation" / "base", copy / "evaluation" / "final", dirs_exist_ok=True)
    shutil.copy(copy / "evaluation" / "base.json", copy / "evaluation" / "final.json")
    (copy / "evaluation" / f"{name}.json").unlink()
    assert "This run did not make the model better." in top_of(copy) or name == "final"


def test_the_command_says_on_the_terminal_what_it_leaves_out(copy):
    assert CliRunner().invoke(main, ["report", str(copy)]).output == f"{copy / 'report.html'}\n"
    answers = copy / "evaluation" / "final" / "test.jsonl"
    answers.write_bytes(answers.read_bytes()[: answers.stat().st_size // 2])
    (copy / "labels.json").write_text("[]")
    command = [sys.executable, "-m", "rlaudio", "report", str(copy)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{copy / 'report.html'}\n"
    for file in (answers, copy / "labels.json"):
        assert f"left out, because it is damaged: {file}" in done.stderr


def test_the_calibration_of_labels_is_drawn_where_the_truth_is_known(copy):
    labels = json.loads((copy / "labels.json").read_text(encoding="utf-8"))
    bins = labels["train"]["calibration"]
    page = write_report(copy).read_text(encoding="utf-8")
    for each in bins:
        title = f"{100 * each['low']:.0f}\u2013{100 * each['high']:.0f} %, n = {each['questions']}"
        assert title in page
        assert f"answered by text: {100 * each['observed']:.1f} %" in page
    labels["train"]["calibration"] = []
    (copy / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
    assert "<h3>Calibration</h3>" in page and "<h3>Calibration</h3>" not in write_report(copy).read_text(
        encoding="utf-8"
    )


def test_labels_without_titles_are_shown(copy):
    labels = json.loads((copy / "labels.json").read_text(encoding="utf-8"))
    for variant in labels["train"]["thresholds"] + labels["train"]["leave_one_out"]:
        variant.pop("title", None)
    (copy / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
    page = write_report(copy).read_text(encoding="utf-8")
    assert "Another vote over the same answers" in page and "Left out, because" not in page


def test_a_damaged_recipe_is_one_message(copy):
    (copy / "recipe.yaml").write_text("name: x\na: &a [x]\nb: [*a, *a]\n")
    with pytest.raises(ValueError, match=r"recipe\.yaml, line 3: not valid YAML: aliases"):
        write_report(copy)
    (copy / "recipe.yaml").write_text("")
    with pytest.raises(ValueError, match=r"recipe\.yaml: expected .*found None; correct the file"):
        write_report(copy)
    (copy / "recipe.yaml").write_text("report: {completions: many}\n")
    with pytest.raises(ValueError, match=r"recipe\.yaml: report\.completions: expected .*found 'many';"):
        write_report(copy)


@pytest.mark.parametrize("named", ["../../secret.flac", "link.flac", "text.flac", "pipe.flac"])
def test_a_clip_elsewhere_or_of_another_kind_is_left_out_of_the_page(copy, tmp_path, named):
    folder = copy / "samples"
    kept = json.loads((folder / "samples.json").read_text())
    secret = tmp_path / "secret.flac"
    shutil.copy(folder / kept["samples"][0]["audio"], secret)
    (folder / "link.flac").symlink_to(secret)
    (folder / "text.flac").write_text("root:x:0:0")
    os.mkfifo(folder / "pipe.flac")
    kept["samples"] = kept["samples"][:1]
    kept["samples"][0]["audio"] = named
    (folder / "samples.json").write_text(json.dumps(kept))
    (copy / "rollouts" / "rl-40.jsonl").unlink()
    page = write_report(copy).read_text(encoding="utf-8")
    if named.startswith(".."):
        assert "Left out, because it is damaged:" in page and '"mp3"' not in page
    else:
        assert [set(clip) for clip in data_of(page)["clips"]] == [{"name", "absent"}]


def test_a_page_is_written_over_a_link_and_not_through_it(copy, tmp_path):
    (tmp_path / "mine").write_text("mine")
    for name in ("report.html", ".report.html.unfinished"):
        (copy / name).unlink(missing_ok=True)
        (copy / name).symlink_to(tmp_path / "mine")
    write_report(copy)
    assert (tmp_path / "mine").read_text() == "mine"


def test_the_headline_shows_base_and_final_accuracy_of_the_first_held_out_set(finished, page):
    summary = json.loads((finished / "summary.json").read_text())
    for group in ("strong", "weak", "all"):
        before = percent(summary["accuracy"]["base"][group]["audio"])
        after = percent(summary["accuracy"]["final"][group]["audio"])
        assert f"<span>{before}</span><i>→</i><strong>{after}</strong>" in page


def test_accuracies_by_a_rewards_scorer_stand_beside_those_of_the_evaluation(finished, page):
    for when in ("base", "final"):
        tables = json.loads((finished / "evaluation" / f"{when}.json").read_text())["test"]["tables"]
        for group in ("strong", "weak"):
            score = tables["contribution"][group]["other_scores"]["exact"]["audio"]
            cell = [percent(score[name]) for name in ("accuracy", "low", "high")]
            assert "<td><b>{}</b> <small>[{}, {}]</small></td>".format(*cell) in page
    assert page.count("audio, by exact</th>") == 2  # of two held-out sets
    assert "The scorer robust says what is right; in the last columns exact does" in page


def test_a_run_with_one_scorer_has_no_columns_of_others(copy):
    for when in ("base", "final"):
        path = copy / "evaluation" / f"{when}.json"
        sets = json.loads(path.read_text())
        for evaluation in sets.values():
            for table in evaluation["tables"].values():
                for group in table.values():
                    group["other_scores"] = {}
        path.write_text(json.dumps(sets))
    page = write_report(copy).read_text(encoding="utf-8")
    assert ", by " not in page.partition('id="audio"')[0] and "in the last columns" not in page


def test_learning_curves_by_a_rewards_scorer_have_a_chart_of_their_own(finished):
    charts = {chart.title: chart for stage in curves(open_run(finished)) for chart in stage.charts}
    names = [series["name"] for series in charts["Held-out accuracy, real audio"].drawn["series"]]
    assert names == ["strong audio", "weak audio", "all audio"]
    assert "by a reward's scorer" in charts["Held-out accuracy, real audio, by a reward's scorer"].meaning


def test_every_chart_has_its_place_in_the_page(page):
    charts = data_of(page, "curves-data")["charts"]
    assert [int(n) for n in re.findall(r'data-chart="(\d+)"', page)] == list(range(len(charts)))
    assert {chart["group"] for chart in charts} == {"sft", "rl"}


def test_every_completion_has_its_audio(finished, page):
    data = data_of(page)
    assert len(data["groups"]) == 10 and {len(group["c"]) for group in data["groups"]} == {8}
    assert len(data["clips"]) == 10 and all(clip["mp3"] for clip in data["clips"])
    assert {clip["seconds"] for clip in data["clips"]} == {1.5}


def test_the_recipe_decides_how_many_completions_are_shown(copy):
    (copy / "recipe.yaml").write_text(RECIPE.replace("completions: 2000", "completions: 24"))
    data = data_of(write_report(copy).read_text())
    assert sum(len(group["c"]) for group in data["groups"]) == 24


def test_a_page_of_a_run_whose_clips_are_gone_says_so(copy):
    shutil.rmtree(copy / "samples")
    data = data_of(write_report(copy).read_text())
    assert len(data["groups"]) == 10 and not any("mp3" in clip for clip in data["clips"])
    assert data["notes"] == ["10 clips of 10 cannot be heard here: the audio is not kept in this folder."]


def test_a_run_without_rollouts_shows_the_samples_that_it_kept(copy):
    shutil.rmtree(copy / "rollouts")
    data = data_of(write_report(copy).read_text())
    assert len(data["groups"]) == 10 and all("mp3" in clip for clip in data["clips"])
    assert data["selection"] == "The first groups of step 40 of rl; the folder holds no rollouts."


def test_an_unfinished_run_gets_a_page_that_says_what_is_missing(tmp_path):
    page = write_report(
        made_up_run(tmp_path / "run", sft_steps=3, rl_steps=2, questions=(20, 20, 8), finished=False)
    ).read_text()
    assert "Still missing: the evaluation after training, the summary." in page
    assert Outline(page).open == []


def test_answers_that_were_edited_are_told_though_they_are_as_many(copy, caplog):
    record(copy, "evaluation", "rollouts")
    assert "not what the run wrote" not in write_report(copy).read_text() + caplog.text
    file = next((copy / "evaluation" / "final").glob("*.jsonl"))
    file.write_text(file.read_text().replace('"right": true', '"right": false'))
    page, name = write_report(copy).read_text(), file.relative_to(copy)
    assert "Some files are not what the run wrote." in page and f"{name} (digest" in page
    assert f"{copy}: not what the run wrote: {name} (digest" in caplog.text


def test_digests_of_files_outside_the_run_are_not_compared(copy, caplog):
    (copy.parent / "secret").write_text("secret")
    (copy / "digests.json").write_text(json.dumps({"rollouts/../../secret": "0" * 32}))
    write_report(copy)
    assert "outside the run folder" in caplog.text and "digest 0" not in caplog.text


def test_a_run_that_has_only_begun_gets_a_page(tmp_path):
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    page = write_report(tmp_path).read_text()
    assert "No evaluation has been written yet." in page
    assert Outline(page).open == []


def test_a_finished_run_misses_nothing_though_it_measured_no_labels(copy):
    (copy / "labels.json").unlink()
    page = write_report(copy).read_text()
    assert "not finished" not in page
    assert "No labels were measured in this run." in page


def test_a_run_without_controls_gets_a_page(copy):
    for when in ("base", "final"):
        path = copy / "evaluation" / f"{when}.json"
        sets = json.loads(path.read_text())
        for evaluation in sets.values():
            evaluation["predicted_positions"] = {"audio": evaluation["predicted_positions"]["audio"]}
            for table in evaluation["tables"].values():
                for group in table.values():
                    group |= {"scores": {"audio": group["scores"]["audio"]}, "gains": {}}
        path.write_text(json.dumps(sets))
    assert "Needs an evaluation with audio and without it" in write_report(copy).read_text()


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"found no recipe\.yaml"):
        write_report(tmp_path)


def test_two_pages_of_one_run_are_equal(finished, page):
    assert write_report(finished).read_text(encoding="utf-8") == page


def test_a_group_that_the_run_made_worse_is_marked(copy):
    path = copy / "evaluation" / "final" / "test.jsonl"
    rows = [
        row | {"right": row["right"] and row["groups"]["category"] != "speech"} for row in read_rows(path)
    ]
    write_rows(path, rows)
    worse = [line.name for line in held_out(open_run(copy))[0].types if line.became_worse]
    assert worse == ["speech"]
    assert write_report(copy).read_text().count('class="worse"') == 1


def test_the_truth_is_not_shown_twice_where_the_labels_are_the_truth(copy):
    for when in ("base", "final"):
        path = copy / "evaluation" / f"{when}.json"
        sets = json.loads(path.read_text())
        tables = sets["test"]["tables"]
        tables["contribution"] = {
            "strong": tables["truth"]["audio-only"],
            "weak": tables["truth"]["text-answerable"],
        }
        path.write_text(json.dumps(sets))
    test, speakers = held_out(open_run(copy))
    assert test.truth == [] and test.truth_is_label
    assert len(speakers.truth) == 2 and not speakers.truth_is_label


def test_questions_that_are_all_strong_are_shown_once(copy):
    for when in ("base", "final"):
        path = copy / "evaluation" / f"{when}.json"
        sets = json.loads(path.read_text())
        tables = sets["test"]["tables"]
        tables["contribution"] = {"strong": tables["all"]["all"]}
        path.write_text(json.dumps(sets))
    test, _ = held_out(open_run(copy))
    assert [(line.grouping, test.all_are) for line in test.headline] == [("all", "strong")]
    assert "All of these questions are strong." in write_report(copy).read_text()


def test_a_group_of_all_labelled_questions_is_not_shown_beside_them(copy):
    labels = json.loads((copy / "labels.json").read_text())
    tables = labels["train"]["tables"]
    tables["source"] = {"synthetic": tables["all"]["all"]}
    (copy / "labels.json").write_text(json.dumps(labels))
    [train] = labelled_sets(open_run(copy))
    assert train.whole.grouping == "all" and "source" not in [line.grouping for line in train.lines]


def test_two_metrics_of_one_name_are_told_apart_in_a_chart(copy):
    names = ("rollout/tokens_per_second", "optimizer/tokens_per_second")
    rows = [
        {"stage": "rl", "step": step, "reward/total": 1.0, **dict.fromkeys(names, 2.0)} for step in (1, 2)
    ]
    write_rows(copy / "metrics.jsonl", rows)
    write_rows(copy / "timings.jsonl", [])
    [stage] = curves(open_run(copy))
    [chart] = [chart for chart in stage.charts if chart.title == "Tokens a second"]
    drawn = [series["name"] for series in chart.drawn["series"]]
    assert drawn == ["rollout tokens per second", "optimizer tokens per second"]


def test_stages_that_sample_nothing_show_no_curves_of_completions(copy):
    rows = [{"stage": "sft", "step": step, "loss/total": 1.0, "rollout/length": 7.0} for step in (1, 2)]
    write_rows(copy / "metrics.jsonl", rows)
    write_rows(copy / "timings.jsonl", [])
    [stage] = curves(open_run(copy))
    assert [chart.title for chart in stage.charts] == ["Loss"]


def test_the_times_of_sft_leave_out_what_it_never_does(copy):
    times = {"time/rollout": 0.0, "time/reward": 0.0, "time/update": 0.5}
    write_rows(copy / "metrics.jsonl", [{"stage": "sft", "step": step, "loss/total": 1.0} for step in (1, 2)])
    write_rows(copy / "timings.jsonl", [{"stage": "sft", "step": step, **times} for step in (1, 2)])
    [stage] = curves(open_run(copy))
    [chart] = [chart for chart in stage.charts if chart.title == STEP_TIME]
    assert [series["name"] for series in chart.drawn["series"]] == ["update"]


def test_the_change_of_all_questions_is_the_difference_of_the_accuracies(finished):
    run = open_run(finished)
    every = next(line for line in held_out(run)[0].headline if line.name == "all")
    assert every.change.value == pytest.approx(
        every.final.accuracy["audio"].value - every.base.accuracy["audio"].value
    )
    assert every.change.low < every.change.value < every.change.high


# --- notices at the top -------------------------------------------------------------------------------


def swap_before_and_after(run):
    """The run, told backwards."""
    evaluation = run / "evaluation"
    for name in ("base", "final"):
        (evaluation / name).rename(evaluation / f"old_{name}")
        (evaluation / f"{name}.json").rename(evaluation / f"old_{name}.json")
    for name, other in (("base", "final"), ("final", "base")):
        (evaluation / f"old_{name}").rename(evaluation / other)
        (evaluation / f"old_{name}.json").rename(evaluation / f"{other}.json")


def top_of(run):
    """The page above its links to the sections."""
    return write_report(run).read_text(encoding="utf-8").partition("<nav>")[0]


def edit_final(run, change):
    """Change all lines of the tables of the evaluation after the run."""
    path = run / "evaluation" / "final.json"
    sets = json.loads(path.read_text())
    for evaluation in sets.values():
        for table in evaluation["tables"].values():
            for group in table.values():
                change(group)
    path.write_text(json.dumps(sets))


def test_a_run_that_went_well_has_no_notice(finished):
    assert notices(held_out(open_run(finished))) == training_notices(open_run(finished)) == []
    assert 'class="warnings"' not in top_of(finished)


def edit_metrics(run, change):
    rows = read_rows(run / "metrics.jsonl")
    write_rows(run / "metrics.jsonl", [row | change for row in rows if row["stage"] == "rl"])


def test_a_reward_with_one_value_in_every_step_is_told_at_the_top(copy):
    edit_metrics(copy, {"reward/format": 0.0})
    assert [notice.head for notice in training_notices(open_run(copy))] == [
        "Reward format was 0 in every step of RL."
    ]
    assert "Reward format was 0 in every step of RL." in top_of(copy)
    rows = read_rows(copy / "metrics.jsonl")
    [first, *_] = [row for row in rows if "reward/format" in row]
    for change in ({"reward/format": None}, {}):
        del first["reward/format"]
        first.update(change)
        write_rows(copy / "metrics.jsonl", rows)
        assert [notice.head for notice in training_notices(open_run(copy))] == [
            "Reward format was 0 in every step of RL that had a value."
        ]


def test_a_run_without_a_learning_signal_says_so_at_the_top(copy):
    edit_metrics(copy, {"group/no_spread": 1.0})
    assert "RL had no learning signal in any step." in top_of(copy)


def test_a_run_that_made_the_model_worse_says_so_at_the_top(copy):
    swap_before_and_after(copy)
    line = held_out(open_run(copy))[0].headline[-1]
    top = top_of(copy)
    assert "<b>This run made the model worse.</b> On test, accuracy fell: strong questions" in top
    change = f"{percent(line.base.accuracy['audio'].value)} → {percent(line.final.accuracy['audio'].value)} %"
    assert f"all questions {change} ({signed(line.change.value)} points, 95 % interval" in top


def test_a_run_that_made_one_group_worse_names_it(copy):
    path = copy / "evaluation" / "final" / "test.jsonl"
    rows = [row | {"right": row["right"] and row["contribution"] != "strong"} for row in read_rows(path)]
    write_rows(path, rows)
    heads = [notice.head for notice in notices(held_out(open_run(copy)))]
    assert heads == ["This run made the model worse on strong questions."]


def test_a_run_that_changed_nothing_says_so_at_the_top(copy):
    shutil.copytree(copy / "evaluation" / "base", copy / "evaluation" / "final", dirs_exist_ok=True)
    shutil.copy(copy / "evaluation" / "base.json", copy / "evaluation" / "final.json")
    value = percent(held_out(open_run(copy))[0].headline[-1].base.accuracy["audio"].value)
    top = top_of(copy)
    assert "This run did not make the model better." in top
    assert f"accuracy is what it was: all questions {value} → {value} %." in top
    change = held_out(open_run(copy))[0].headline[-1].change
    assert change.value == 0.0 and change.p_value is None
    assert (change.low, change.high) == pytest.approx((-0.0338, 0.0338), abs=1e-4)  # 1.96 sqrt(2) / 82


def test_answers_that_name_no_choice_are_counted_at_the_top_and_under_the_baselines(copy):
    edit_final(copy, lambda group: group["scores"]["audio"].update(unparsed=0.435))
    page = write_report(copy).read_text(encoding="utf-8")
    top, _, rest = page.partition("<nav>")
    assert "43.5 % of the answers name no choice." in top
    assert re.search(r"named no choice \d+\.\d → 43\.5</p>", rest)
    assert "43.5 % named no choice" in rest


def test_a_plug_in_of_the_users_is_named_by_its_file_and_its_path_is_the_title(copy):
    recipe = RECIPE.replace("use: grpo", "use: /somewhere/of/mine/optimist.py")
    (copy / "recipe.yaml").write_text(recipe)
    top = top_of(copy)
    assert 'title="/somewhere/of/mine/optimist.py"><span>algorithm</span> optimist.py</li>' in top
    assert "<li><span>curriculum</span> weak_to_strong</li>" in top


# --- the summary --------------------------------------------------------------------------------------


def test_the_summary_holds_the_accuracies_of_the_evaluation():
    rng = np.random.default_rng(1)
    evaluation, other = (made_up_evaluation(made_up_questions(n, rng), 0.5, rng) for n in (80, 40))
    summary = build_summary(
        evaluations={"base": {"test": evaluation.to_dict(), "other": other.to_dict()}},
        labels=None,
        seconds={"rl": 1.0},
        peak_memory_gb=0.5,
        rollouts=8,
        optimizer_tokens=64,
    )
    assert summary["accuracy"]["base"] == evaluation.accuracy_by_contribution()
    assert summary["accuracy"]["final"]["weak"] == {"audio": None, "silence": None, "mismatch": None}
    assert summary["held_out"] == {
        name: {"base": each.to_dict()["tables"]["all"]["all"]["scores"]["audio"]["accuracy"]}
        for name, each in (("test", evaluation), ("other", other))
    }
    assert summary["labels"] == {"precision": None, "recall": None, "f1": None}


# --- charts and numbers -------------------------------------------------------------------------------


def test_a_range_without_marks_is_only_a_scale():
    assert "circle" not in range_chart([], bounds=(0, 1), reference=0.25)


def test_intervals_before_and_after_the_run_never_cover_each_other():
    marks = [
        Mark(0.4, 0.3, 0.5, kind=kind, hollow=hollow, title="")
        for kind in ("audio", "silence")
        for hollow in (True, False)
    ]
    svg = range_chart(marks, bounds=(0.0, 1.0), reference=None)
    heights = re.findall(r'class="interval" x1="30.00%" x2="50.00%" y1="(\d+)"', svg)
    assert len(set(heights)) == len(heights) == 4


@pytest.mark.parametrize(
    ("values", "ends"),
    [
        ([0.0, 0.0], (0.0, 1.0)),
        ([-3e-10, 2e-10], (0.0, 1.0)),
        ([-6e-10, 0.25], (0.0, 0.3)),
        ([-0.05, 0.25], (-0.1, 0.3)),
        ([2.0, 2.0], (1.0, 3.0)),
    ],
)
def test_an_axis_reaches_below_zero_only_for_values_that_do(values, ends):
    ticks = axis_ticks(values)
    assert (ticks[0], ticks[-1]) == pytest.approx(ends)


def test_a_share_that_is_always_zero_is_drawn_on_the_whole_scale(copy):
    rows = [{"stage": "rl", "step": step, "reward/total": 0.0, "group/no_spread": 0.0} for step in (1, 2)]
    write_rows(copy / "metrics.jsonl", rows)
    [stage] = curves(open_run(copy))
    [share] = [chart.drawn for chart in stage.charts if chart.title == "Groups without spread"]
    assert share["unit"] == "fraction" and share["bounds"] == (0.0, 1.0)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_few_round_and_reach_over_the_values(low, width):
    high = low + width
    ticks = nice_ticks(low, high)
    assert 2 <= len(ticks) <= 7
    slack = 1e-6 * max(1.0, abs(low), abs(high))
    assert ticks[0] <= low + slack and ticks[-1] >= high - slack


def test_what_is_right_on_the_same_questions_with_and_without_audio_is_not_tested(copy):
    gain = {"difference": 0.0, "low": -0.01, "high": 0.01, "p_value": None}
    edit_final(copy, lambda group: group["gains"].update(silence=gain, mismatch=gain))
    page = write_report(copy).read_text(encoding="utf-8")
    section = page.partition('id="audio"')[2].partition("</section>")[0]
    assert "<td>\N{EN DASH}</td>" in section and "<td>1.00</td>" not in section
