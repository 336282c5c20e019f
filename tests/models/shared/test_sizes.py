"""Sizes of a model that is described are those of the model that is loaded."""

import pytest

from rlaudio.models.shared.front_ends import pooled_tokens
from tests.planning.small_model import loaded, size_of


def test_parts_of_the_tiny_base_are_those_counted_by_hand():
    attention = (128 * 128 + 128) + 2 * (128 * 64 + 64) + 128 * 128  # queries, keys and values, output
    block = attention + 3 * 128 * 384 + 2 * 128
    audio_attention = 4 * 96 * 96 + 3 * 96
    audio_block = audio_attention + (96 * 384 + 384) + (384 * 96 + 96) + 4 * 96
    convolutions = (64 * 96 * 3 + 96) + (96 * 96 * 3 + 96)
    counts = {part.name: part.parameters for part in size_of().parts}
    assert counts.pop("visual tower (unused)") > 0
    assert counts == {
        "audio tower": convolutions + 2 * audio_block + 2 * 96,
        "projector": 96 * 128 + 128,
        "language model": 4 * block + 128,
        "input embeddings": 1024 * 128,
        "output head": 1024 * 128,
    }


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"freeze": ["audio_tower"]},
        {"freeze": ["audio_tower", "projector"], "dtype": "bfloat16"},
        {"freeze": ["language_model"]},
        {"lora_rank": 4},
        {"lora_rank": 3, "lora_targets": ["q_proj", "audio_tower.fc1"], "dtype": "bfloat16"},
    ],
)
def test_parameters_and_bytes_are_those_of_the_loaded_model(given):
    size, parameters = size_of(**given), list(loaded(**given).model.parameters())
    assert size.parameters == sum(p.numel() for p in parameters)
    assert size.trained == sum(p.numel() for p in parameters if p.requires_grad)
    assert size.weight_bytes == sum(p.nbytes for p in parameters)
    assert size.trained_bytes == sum(p.nbytes for p in parameters if p.requires_grad)


def test_an_adapter_in_a_folder_is_counted_from_its_file(tmp_path):
    family = loaded(lora_rank=4)
    family.save(tmp_path)
    assert size_of(path=str(tmp_path)).parts == size_of(lora_rank=4).parts


def test_the_thinker_of_qwen2_5_omni_7b_has_the_published_counts():
    """Source: huggingface.co/Qwen/Qwen2.5-Omni-7B/discussions/17, counts of the loaded checkpoint."""
    size = size_of(path="Qwen/Qwen2.5-Omni-7B", dtype="bfloat16")
    bos_and_eos = 2 * 3584  # of the audio tower, and as unused as the visual one
    assert size.parameters == 8_931_813_888
    assert size.parameters_of("audio tower", "projector") == 639_647_232 - bos_and_eos
    assert size.parameters_of("visual tower (unused)") == 676_550_144 + bos_and_eos
    assert size.parameters_of("language model", "input embeddings") == 7_070_619_136
    assert size.parameters_of("output head") == 544_997_376


def test_a_clip_of_30_seconds_is_750_tokens_and_the_tower_sees_it_in_chunks_of_two_seconds():
    tower = size_of().tower
    assert tower.tokens(3000) == 750
    assert tower.positions(3000) == [100] * 15
    assert tower.positions(350) == [100, 75]
    assert all(tower.tokens(frames) == pooled_tokens(frames) for frames in range(4, 900))
