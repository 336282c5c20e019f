"""vLLM on a GPU, in the training process and beside it. Not run yet: no such machine was at hand."""

import pytest
import torch

from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.rollout.vllm.setup import check_vllm
from rlaudio.rollout.vllm.vllm import Vllm
from tests.conftest import TINY
from tests.rollout.conftest import KEY, WARM, nudge, prompts_of
from tests.rollout.test_worker import largest_gap

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize("engine", ["inside", "beside"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_weights_reach_an_engine_that_slept_and_both_sides_agree(engine, dtype):
    try:
        check_vllm(on_gpu=True)
    except ImportError as error:
        pytest.skip(str(error))
    family = Qwen2_5Omni(path=TINY, device="cuda", dtype=dtype)
    worker = Vllm(family, engine=engine, memory_share=0.2, max_sequences=16)
    before = worker.generate(prompts_of(family), WARM, KEY)
    worker.sleep()
    worker.load_weights(nudge(family), version=1)
    after = worker.generate(prompts_of(family), WARM, KEY)
    worker.close()
    assert largest_gap(family, after, WARM) < {"float32": 1e-3, "bfloat16": 0.25}[dtype]
    assert largest_gap(family, before, WARM) > 0.25
