"""What only the vLLM worker does: its caches, faults that its canary must see, what it refuses."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.models.shared.model_paths import resolve_model_path
from rlaudio.rollout.canary import CanaryError
from rlaudio.rollout.transformers import Transformers
from rlaudio.rollout.vllm.vllm import Vllm
from rlaudio.rollout.worker import EngineDied
from rlaudio.types import HeardClip, greedy
from rlaudio.utils.processes import leave
from tests.conftest import TINY, make_prompt
from tests.rollout.conftest import KEY, WARM, nudge, prompts_of
from tests.rollout.test_worker import largest_gap, tokens
from tests.rollout.two_processes import drawn_by_two
from tests.settings import sampling_params


class Tampered:
    """A vLLM engine one of whose methods is replaced."""

    def __init__(self, llm, **replaced):
        self._llm = llm
        vars(self).update(replaced)

    def __getattr__(self, name):
        return getattr(self._llm, name)


@pytest.fixture
def tamper(changeable, vllm_worker, monkeypatch):
    """Puts something between the worker and vLLM, until the test ends."""
    engine = vllm_worker._engine

    def put(**replaced):
        monkeypatch.setattr(engine, "_llm", Tampered(engine._llm, **replaced))

    return put


# --- prompts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.04, 0.05, 0.999, 10.0])
def test_clips_of_every_length_give_the_logprobs_of_training(policy, vllm_worker, seconds):
    groups = vllm_worker.generate([make_prompt(policy, 1, seconds=seconds)], WARM, KEY)
    assert largest_gap(policy, groups, WARM) < 1e-4


def test_vllm_hears_the_features_of_the_prompt_and_extracts_none_itself(policy, vllm_worker):
    prompt = make_prompt(policy, 1)
    shape = prompt.features["input_features"].shape
    noise = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    strange = dataclasses.replace(
        prompt,
        features={**prompt.features, "input_features": noise},
        clips=(HeardClip("features that no clip has"),),
    )
    groups = vllm_worker.generate([strange], WARM, KEY)
    assert largest_gap(policy, groups, WARM) < 1e-4
    (as_if_heard,) = vllm_worker.generate([prompt], WARM, KEY)
    mixed_up = [dataclasses.replace(as_if_heard, prompt=strange)]
    assert largest_gap(policy, mixed_up, WARM) > 1e-3


def test_a_second_question_about_the_same_audio_reads_the_prefix_cache(policy, vllm_worker):
    first, second = (make_prompt(policy, 7, seconds=3.0, words=words) for words in (1, 9))
    vllm_worker.generate([first], greedy(2), KEY)
    asked, cached = vllm_worker.prompt_tokens
    groups = vllm_worker.generate([second], greedy(2), KEY)
    asked_since, cached_since = vllm_worker.prompt_tokens
    assert asked_since - asked == len(second.token_ids)
    assert cached_since - cached >= 64  # of 75 tokens of audio and what stands before, in blocks of 32
    assert largest_gap(policy, groups, greedy(2)) < 1e-4


def test_prompts_that_do_not_fit_are_refused_by_name(policy, vllm_worker):
    long = make_prompt(policy, 1, words=4080)
    with pytest.raises(ValueError, match=r"1 prompts do not fit: question q1 .*max_model_len is 4096; raise"):
        vllm_worker.generate([long, make_prompt(policy, 2)], WARM, KEY)


def test_prompts_that_do_not_fit_are_answered_by_the_model_itself_and_counted(needs_vllm, policy):
    worker = Vllm(policy, max_model_len=300, too_long="transformers")
    prompts = [make_prompt(policy, 1, words=300), make_prompt(policy, 2), make_prompt(policy, 3, words=300)]
    groups = worker.generate(prompts, greedy(6), KEY)
    worker.close()
    assert worker.too_long_prompts == 2
    assert tokens(groups) == tokens(Transformers(policy).generate(prompts, greedy(6), KEY))


def test_more_prompts_than_one_step_of_the_engine_takes_draw_what_they_draw_alone(needs_vllm, policy):
    worker = Vllm(policy, max_model_len=256)  # 16 of these in a step; with fewer vLLM stops with an error
    prompts = [make_prompt(policy, seed, seconds=3.0, words=60 + seed) for seed in range(12)]
    assert sum(8 * len(prompt.token_ids) for prompt in prompts) > 3 * 16 * 256
    sampling = sampling_params(8, temperature=1.3, max_new_tokens=4)
    together = tokens(worker.generate(prompts, sampling, KEY))
    alone = [tokens(worker.generate([prompt], sampling, KEY))[0] for prompt in prompts]
    worker.close()
    assert together == alone


@pytest.mark.parametrize("temperature", [0.001, 2.5])
def test_temperatures_that_vllm_would_change_are_refused(policy, vllm_worker, temperature):
    with pytest.raises(ValueError, match=r"vLLM samples at 0\.01 to 2"):
        vllm_worker.generate([make_prompt(policy, 1)], sampling_params(2, temperature), KEY)


# --- faults --------------------------------------------------------------------------------------


def test_the_canary_sees_an_update_that_vllm_did_not_take(changeable, vllm_worker, tamper):
    tamper(collective_rpc=lambda method, kwargs: None)
    with pytest.raises(CanaryError, match=r"after sending weights version 5: .* other weights"):
        vllm_worker.load_weights(nudge(changeable), version=5)


@pytest.mark.parametrize("half", [0, 1])
def test_the_canary_sees_an_update_of_half_the_tensors(changeable, vllm_worker, tamper, half):
    reload = vllm_worker._engine._llm.collective_rpc

    def every_other(method, kwargs):
        reload(method, kwargs={"weights_iterator": iter(list(kwargs["weights_iterator"])[half::2])})

    tamper(collective_rpc=every_other)
    with pytest.raises(CanaryError):
        vllm_worker.load_weights(nudge(changeable), version=5)


def test_the_canary_sees_keys_and_values_of_old_weights(changeable, vllm_worker, tamper):
    tamper(reset_prefix_cache=lambda: True)
    with pytest.raises(CanaryError, match="cache entries of old ones"):
        vllm_worker.load_weights(nudge(changeable), version=5)


def test_an_encoder_cache_that_is_kept_stops_the_first_sampling(policy, monkeypatch, needs_vllm):
    worker = Vllm(policy)
    monkeypatch.setattr(worker._engine._llm.llm_engine, "reset_encoder_cache", lambda: None)
    with pytest.raises(Exception, match="Encoder cache miss"):  # of vLLM, which dies with it
        worker.load_weights(policy.named_weights(), version=1)
    worker.close()


def test_the_canary_sees_audio_of_another_prompt(changeable, vllm_worker, monkeypatch):
    right, prompts = changeable.engine_prompt, vllm_worker._canary.prompts
    other = {prompts[0].audio_digest: prompts[1], prompts[1].audio_digest: prompts[0]}

    def swapped(prompt):
        taken = other.get(prompt.audio_digest, prompt)
        return dataclasses.replace(right(prompt), audio=right(taken).audio)

    vllm_worker._engine._llm.reset_mm_cache()
    monkeypatch.setattr(changeable, "engine_prompt", swapped)
    with pytest.raises(CanaryError, match="hears other audio"):
        vllm_worker.load_weights(changeable.named_weights(), version=5)


def test_the_canary_sees_logprobs_of_another_temperature(changeable, vllm_worker, tamper):
    generate = vllm_worker._engine._llm.generate

    def untempered(prompts, asked, **options):
        for single in asked:
            single.temperature = 1.0
        return generate(prompts, asked, **options)

    tamper(generate=untempered)
    with pytest.raises(CanaryError, match="another distribution"):
        vllm_worker.load_weights(changeable.named_weights(), version=5)


def test_an_update_that_fails_half_way_leaves_a_worker_that_says_so(policy, monkeypatch, needs_vllm):
    worker = Vllm(policy)
    monkeypatch.setattr(policy, "checkpoint_weights", lambda: [("thinker.no.such.weight", torch.zeros(2))])
    with pytest.raises(ValueError, match="no module or parameter"):
        worker.load_weights(policy.named_weights(), version=1)
    with pytest.raises(EngineDied, match=r"lost its weights .*; make a new worker"):
        worker.generate(prompts_of(policy), WARM, KEY)
    worker.close()


# --- opening -------------------------------------------------------------------------------------


def test_threads_of_the_process_are_after_opening_and_sampling_what_they_were(policy, vllm_worker, tamper):
    during = []
    generate = vllm_worker._engine._llm.generate
    tamper(generate=lambda *a, **k: during.append(torch.get_num_threads()) or generate(*a, **k))
    torch.set_num_threads(2)  # takes effect, though vLLM has replaced it once
    vllm_worker._engine._threads = 1
    vllm_worker.generate(prompts_of(policy), WARM, KEY)
    assert (during, torch.get_num_threads()) == ([1], 2)
    torch.set_num_threads(1)
    vllm_worker._engine._threads = None


def test_an_adapter_is_sent_merged_when_the_engine_opens_and_after_updates(needs_vllm, tmp_path):
    adapted = Qwen2_5Omni(path=TINY, device="cpu", lora_rank=4)
    adapted.load_weights(nudge(adapted))
    adapted.save(tmp_path)
    family = Qwen2_5Omni(path=str(tmp_path), device="cpu")
    worker = Vllm(family)
    groups = worker.generate(prompts_of(family), WARM, KEY)
    assert largest_gap(adapted, groups, WARM) < 1e-4
    worker.load_weights(nudge(family, seed=2), version=1)
    again = worker.generate(prompts_of(family), WARM, KEY)
    worker.close()
    assert largest_gap(family, again, WARM) < 1e-4
    assert largest_gap(adapted, again, WARM) > 1e-3


def test_only_what_trains_is_sent():
    frozen = Qwen2_5Omni(path=TINY, device="cpu", freeze=["audio_tower", "projector"])
    names = [name for name, _ in frozen.checkpoint_weights()]
    assert names and not any("audio_tower" in name or "visual" in name for name in names)
    adapted = Qwen2_5Omni(path=TINY, device="cpu", lora_rank=4, lora_targets=("q_proj", "down_proj"))
    sent = {name.rpartition(".layers.")[2] for name, _ in adapted.checkpoint_weights()}
    assert sent == {f"{n}.{m}.weight" for n in range(4) for m in ("self_attn.q_proj", "mlp.down_proj")}


def test_weights_are_named_as_in_the_checkpoint(policy):
    index = Path(resolve_model_path(TINY)) / "model.safetensors"
    from safetensors import safe_open

    with safe_open(index, "pt") as file:
        assert {name for name, _ in policy.checkpoint_weights()} <= set(file.keys())


def test_an_architecture_that_vllm_has_not_is_refused_or_sampled_by_the_model_itself(needs_vllm, tmp_path):
    family = _renamed(tmp_path / "model", "SomeOtherForConditionalGeneration")
    with pytest.raises(ValueError, match=r"SomeOther.* set rollout.without_vllm to 'transformers'"):
        Vllm(family)
    worker = Vllm(family, without_vllm="transformers")
    worker.load_weights(family.named_weights(), version=3)
    groups = worker.generate(prompts_of(family), greedy(4), KEY)
    worker.sleep()
    worker.close()
    assert tokens(groups) == tokens(Transformers(family).generate(prompts_of(family), greedy(4), KEY))
    assert groups[0].completions[0].weights_version == 3


def test_a_family_that_says_nothing_of_engines_is_refused(needs_vllm, policy):
    class Plain:
        device, path = policy.device, policy.path

    with pytest.raises(ValueError, match="model family Plain does not say how vLLM takes its prompts"):
        Vllm(Plain())


def test_more_memory_than_there_is_is_refused_with_what_to_lower(needs_vllm, policy):
    with pytest.raises(ValueError, match=r"vLLM does not open .*kv_cache_gb"):
        Vllm(policy, kv_cache_gb=1e6)


def test_an_engine_beside_the_process_needs_a_gpu(policy):
    with pytest.raises(ValueError, match="model is on a CPU; expected 'inside'"):
        Vllm(policy, engine="beside")


@pytest.mark.slow
def test_two_processes_with_an_engine_each_draw_what_one_draws(changeable, vllm_worker, tmp_path):
    vllm_worker.load_weights(nudge(changeable), version=1)
    together = tokens(vllm_worker.generate(prompts_of(changeable), WARM, KEY))
    assert drawn_by_two(tmp_path) == together


def test_what_the_environment_says_is_heard_again_after_an_engine_closed(needs_vllm, policy, monkeypatch):
    from vllm import envs

    Vllm(policy).close()
    for said in ("0", "1"):
        monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", said)
        assert (said == "1") == envs.VLLM_ENABLE_V1_MULTIPROCESSING


# --- set-up --------------------------------------------------------------------------------------


def test_an_engine_of_this_process_outlives_a_run_that_ends(needs_vllm, policy):
    """The engine and the run, which has no peers, share torch's process groups."""
    answers = []
    for _ in range(2):
        worker = Vllm(policy)
        leave()
        answers.append(tokens(worker.generate(prompts_of(policy), WARM, KEY)))
        worker.close()
    assert answers[0] == answers[1]


def test_an_engine_that_the_user_puts_elsewhere_is_refused(needs_vllm, policy, monkeypatch):
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "1")
    with pytest.raises(ValueError, match=r"VLLM_ENABLE_V1_MULTIPROCESSING=1 puts vLLM .*; unset it"):
        Vllm(policy)


def _renamed(folder, architecture):
    """The tiny model under another architecture's name."""
    shutil.copytree(resolve_model_path(TINY), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"architectures": [architecture]}))
    return Qwen2_5Omni(path=str(folder), device="cpu")
