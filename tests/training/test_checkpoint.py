"""Checkpoints are whole or absent, and a damaged one is noticed."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rlaudio.curricula.selector import Weighted
from rlaudio.curricula.stage import Stage
from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.training.checkpoint import (
    Cursor,
    StageState,
    latest_checkpoint,
    latest_weights,
    refuse_changed,
    save_checkpoint,
    tidy,
    write_folder,
)
from rlaudio.training.stages import curriculum_digest, questions_digest
from tests.factories import make_question
from tests.full_disk import files_of_at_most


def save(folder, family, stage, step, keep=2):
    checkpoint = save_checkpoint(folder, Cursor(stage, step, step), family, StageState())
    tidy(folder, keep)
    return checkpoint


def test_a_saved_model_loads_bit_for_bit_and_with_plain_transformers(tmp_path, family):
    from transformers import Qwen2_5OmniThinkerForConditionalGeneration

    save(tmp_path, family, 0, 5)
    checkpoint = latest_checkpoint(tmp_path)
    assert checkpoint.cursor == Cursor(0, 5, 5)
    ours = Qwen2_5Omni(path=str(checkpoint.model), device="cpu").model.state_dict()
    plain, info = Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(
        checkpoint.model, dtype=torch.float32, output_loading_info=True
    )
    assert not info["missing_keys"] and not info["unexpected_keys"]
    for name, tensor in family.model.state_dict().items():
        assert torch.equal(tensor, ours[name]) and torch.equal(tensor, plain.state_dict()[name]), name


def test_the_optimizer_comes_back_as_it_was(tmp_path, family):
    optimizer = torch.optim.AdamW([p for p in family.model.parameters() if p.requires_grad])
    sum(w.square().sum() for w in family.model.parameters() if w.requires_grad).backward()
    optimizer.step()
    save_checkpoint(tmp_path, Cursor(0, 1, 1), family, StageState(optimizer.state_dict()))
    state = latest_checkpoint(tmp_path).stage_state().learner
    for number, moments in optimizer.state_dict()["state"].items():
        assert torch.equal(moments["exp_avg"], state["state"][number]["exp_avg"])


def test_only_the_newest_are_kept_and_stages_order_before_steps(tmp_path, family):
    for stage, step in [(0, 9), (0, 10), (1, 0)]:
        save(tmp_path, family, stage, step)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0-000010", "1-000000"]
    assert latest_checkpoint(tmp_path).cursor == Cursor(1, 0, 0)
    assert latest_weights(tmp_path) == tmp_path / "1-000000" / "model"


def test_a_checkpoint_to_be_spared_outlives_newer_ones(tmp_path, family):
    opened = save(tmp_path, family, 0, 1)
    for step in (2, 3):
        save_checkpoint(tmp_path, Cursor(0, step, step), family, StageState())
        tidy(tmp_path, keep=1, spare=opened)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0-000001", "0-000003"]
    tidy(tmp_path, keep=1)
    assert [p.name for p in tmp_path.iterdir()] == ["0-000003"]


def test_a_flipped_byte_is_noticed(tmp_path, family):
    weights = save(tmp_path, family, 0, 1) / "model" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(bytes(content))
    with pytest.raises(ValueError, match=r"model/model.safetensors is damaged.*delete this checkpoint"):
        latest_checkpoint(tmp_path)


def test_a_half_written_checkpoint_does_not_count(tmp_path, family):
    save(tmp_path, family, 0, 1)
    save(tmp_path, family, 0, 2).rename(tmp_path / ".building-0-000002")
    assert latest_checkpoint(tmp_path).cursor.step == 1


def test_a_full_disk_leaves_the_earlier_checkpoint_whole(tmp_path, family):
    save(tmp_path, family, 0, 1)
    with (
        files_of_at_most(100_000),
        pytest.raises(OSError, match=r"earlier checkpoints are whole.*--resume"),
    ):
        save(tmp_path, family, 0, 2)
    assert latest_checkpoint(tmp_path).cursor.step == 1
    assert [p.name for p in tmp_path.iterdir()] == ["0-000001"]


def test_no_checkpoint_is_no_error(tmp_path):
    assert latest_checkpoint(tmp_path) is None and latest_weights(tmp_path) is None


def test_the_manifest_names_every_file(tmp_path, family):
    folder = save(tmp_path, family, 0, 1)
    named = set(json.loads((folder / "manifest.json").read_text())["sha256"])
    assert named == {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()} - {"manifest.json"}


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.write_text("[" * 100_000), Path.mkdir])
def test_a_manifest_that_is_no_ordinary_file_or_nested_deeply_is_damage(tmp_path, family, make):
    manifest = save(tmp_path, family, 0, 1) / "manifest.json"
    manifest.unlink()
    make(manifest)
    with pytest.raises(ValueError, match=r"manifest\.json is damaged; expected what was written"):
        latest_checkpoint(tmp_path)


# --- what is not rlaudio's stays -----------------------------------------------------------------


def three(folder, family) -> None:
    for step in (1, 2, 3):
        save_checkpoint(folder, Cursor(0, step, step), family, StageState({"moments": {}}))


def content(folder) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def my_best(folder) -> None:
    """A checkpoint that the user copied under a name of their own."""
    shutil.copytree(folder / "0-000001", folder / "my_best")


def my_notes(folder) -> None:
    """Files of the user's beside checkpoints, hidden ones too."""
    (folder / ".git").mkdir()
    for name in (".git/config", ".DS_Store", "notes.txt", "0-000001.txt"):
        (folder / name).write_text("mine")


def my_building(folder) -> None:
    """A folder whose name is that of one which is being written, with files that no run wrote."""
    (folder / ".building-0-000009").mkdir()
    (folder / ".building-0-000009" / "plan.txt").write_text("mine")


@pytest.mark.parametrize("put", [my_best, my_notes, my_building])
def test_what_a_user_put_among_checkpoints_outlives_tidying(tmp_path, family, put):
    three(tmp_path, family)
    before = content(tmp_path)
    put(tmp_path)
    mine = {name: text for name, text in content(tmp_path).items() if name not in before}
    tidy(tmp_path, keep=1)
    kept = content(tmp_path)
    assert mine and mine.items() <= kept.items()
    assert {name.split("/")[0] for name in kept.keys() - mine.keys()} == {"0-000003"}
    assert latest_checkpoint(tmp_path).cursor == Cursor(0, 3, 3)


def test_a_checkpoint_into_which_a_user_put_a_file_is_kept_whole(tmp_path, family, caplog):
    three(tmp_path, family)
    (tmp_path / "0-000001" / "notes.txt").write_text("the best so far")
    before = content(tmp_path / "0-000001")
    with caplog.at_level("INFO"):
        tidy(tmp_path, keep=1)
    assert content(tmp_path / "0-000001") == before and not (tmp_path / "0-000002").exists()
    assert "0-000001 is kept: it holds notes.txt" in caplog.text


def test_a_checkpoint_that_is_a_link_to_elsewhere_is_not_emptied(tmp_path, family):
    three(tmp_path, family)
    (tmp_path / "0-000001").rename(tmp_path / "elsewhere")
    (tmp_path / "0-000001").symlink_to(tmp_path / "elsewhere")
    before = content(tmp_path / "elsewhere")
    tidy(tmp_path, keep=1)
    assert content(tmp_path / "elsewhere") == before and (tmp_path / "0-000001").is_symlink()


@pytest.mark.parametrize("stage", ["building", "removing"])
def test_the_remains_of_a_kill_go(tmp_path, family, stage):
    three(tmp_path, family)
    left = (tmp_path / "0-000002").rename(tmp_path / f".{stage}-0-000002")
    (left / "learner-0.pt").unlink()
    tidy(tmp_path, keep=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0-000001", "0-000003"]


def test_a_half_written_model_goes_and_is_written_anew(tmp_path):
    class Killed(BaseException):
        pass

    def write(folder, text, error=None):
        folder.mkdir(parents=True)
        (folder / "weights").write_text(text)
        if error:
            raise error

    with pytest.raises(Killed):
        write_folder(tmp_path / "final", lambda folder: write(folder, "half", Killed()))
    assert [path.name for path in tmp_path.iterdir()] == [".building-final"]
    write_folder(tmp_path / "final", lambda folder: write(folder, "whole"))
    assert content(tmp_path) == {"final/weights": b"whole"}
    with pytest.raises(FileExistsError, match="final is not what the run writes there; move it elsewhere"):
        write_folder(tmp_path / "final", lambda folder: write(folder, "another"))
    assert content(tmp_path) == {"final/weights": b"whole"}


def test_a_folder_in_the_way_of_one_to_be_written_is_left_alone(tmp_path):
    (tmp_path / ".building-final").mkdir()
    (tmp_path / ".building-final" / "thesis.tex").write_text("mine")
    with pytest.raises(FileExistsError, match="is in the way and rlaudio did not write it"):
        write_folder(tmp_path / "final", lambda folder: folder.mkdir())
    assert content(tmp_path) == {".building-final/thesis.tex": b"mine"}


def test_a_folder_with_the_name_of_a_later_checkpoint_is_refused_before_training(tmp_path, family):
    three(tmp_path, family)
    (tmp_path / "0-000004").mkdir()
    with pytest.raises(ValueError, match=r"0-000004 has the name of a checkpoint and no manifest.json"):
        latest_checkpoint(tmp_path)
    (tmp_path / "0-000004").rename(tmp_path / "0-000000")  # never written again
    assert latest_checkpoint(tmp_path).cursor.step == 3


# --- what was put there later, and what a checkpoint depends on ----------------------------------


@pytest.mark.parametrize("name", ["adapter_config.json", "model.safetensors.index.json", "extra/config.json"])
def test_a_file_put_beside_the_weights_is_noticed(tmp_path, family, name):
    model = save(tmp_path, family, 0, 1) / "model"
    (model / name).parent.mkdir(exist_ok=True)
    (model / name).write_text("{}")
    with pytest.raises(ValueError, match=f"model/{name} was put there later"):
        latest_checkpoint(tmp_path)


def test_a_state_put_beside_is_not_read(tmp_path, family):
    folder = save(tmp_path, family, 0, 1)
    torch.save({"moments": 1}, folder / "learner-0.pt")
    torch.save({"groups": 1}, folder / "ahead-0.pt")
    checkpoint = latest_checkpoint(tmp_path)
    state = checkpoint.stage_state()
    assert state.learner is None and state.sampled_ahead is None


def test_a_checkpoint_under_the_name_of_another_is_noticed(tmp_path, family):
    save(tmp_path, family, 0, 1).rename(tmp_path / "0-000007")
    with pytest.raises(ValueError, match="its name is not that which it was written under, 0-000001"):
        latest_checkpoint(tmp_path)


def test_a_checkpoint_tells_when_what_it_depends_on_is_another(tmp_path, family):
    for step in (1, 2):
        save_checkpoint(
            tmp_path, Cursor(0, step, step), family, StageState(), depends_on={"reference/rl": "a" * 64}
        )
    checkpoint = latest_checkpoint(tmp_path)
    refuse_changed(tmp_path, checkpoint, {"reference/rl": "a" * 64, "what it does not name": "c"})
    told = r"reference/rl \(digest aaaaaaaaaaaa when it was written, {} now\).*to resume from .*0-000001"
    with pytest.raises(ValueError, match=told.format("digest bbbbbbbbbbbb")):
        refuse_changed(tmp_path, checkpoint, {"reference/rl": "b" * 64})
    with pytest.raises(ValueError, match=told.format("not there")):
        refuse_changed(tmp_path, checkpoint, {"reference/rl": None})


def test_what_a_curriculum_observed_comes_back_bit_for_bit(tmp_path, family):
    observed = {"success_rates": {"q1": 1 / 3, "q2": 0.1 + 0.2}, "metrics": {"loss/total": float("nan")}}
    save_checkpoint(tmp_path, Cursor(1, 2, 2), family, StageState(observed=observed))
    assert repr(latest_checkpoint(tmp_path).stage_state().observed) == repr(observed)
    save_checkpoint(tmp_path, Cursor(1, 3, 3), family, StageState())
    assert latest_checkpoint(tmp_path).stage_state().observed is None


def test_other_questions_another_order_or_another_selector_are_another_curriculum(tmp_path, family):
    first, second = make_question(id="a"), make_question(id="b")
    written = questions_digest("rl", Stage("rl", (first, second), steps=3))
    save_checkpoint(tmp_path, Cursor(0, 1, 1), family, StageState(), depends_on=written)
    checkpoint = latest_checkpoint(tmp_path)
    refuse_changed(tmp_path, checkpoint, questions_digest("rl", Stage("rl", (first, second), steps=9)))
    for stage in (
        Stage("rl", (second, first), steps=3),
        Stage("rl", (first,), steps=3),
        Stage("rl", (first, second), steps=3, selector=Weighted()),
    ):
        with pytest.raises(ValueError, match=r"questions of rl \(.* when it was written"):
            refuse_changed(tmp_path, checkpoint, questions_digest("rl", stage))


def test_another_length_and_another_stage_are_another_curriculum(tmp_path, family):
    stages = [
        Stage("sft", (make_question(id="a"),), steps=3),
        Stage("rl", (make_question(id="b"),), epochs=2),
    ]
    written = curriculum_digest(["sft", "rl"], stages)
    save_checkpoint(tmp_path, Cursor(1), family, StageState(), depends_on=written)
    checkpoint = latest_checkpoint(tmp_path)
    refuse_changed(tmp_path, checkpoint, curriculum_digest(["sft", "rl"], list(stages)))
    for others, name in (
        ([stages[0], replace(stages[1], epochs=3)], "stages and lengths"),
        ([replace(stages[0], questions=(make_question(id="c"),)), stages[1]], "questions of sft"),
        ([*stages, stages[1]], "stages and lengths"),
    ):
        names = ["sft", "rl", "rl-2"][: len(others)]
        with pytest.raises(ValueError, match=rf"{name} \(.* when it was written"):
            refuse_changed(tmp_path, checkpoint, curriculum_digest(names, others))


# --- damaged checkpoints -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory, shared_family) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    for step in (1, 2):
        save_checkpoint(folder, Cursor(0, step, step, drawn=7), shared_family, StageState({"moments": {}}))
    return folder


def flip(file: Path, place: float) -> bytes:
    """Flip one bit of a file at a share of its length; returns what it held."""
    content = file.read_bytes()
    changed = bytearray(content)
    changed[int(place * (len(content) - 1))] ^= 1
    file.write_bytes(bytes(changed))
    return content


def test_a_flipped_bit_anywhere_in_a_checkpoint_is_found_and_the_older_one_named(checkpoints):
    newest = checkpoints / "0-000002"
    names = [str(path.relative_to(newest)) for path in newest.rglob("*") if path.is_file()]
    assert {"manifest.json", "learner-0.pt", "model/model.safetensors", "model/config.json"} <= set(names)
    for name in names:
        for place in (0.0, 0.31, 0.62, 1.0):
            content = flip(newest / name, place)
            with pytest.raises(ValueError) as error:
                latest_checkpoint(checkpoints)
            (newest / name).write_bytes(content)
            assert f"{name} is damaged" in str(error.value), (name, place)
            assert f"delete this checkpoint's folder to resume from {checkpoints / '0-000001'}" in str(
                error.value
            )
    assert latest_checkpoint(checkpoints).cursor == Cursor(0, 2, 2, drawn=7)


def test_a_lost_file_is_named_and_without_an_older_checkpoint_the_run_begins_again(tmp_path, shared_family):
    folder = save_checkpoint(tmp_path, Cursor(0, 1, 1), shared_family, StageState())
    (folder / "model" / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match=r"tokenizer.json is missing; .* to begin again: there is no older"):
        latest_checkpoint(tmp_path)


def test_what_a_kill_left_in_the_folder_goes_and_the_newest_stay(tmp_path, shared_family):
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, Cursor(0, step, step), shared_family, StageState())
    for left in (".building-0-000004", ".removing-0-000000"):
        (tmp_path / left / "model").mkdir(parents=True)
    tidy(tmp_path, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0-000002", "0-000003"]
