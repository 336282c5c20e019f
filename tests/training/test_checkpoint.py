"""Checkpoints are whole or absent, and a damaged one is noticed."""

import json

import pytest
import torch

from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.training.checkpoint import Cursor, latest_checkpoint, latest_weights, save_checkpoint, tidy
from tests.full_disk import files_of_at_most


def save(folder, family, stage, step, keep=2):
    checkpoint = save_checkpoint(folder, Cursor(stage, step, step), family, None)
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
    save_checkpoint(tmp_path, Cursor(0, 1, 1), family, optimizer.state_dict())
    state = latest_checkpoint(tmp_path).learner_state()
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
        save_checkpoint(tmp_path, Cursor(0, step, step), family, None)
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
