"""vLLM's CPU build against the model itself, for families other than the one that ships."""

import pytest

from rlaudio.config.plugins import load
from rlaudio.rollout.transformers import Transformers
from rlaudio.rollout.vllm.vllm import Vllm
from rlaudio.types import greedy
from tests.conftest import make_prompt
from tests.models.small_models import write_model
from tests.rollout.conftest import KEY, WARM, nudge
from tests.rollout.test_worker import largest_gap, tokens

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["qwen2_audio", "gemma4"])
def test_tokens_and_logprobs_are_those_of_the_model_before_and_after_a_sync(needs_vllm, name, tmp_path):
    family = load("model", name)(path=str(write_model(name, tmp_path)), device="cpu")
    prompts = [make_prompt(family, seed, seconds=s) for seed, s in enumerate((0.5, 1.7, 29.0))]
    worker = Vllm(family)
    try:
        expected = tokens(Transformers(family).generate(prompts, greedy(8), KEY))
        assert tokens(worker.generate(prompts[:1], greedy(8), KEY)) == expected[:1]  # a clip alone
        assert tokens(worker.generate(prompts, greedy(8), KEY)) == expected
        assert largest_gap(family, worker.generate(prompts, WARM, KEY), WARM) < 1e-4
        family.load_weights(nudge(family))
        worker.load_weights(family.named_weights(), version=1)
        assert largest_gap(family, worker.generate(prompts, WARM, KEY), WARM) < 1e-4
    finally:
        worker.close()


def test_a_family_whose_features_vllm_does_not_take_says_what_to_do(tmp_path):
    family = load("model", "voxtral")(path=str(write_model("voxtral", tmp_path)), device="cpu")
    with pytest.raises(ValueError, match=r"no audio features for voxtral; sample with rollout.use=transf"):
        family.engine_prompt(make_prompt(family, 0))
