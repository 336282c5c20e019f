"""Recipes that ship fit the GPUs that they are meant for, by the figures of `rlaudio explain`."""

import pytest

from rlaudio.config.recipe import load_recipe
from rlaudio.planning.assumptions import Assumptions
from rlaudio.planning.hardware import GPUS
from rlaudio.planning.plan import plan
from rlaudio.planning.tables import USABLE, verdict

MEANT_FOR = [  # a GPU, and how many of them; their files say so
    ("weak_to_strong_qwen2_5_omni_3b_lora", "rtx_4090", 1),
    ("weak_to_strong_qwen2_5_omni_7b_lora", "l40s", 1),
    ("weak_to_strong_qwen2_5_omni_7b_lora", "h100", 1),
    ("weak_to_strong_qwen2_5_omni_3b", "h100", 1),
    ("weak_to_strong_qwen3_omni_lora", "h100", 1),
    ("weak_to_strong_qwen3_omni_lora", "h100", 8),
    ("gemini_cot_gdpo_qwen2_5_omni_7b", "h100", 8),
    ("r1_aqa_qwen2_audio", "h100", 8),
    ("nemo_rl_audiomcq_qwen2_5_omni_7b", "h100", 8),
    *((f"{name}_qwen2_5_omni_7b", "h100", 8) for name in ("sft_all", "grpo_all", "mixed_to_mixed")),
    *((f"{name}_qwen2_5_omni_7b", "h100", 8) for name in ("weak_to_strong", "mixed_to_strong")),
]


@pytest.mark.parametrize(("name", "gpu", "devices"), MEANT_FOR)
def test_a_recipe_fits_the_gpu_that_it_is_meant_for_with_room_for_fragments(name, gpu, devices):
    planned = plan(load_recipe(name), GPUS[gpu], Assumptions(devices=devices))
    assert planned.fits
    assert planned.peak_bytes < USABLE * planned.hardware.memory_bytes


def test_vllm_needs_more_of_a_device_than_its_weights():
    """7B in bfloat16 is 17.9 GB; 0.3 of 48 GB are 14.4, which is less, and 0.5 are 24."""
    recipe, share = "weak_to_strong_qwen2_5_omni_7b_lora", "rollout.memory_share"
    small, large = (
        plan(load_recipe(recipe, [f"{share}={value}"]), GPUS["l40s"], Assumptions()) for value in (0.3, 0.5)
    )
    assert small.peak_bytes < small.hardware.memory_bytes and not small.fits
    assert verdict(small) == (
        "does not fit: vLLM takes 14.4 GB of each device (rollout.memory_share), and the weights alone are "
        "17.9 GB"
    )
    assert large.fits and large.vllm_cache_bytes == pytest.approx(24e9 - 2 * 8_931_813_888, rel=0.02)
