"""What would stop a run is told by `check`, and by the run before it computes anything, in the same words."""

import json
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from rlaudio import pipeline
from rlaudio.builder.audited_data import load_data
from rlaudio.config.recipe import load_recipe
from rlaudio.data.audiomcq import write_audiomcq
from rlaudio.models.shared.model_paths import resolve_model_path
from rlaudio.planning.check import check, refuse_what_would_stop
from rlaudio.rollout.vllm import server_opening
from rlaudio.rollout.vllm.vllm_server import VllmServer
from rlaudio.types import greedy
from rlaudio.utils.processes import PeerFailed, Processes
from tests.conftest import TINY
from tests.word_family import questions_on_disk

RECIPE = """
threads: 1
model: {{use: qwen2_5_omni, path: {model}, device: cpu}}
data:
  train: {{use: audiomcq, path: train.jsonl}}
  evaluate: {{held_out: {{use: audiomcq, path: held_out.jsonl}}}}
  clips_disjoint: false
contribution: {{voters: [{model}], threshold: 1, silence: 2.0}}
curriculum: {{use: mixed_to_mixed, sft_questions: 3, sft_steps: 1, rl_steps: 1}}
rewards: {{answer_correctness: {{}}}}
sampling: {{questions: 2, group_size: 4, max_new_tokens: 6}}
sft: {{questions: 2}}
"""


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recipe")
    questions = questions_on_disk(folder, 6)
    for name in ("train", "held_out"):
        write_audiomcq(questions, folder / f"{name}.jsonl")
    of_one_clip = [replace(question, clips=questions[0].clips) for question in questions[:2]]
    write_audiomcq(of_one_clip, folder / "one_clip.jsonl")
    write_audiomcq([], folder / "empty.jsonl")
    (folder / "small.yaml").write_text(RECIPE.format(model=TINY), encoding="utf-8")
    return folder / "small.yaml"


def told(recipe, out: Path, **options) -> str:
    """The error at the end of a check; nothing is left behind."""
    with pytest.raises((ValueError, OSError, ImportError)) as error:
        check(recipe, out, **options).refuse()
    assert not out.exists()
    return str(error.value)


def test_nothing_is_found_in_a_recipe_that_runs_and_nothing_is_left_behind(recipe_file, tmp_path):
    checked = check(load_recipe(recipe_file), tmp_path / "out")
    assert checked.verdict == "nothing found that would stop a run"
    assert checked.looked_at[-1].startswith("tried: ")
    assert not (tmp_path / "out").exists()


def test_a_system_prompt_with_a_control_token_is_refused(recipe_file, tmp_path):
    recipe = load_recipe(recipe_file, ["prompt.system='Hi <|im_end|> there'"])
    said = told(recipe, tmp_path / "o")
    sentence = f"prompt.system holds '<|im_end|>', which the tokenizer of {TINY} reads as a control token"
    assert sentence in said
    with pytest.raises(ValueError, match=re.escape(sentence)):
        load_data(recipe)


def test_a_control_token_of_a_voter_in_the_system_prompt_is_refused_and_told_with_bad_rows(
    recipe_file, tmp_path
):
    voter = shutil.copytree(resolve_model_path(TINY), tmp_path / "voter")
    config = json.loads((voter / "tokenizer_config.json").read_text())
    config["extra_special_tokens"] = {"of_the_voter": "<|of_the_voter|>"}
    (voter / "tokenizer_config.json").write_text(json.dumps(config))
    rows = [json.loads(line) for line in (recipe_file.parent / "train.jsonl").read_text().splitlines()]
    rows[0]["question"] += "<|of_the_voter|>"
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    overrides = [
        f"contribution.voters=[{voter}]",
        "prompt.system='Hi <|of_the_voter|>'",
        f"data.train={{use: audiomcq, path: {tmp_path / 'train.jsonl'}, audio_root: {recipe_file.parent}}}",
    ]
    said = told(load_recipe(recipe_file, overrides), tmp_path / "out")
    assert f"prompt.system holds '<|of_the_voter|>', which the tokenizer of {voter} reads" in said
    assert "data.train: 1 " in said, said


def test_the_prompt_of_the_question_with_most_clips_is_tried(recipe_file, tmp_path):
    rows = [json.loads(line) for line in (recipe_file.parent / "train.jsonl").read_text().splitlines()]
    clip = rows[0].pop("audio_path")
    many = {**{k: rows[0][k] for k in ("id", "question", "choices", "answer")}, "clips": [clip] * 100}
    few = {**many, "id": "few", "question": many["question"] + " " + "very " * 50, "clips": [clip]}
    rest = [{**few, "id": f"r{n}", "question": many["question"]} for n in range(4)]
    file = recipe_file.parent / "many.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in (many, few, *rest)))
    train = f"data.train={{use: jsonl, path: {file}}}"
    longest = ["sampling.max_new_tokens=3800", "contribution.voters=[]"]  # of a context of 4096
    recipe = load_recipe(recipe_file, [train, *longest])
    said = told(recipe, tmp_path / "out")
    assert f"the prompt of question {many['id']} of data.train has" in said, said


def test_a_judge_whose_server_is_not_there_is_told_within_seconds(
    recipe_file, tmp_path, no_keys_and_no_cache_of_this_user
):
    judge = "rewards.judge={judge: {use: endpoint, url: 'http://127.0.0.1:9', model: m}}"
    began = time.monotonic()
    said = told(load_recipe(recipe_file, [judge]), tmp_path / "out")
    assert "refused; is the server started, and is this its address?; " in said
    assert time.monotonic() - began < 30


def test_a_setting_that_changes_nothing_is_told_and_stops_nothing(recipe_file, tmp_path):
    recipe = load_recipe(recipe_file, ["mismatch.cap=3", "optimizer.lr=10"])
    notes = check(recipe, tmp_path / "out").notes
    assert notes[0] == "mismatch.cap: not used, since mismatch.correct is none"
    assert notes[1].startswith("optimizer.lr is 10: AdamW moves every weight by about as much")


def test_what_is_wrong_beside_options_of_the_algorithm_is_told_with_it(recipe_file, tmp_path):
    options = ["algorithm={use: contribution_weighted, token_floor: 2}", "prompt.system='<|im_end|>'"]
    said = told(
        load_recipe(recipe_file, [*options, "strategy={use: zero, stage: 0, offload: cpu}"]), tmp_path / "o"
    )
    assert "prompt.system holds '<|im_end|>'" in said and said.count("token_floor") == 1, said
    assert "offload keeps what ZeRO shares out" in said


def test_a_run_in_which_nothing_would_be_done_is_refused(recipe_file, tmp_path):
    idle = load_recipe(recipe_file, ["curriculum.sft_steps=0", "curriculum.rl_steps=0"])
    assert "so nothing would be trained; expected at least one stage with a step" in told(
        idle, tmp_path / "o"
    )


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.device=cuda:99", "model.device is 'cuda:99', and of GPUs this process sees"),
        ("model.freeze=[audio_tower, projector, language_model]", "nothing in the model trains"),
    ],
)
def test_what_check_tells_stops_a_run_before_it_labels(recipe_file, tmp_path, override, said):
    recipe, out = load_recipe(recipe_file, [override]), tmp_path / "out"
    by_check = told(recipe, out)
    assert said in by_check
    with pytest.raises(ValueError) as error:
        pipeline.run(recipe, out)
    assert str(error.value) == by_check
    assert not {"labels", "models", "evaluation"} & {path.name for path in out.iterdir()}


NO_LABELS = "contribution={voters: [], threshold: 1}"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model.device=gpu"], "model.device is 'gpu'; expected auto, cpu, cuda or cuda:NUMBER"),
        (["model.dtype=float16"], "plain trains float32 or bfloat16 and found float16"),
        (["model.lora_rank=65"], "lora_rank is 65, and a matrix that lora_targets names is 64 x 128"),
        (["model={lora_rank: 4, lora_targets: [nothing_like_it]}"], "lora_targets names 'nothing_like_it'"),
        (["sampling.max_new_tokens=4000"], "sampling.max_new_tokens is 4000; expected at most 3968"),
        (
            ["sampling.group_size=1000000000", "sampling.max_new_tokens=1000000"],
            "sampling.group_size x max_new_tokens: needs at least",
        ),
        (["sft.questions=1000000000"], "sft.questions: needs at least"),
        (["contribution.orders=1000000000"], "contribution.orders: needs at least"),
        (["contribution.silence=299"], "expected fewer than its 4096; lower contribution.silence"),
        (["prompt.system='<|AUDIO|>'"], "<|AUDIO|>"),
        (["strategy={use: zero, stage: 0, offload: cpu}"], "offload keeps what ZeRO shares out"),
        (["curriculum.sft_questions=6", NO_LABELS], "stage 2 (rl) has no questions"),
        (
            ["curriculum={use: weak_to_strong}", NO_LABELS],
            "6 of 6 questions have no audio-cont",
        ),
        (["data.evaluate.held_out.path=one_clip.jsonl"], "data.evaluate.held_out: mismatched audio: 2 of 2"),
        (["data.evaluate.held_out.path=empty.jsonl"], "empty.jsonl: no questions"),
    ],
)
def test_what_would_stop_a_run_later_is_told(recipe_file, tmp_path, monkeypatch, overrides, said):
    monkeypatch.chdir(recipe_file.parent)
    assert said in told(load_recipe(recipe_file, overrides), tmp_path / "out")


def test_all_problems_are_told_at_once(recipe_file, tmp_path):
    overrides = ["model.device=gpu", "sampling.group_size=1", "data.evaluate.held_out.path=empty.jsonl"]
    first, *problems = told(load_recipe(recipe_file, overrides), tmp_path / "out").splitlines()
    assert first == "3 problems would stop a run:"
    said = " ".join(problems)
    assert all(part in said for part in ("empty.jsonl", "group_size", "'gpu'"))


def test_a_wrong_value_of_a_set_is_told_with_its_key(recipe_file, tmp_path):
    synthetic = "data.evaluate.made={use: synthetic, split: ../made}"
    said = told(load_recipe(recipe_file, [synthetic]), tmp_path / "out")
    assert said.startswith("data.evaluate.made: split is '../made'; expected a name")


def test_a_place_for_generated_data_that_cannot_be_written_to_is_told_with_its_variable(
    recipe_file, tmp_path, monkeypatch
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    recipe = load_recipe(recipe_file, ["data.evaluate.made={use: synthetic, split: made-1, count: 1}"])
    said = told(recipe, tmp_path / "out")
    assert "data.evaluate.made: [Errno" in said and "name a folder for it in XDG_CACHE_HOME" in said


def test_a_set_that_is_not_there_is_told_with_its_key_and_how_to_leave_it_out(recipe_file, tmp_path):
    nowhere = "data.evaluate.mmar={path: /nowhere/MMAR}"
    said = told(load_recipe(recipe_file, [nowhere, "data.train.path=/nowhere/t.jsonl"]), tmp_path / "out")
    assert "- data.evaluate.mmar: /nowhere/MMAR: no such file or folder; " in said
    assert (
        "name its place: -o data.evaluate.mmar.path=..., or leave it out: -o data.evaluate.mmar=null" in said
    )
    assert "- data.train: /nowhere/t.jsonl: no such file or folder; " in said
    assert "data.train=null" not in said
    recipe = load_recipe(recipe_file, [nowhere, "data.evaluate.mmar=null"])
    assert check(recipe, tmp_path / "out").problems == []


def test_a_run_names_the_key_of_a_set_that_is_not_there(recipe_file):
    recipe = load_recipe(recipe_file, ["data.evaluate.held_out.path=/nowhere"])
    with pytest.raises(FileNotFoundError, match=r"^data\.evaluate\.held_out: /nowhere: no such file"):
        load_data(recipe)


def test_what_is_odd_in_several_sets_is_one_note_that_says_what_it_means(recipe_file, tmp_path):
    rows = [json.loads(line) for line in (recipe_file.parent / "train.jsonl").read_text().splitlines()]
    nested = recipe_file.parent / "nested.jsonl"
    nested.write_text(
        "\n".join(json.dumps(row | {"choices": [*row["choices"], row["answer"] + " far"]}) for row in rows)
    )
    recipe = load_recipe(recipe_file, [f"data.train.path={nested}", f"data.evaluate.held_out.path={nested}"])
    [note] = [note for note in check(recipe, tmp_path / "out").notes if "nested" in note]
    assert "6 questions of data.train (" in note and "6 questions of data.evaluate.held_out (" in note
    assert "the words of one option stand within another" in note


def test_a_problem_of_the_data_does_not_hide_the_others(recipe_file, tmp_path):
    rows = (recipe_file.parent / "train.jsonl").read_text().splitlines()
    broken = json.loads(rows[0]) | {"answer": "none of these"}
    bad = recipe_file.parent / "bad.jsonl"
    bad.write_text("\n".join([json.dumps(broken), *rows[1:]]))
    recipe = load_recipe(recipe_file, [f"data.train.path={bad}", "model.device=gpu"])
    said = told(recipe, tmp_path / "out")
    assert "1 x answer not among the choices" in said and "model.device is 'gpu'" in said


def test_training_data_that_cannot_be_read_does_not_hide_the_others(recipe_file, tmp_path):
    recipe = load_recipe(recipe_file, ["data.train.path=nowhere.jsonl", "model.device=gpu"])
    said = told(recipe, tmp_path / "out")
    assert "nowhere.jsonl" in said and "model.device is 'gpu'" in said


@pytest.mark.parametrize(("key", "bad_rows"), [("train", "refuse"), ("evaluate.held_out", "drop")])
def test_what_follows_from_bad_data_is_not_told_again(recipe_file, tmp_path, key, bad_rows):
    rows = map(json.loads, (recipe_file.parent / "train.jsonl").read_text().splitlines())
    bad = recipe_file.parent / "all_bad.jsonl"
    bad.write_text("\n".join(json.dumps(row | {"answer": "none of these"}) for row in rows))
    overrides = [
        f"data.{key}.path={bad}",
        f"data.bad_rows={bad_rows}",
        "model.path=/nowhere",
        NO_LABELS,
    ]
    said = told(load_recipe(recipe_file, overrides), tmp_path / "out").splitlines()
    assert len(said) == 3
    assert "/nowhere" in said[1] and "6 x answer not among the choices" in said[2]


def test_check_says_how_many_questions_stay_where_bad_rows_are_dropped(recipe_file, tmp_path):
    rows = (recipe_file.parent / "train.jsonl").read_text().splitlines()
    bad = recipe_file.parent / "bad.jsonl"
    bad.write_text("\n".join([json.dumps(json.loads(rows[0]) | {"answer": "none"}), "{", *rows[1:]]))
    recipe = load_recipe(recipe_file, [f"data.train.path={bad}", "data.bad_rows=drop"])
    [note] = [
        note for note in check(recipe, tmp_path / "out").notes if note.startswith("data.train: 2 problems")
    ]
    assert note.endswith("a run leaves these rows out (see below) and has 5 questions")


def test_check_says_that_labels_are_to_come(recipe_file, tmp_path):
    lines = check(load_recipe(recipe_file), tmp_path / "out").looked_at
    assert any(line.startswith("data.train: voters will label 6 of 6 questions") for line in lines)


# --- models --------------------------------------------------------------------------------------


@pytest.fixture
def model_folder(tmp_path) -> Path:
    return Path(shutil.copytree(resolve_model_path(TINY), tmp_path / "model"))


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def without_one_weight(file: Path) -> None:
    weights = load_file(file)
    weights.pop("thinker.lm_head.weight")
    save_file(weights, file, metadata={"format": "pt"})


def with_another_shape(file: Path) -> None:
    weights = load_file(file)
    save_file(weights | {"thinker.lm_head.weight": weights["thinker.lm_head.weight"][:9].clone()}, file)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (cut_off, "its weights cannot be read"),
        (Path.unlink, "its weights cannot be read"),
        (without_one_weight, "its files lack the weights lm_head.weight; expected all"),
        (with_another_shape, "its weights cannot be read"),
    ],
)
@pytest.mark.parametrize("key", ["model.path={}", "contribution.voters=[{}]"])
def test_a_model_with_missing_or_damaged_weights_is_told(
    recipe_file, tmp_path, model_folder, damage, said, key
):
    damage(model_folder / "model.safetensors")
    assert said in told(load_recipe(recipe_file, [key.format(model_folder)]), tmp_path / "out")


@pytest.mark.parametrize("inner", ["model", "final"])
def test_a_folder_that_holds_a_models_folder_is_answered_with_that(recipe_file, tmp_path, inner):
    shutil.copytree(resolve_model_path(TINY), tmp_path / "outer" / inner)
    said = told(load_recipe(recipe_file, [f"model.path={tmp_path / 'outer'}"]), tmp_path / "out")
    assert said.endswith(f"there is one in it: {tmp_path / 'outer' / inner}")


CORPUS = """
from rlaudio.worlds.corpus import Example, Exchange

def corpus(role):
    yield Example(None, (Exchange("What follows one when counting?", "two"),))
"""


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.lora_rank=65", "lora_rank is 65"),
        ("model.freeze=[audio_tower, projector, language_model]", "nothing in the model trains"),
        ("pretrain.voters=1", "contribution.threshold is 2, out of reach of 1 voter; lower it"),
        ("pretrain={layers: 1000, hidden: 16384}", "pretrain.layers, hidden and vocabulary: needs at least"),
        ("data.pretrain=null", "a pretrain section but no data.pretrain"),
    ],
)
def test_a_recipe_that_builds_its_models_is_tried_on_an_untrained_one(recipe_file, tmp_path, override, said):
    (tmp_path / "corpus.py").write_text(CORPUS, encoding="utf-8")
    builds = [
        "contribution={voters: [], threshold: 2}",
        "pretrain={layers: 1, voters: 2}",
        f"data.pretrain={{use: {tmp_path / 'corpus.py'}}}",
    ]
    assert said in told(load_recipe(recipe_file, [*builds, override]), tmp_path / "out")


# --- rollout workers -----------------------------------------------------------------------------


def test_a_rollout_worker_without_its_engine_is_told(recipe_file, tmp_path, monkeypatch):
    def not_installed(on_gpu):
        raise ImportError("vLLM is not installed")

    monkeypatch.setattr("rlaudio.rollout.vllm.vllm.check_vllm", not_installed)
    assert told(load_recipe(recipe_file, ["rollout.use=vllm"]), tmp_path / "out") == "vLLM is not installed"


SERVER = {
    "urls": ["http://127.0.0.1:9"],
    "replicas": 1,
    "gpus": None,
    "api_key_variable": None,
    "tensor_parallel": 1,
    "max_model_len": 4096,
    "max_sequences": 8,
    "memory_share": 0.5,
    "kv_cache_gb": None,
    "weights": None,
    "start_seconds": 0.0,
}


@pytest.mark.parametrize(("wait", "said"), [(False, "answers at .* now"), (True, "answered at .* within 0")])
def test_a_server_that_does_not_answer_is_refused_at_once_or_waited_for(
    shared_family, monkeypatch, wait, said
):
    monkeypatch.setattr(server_opening, "check_vllm", lambda on_gpu: "0")
    monkeypatch.setattr(server_opening, "unsupported", lambda family: "")
    with pytest.raises(ValueError, match=f"no vLLM server {said}"):
        VllmServer.check(shared_family, greedy(8), **SERVER, wait=wait)


# --- place and processes -------------------------------------------------------------------------


def test_a_folder_below_a_file_is_told(recipe_file, tmp_path):
    (tmp_path / "file").touch()
    said = told(load_recipe(recipe_file), tmp_path / "file" / "out")
    assert said.startswith(f"{tmp_path / 'file' / 'out'}: cannot be written to (")


def test_a_folder_that_holds_something_else_is_told(recipe_file, tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(FileExistsError, match=r"the folder holds notes.txt; .* choose another with --out"):
        check(load_recipe(recipe_file), tmp_path).refuse()


def test_a_held_out_set_named_train_is_checked_beside_the_training_set(recipe_file, tmp_path, monkeypatch):
    monkeypatch.chdir(recipe_file.parent)
    overrides = ["data.evaluate.held_out=null", "data.evaluate.train={use: audiomcq, path: held_out.jsonl}"]
    lines = check(load_recipe(recipe_file, overrides), tmp_path / "out").looked_at
    assert [line.partition(": 6 questions over")[0] for line in lines if "6 questions over" in line] == [
        "data.train",
        "data.evaluate.train",
    ]


def test_a_run_in_the_folder_that_nobody_asked_for_is_only_noted(recipe_file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    there = tmp_path / "runs" / "small"
    there.mkdir(parents=True)
    (there / "summary.json").touch()
    assert check(load_recipe(recipe_file)).notes == [
        "runs/small: the folder holds summary.json; a new run needs an empty one; continue the run in "
        "it with --resume, or choose another with --out"
    ]


def test_batches_that_so_many_processes_cannot_share_are_told(recipe_file, tmp_path):
    said = told(load_recipe(recipe_file), tmp_path / "out", processes=4)
    assert "sft.questions is 2 and there are 4 processes" in said


class WithATroubledPeer(Processes):
    """One of two processes, of which the second alone has a problem."""

    def gather(self, value):
        return [value, ["no GPU there"]]


def test_a_problem_of_another_process_is_told_by_the_first_alone(recipe_file):
    recipe = load_recipe(recipe_file)
    data = load_data(recipe)
    with pytest.raises(ValueError, match="process 1: no GPU there"):
        refuse_what_would_stop(recipe, data, WithATroubledPeer(0, 2))
    with pytest.raises(PeerFailed):
        refuse_what_would_stop(recipe, data, WithATroubledPeer(1, 2))
