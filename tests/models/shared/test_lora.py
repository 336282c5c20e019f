"""Adapters: they begin as nothing, only they train, and every way of computing goes through them."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import Qwen2_5OmniThinkerForConditionalGeneration as Thinker

from rlaudio.algorithms.grpo import GRPO
from rlaudio.algorithms.sft import SFT
from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.models.shared.front_ends import clips_of
from rlaudio.rollout.target_worker import TargetWorker
from rlaudio.rollout.transformers import Transformers
from rlaudio.training.credit import assign_credit
from rlaudio.training.learner import Learner
from rlaudio.training.packing import pack, repeated
from rlaudio.training.policy import Distribution, token_logprobs
from rlaudio.types import greedy
from tests.conftest import TINY, make_prompt
from tests.settings import learner_settings, sampling_params
from tests.training.test_learner import sampled, score
from tests.training.test_packing import assert_same_gradients, forward_backward, make_rows

SETTINGS = learner_settings(lr=1e-2, steps=20, schedule="constant")
EVERYWHERE = ("q_proj", "down_proj", "lm_head", "audio_tower.q_proj", "audio_tower.fc1", "projector.proj")


def adapted(**options) -> Qwen2_5Omni:
    return Qwen2_5Omni(**{"path": TINY, "device": "cpu", "lora_rank": 4} | options)


def shaken(family: Qwen2_5Omni) -> Qwen2_5Omni:
    """The family with an adapter that does something: B is no longer 0."""
    generator = torch.Generator().manual_seed(1)
    family.load_weights(
        (name, 0.05 * torch.randn(w.shape, generator=generator)) for name, w in family.named_weights()
    )
    return family


def logits(family, prompt) -> torch.Tensor:
    ids = torch.from_numpy(prompt.token_ids)[None]
    mask = torch.full((ids.shape[1], ids.shape[1]), torch.finfo(family.dtype).min).triu(1)
    with torch.no_grad():
        hidden = family.hidden(
            family.embed(ids, [prompt]),
            torch.from_numpy(prompt.positions)[None],
            mask.to(family.dtype)[None, None],
        )
        return family.head(hidden)


def logprobs(family, rows, **options) -> torch.Tensor:
    with torch.no_grad():
        return token_logprobs(family, pack(rows), **options).logprobs


def sft_step(family, steps=3):
    prompts = [make_prompt(family, seed) for seed in range(3)]
    rows = assign_credit(
        score(TargetWorker(family, "answer").generate(prompts, sampling_params(1), ()), lambda c: 0.0), SFT()
    )
    learner = Learner(family, SFT(), SETTINGS)
    for step in range(steps):
        learner.step(rows, step)


# --- the adapter and its base ----------------------------------------------------------------------


def test_a_new_adapter_changes_nothing(shared_family):
    prompt = make_prompt(shared_family, 0)
    assert torch.equal(logits(adapted(lora_targets=EVERYWHERE), prompt), logits(shared_family, prompt))


def test_only_the_adapter_moves(shared_family):
    family = adapted()
    before = {name: p.detach().clone() for name, p in family.model.named_parameters()}
    Learner(family, GRPO(kl=0.0), SETTINGS).step(assign_credit(sampled(family), GRPO()), 0)
    moved = {name for name, p in family.model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {name for name, _ in family.named_weights() if ".lora_B." in name}  # A: once B is not 0
    base = {name.replace(".base_layer", ""): p for name, p in before.items() if ".lora_" not in name}
    assert base.keys() == dict(shared_family.model.named_parameters()).keys()


def test_adapters_lie_on_all_linear_layers_of_the_language_models_blocks():
    names = {name.partition(".lora_")[0] for name, _ in adapted().named_weights()}
    assert len(names) == 7 * 4 and all(name.startswith("model.layers.") for name in names)


def test_the_factor_of_an_adapter_is_alpha_over_rank(shared_family):
    family = shaken(adapted(lora_targets=("q_proj",), lora_rank=4, lora_alpha=12.0))
    layer = family.model.get_submodule("model.layers.1.self_attn.q_proj")
    x = torch.randn(3, layer.in_features, generator=torch.Generator().manual_seed(0))
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    plain = shared_family.model.get_submodule("model.layers.1.self_attn.q_proj")
    torch.testing.assert_close(layer(x), plain(x) + 12.0 / 4 * (x @ a.T @ b.T))
    assert adapted(lora_rank=4).adapter.alpha == 8.0


def test_two_families_begin_with_the_same_adapter_and_leave_the_random_numbers_alone():
    torch.manual_seed(3)
    first, drawn = dict(adapted().named_weights()), torch.rand(1)
    torch.manual_seed(4)
    second = dict(adapted().named_weights())
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(1))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lora_targets": ("q_prj",)}, r"names 'q_prj'; this model has audio_tower.fc1, .*q_proj"),
        ({"lora_targets": ()}, r"lora_targets names nothing; this model has"),
        (
            {"lora_targets": ("audio_tower.fc1",), "freeze": ("audio_tower",)},
            r"lora_targets names 'audio_tower.fc1' and freeze names audio_tower",
        ),
        ({"freeze": ("language_model",)}, r"lora_targets names 'q_proj' and freeze names language_model"),
        ({"lora_rank": -1}, r"lora_rank is -1; expected the rank of an adapter, or 0 for none"),
    ],
)
def test_options_that_cannot_be_are_refused_before_weights_are_loaded(options, said):
    with pytest.raises(ValueError, match=said):
        adapted(**options)


def test_freezing_parts_without_targets_beside_an_adapter_changes_nothing():
    names = [name for name, _ in adapted().named_weights()]
    assert names == [name for name, _ in adapted(freeze=("audio_tower", "projector")).named_weights()]


# --- every way of computing goes through it --------------------------------------------------------


@pytest.mark.parametrize("support_width", [0, 4])
def test_packed_rows_give_the_logprobs_and_gradients_of_repeated_prompts(support_width):
    family = shaken(adapted(lora_targets=EVERYWHERE))
    rows = make_rows(family, support_width)
    packed, packed_gradients = forward_backward(family, [pack(rows)], temperature=1.5)
    plain, plain_gradients = forward_backward(family, [pack([r]) for r in repeated(rows)], temperature=1.5)
    torch.testing.assert_close(packed, plain, atol=2e-5, rtol=0)
    assert_same_gradients(packed_gradients, plain_gradients, 2e-5)
    assert packed_gradients.keys() == {name for name, _ in family.named_weights()}


def test_a_narrow_support_does_not_go_around_an_adapter_on_the_head():
    family = shaken(adapted(lora_targets=("lm_head",)))
    rows = make_rows(family, support_width=4)
    batch, tempered = pack(rows), Distribution(temperature=0.7)
    without = dataclasses.replace(batch, support=None)
    with torch.no_grad():
        narrow = token_logprobs(family, batch, tempered).logprobs
        whole = [  # full log-probs of each supported token in the place of the target
            token_logprobs(family, dataclasses.replace(without, targets=tokens), tempered).logprobs
            for tokens in (batch.targets, *batch.support.unbind(1))
        ]
    torch.testing.assert_close(narrow, whole[0] - torch.stack(whole[1:]).logsumexp(0), atol=1e-5, rtol=0)


@pytest.mark.parametrize("targets", [("q_proj", "down_proj"), ("audio_tower.q_proj",)])
def test_gradient_checkpointing_changes_no_gradient_of_an_adapter(targets):
    gradients = []
    for checkpointing in (False, True):
        family = shaken(adapted(lora_targets=targets, gradient_checkpointing=checkpointing))
        gradients.append(forward_backward(family, [pack(make_rows(family))])[1])
    assert gradients[0] and all(gradient.any() for gradient in gradients[0].values())
    assert_same_gradients(*gradients, 1e-5)


def test_completions_are_sampled_from_what_training_computes():
    family = shaken(adapted(lora_targets=EVERYWHERE))
    groups = Transformers(family).generate(
        [make_prompt(family, 0)], sampling_params(4, 1.0, max_new_tokens=6), (1,)
    )
    rows = assign_credit(score(groups, lambda c: 0.0), GRPO())
    behaviour = np.concatenate([c.logprobs for c in groups[0].completions])
    torch.testing.assert_close(logprobs(family, rows), torch.from_numpy(behaviour), atol=1e-4, rtol=0)


def test_a_clip_is_encoded_once_unless_the_adapter_reaches_the_tower(monkeypatch):
    for targets, runs in [(("q_proj",), [1, 1]), (("audio_tower.q_proj",), [3, 3])]:
        family = adapted(lora_targets=targets)
        clips = [clip for seed in (0, 1, 0) for clip in clips_of(make_prompt(family, seed))]
        seen = []
        run_tower = family._run_tower
        monkeypatch.setattr(
            family, "_run_tower", lambda asked, f=run_tower, s=seen: s.append(len(asked)) or f(asked)
        )
        family._encode_audio(clips), family._encode_audio(clips)
        assert seen == runs


# --- written and read ------------------------------------------------------------------------------


def test_a_checkpoint_holds_the_adapter_alone_and_opens_to_the_same_model(tmp_path):
    family = shaken(adapted(lora_targets=EVERYWHERE, lora_alpha=12.0))
    family.save(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    prompt = make_prompt(family, 0)
    for options in ({}, {"lora_rank": 4, "lora_alpha": 12.0, "lora_targets": EVERYWHERE}):
        again = Qwen2_5Omni(path=str(tmp_path), device="cpu", **options)
        assert torch.equal(logits(again, prompt), logits(family, prompt))
        weights = dict(again.named_weights())
        assert weights.keys() == dict(family.named_weights()).keys()


def test_peft_opens_a_checkpoint(tmp_path):
    family = shaken(adapted(lora_targets=("q_proj", "audio_tower.fc1")))
    family.save(tmp_path)
    base = Thinker.from_pretrained(family.path, dtype=torch.float32)
    theirs = PeftModel.from_pretrained(base, str(tmp_path)).base_model.model
    for name, tensor in family.model.state_dict().items():
        assert torch.equal(theirs.state_dict()[name], tensor), name


def test_an_adapter_that_peft_wrote_is_opened_without_its_dropout(tmp_path):
    from peft import LoraConfig, get_peft_model

    base = Thinker.from_pretrained(adapted().path, dtype=torch.float32)
    config = LoraConfig(r=2, lora_alpha=32, target_modules=["gate_proj"], lora_dropout=0.5)
    model = get_peft_model(base, config)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_B" in name:
                p.fill_(0.01)
    model.peft_config["default"].base_model_name_or_path = adapted().path
    model.save_pretrained(tmp_path)
    family = Qwen2_5Omni(path=str(tmp_path), device="cpu")
    family.model.train()
    prompt = make_prompt(family, 0)
    once = logits(family, prompt)
    assert torch.equal(once, logits(family, prompt))
    assert not torch.equal(once, logits(adapted(), prompt))


def test_an_adapter_that_is_not_as_the_recipe_says_is_refused(tmp_path):
    adapted(lora_targets=("q_proj",)).save(tmp_path)
    options = {"lora_rank": 8, "lora_alpha": 8.0, "lora_targets": ("q_proj", "v_proj")}
    with pytest.raises(ValueError, match=r"recipe in lora_rank, lora_targets \(its rank is 4, its alpha 8\)"):
        _ = Qwen2_5Omni(path=str(tmp_path), device="cpu", **options).model


def test_an_adapter_that_lost_its_base_or_its_weights_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    adapted().save(tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    for base, error, said in [
        (str(tmp_path / "gone"), FileNotFoundError, "gone: no such folder"),
        (None, ValueError, "does not say which model the adapter belongs to"),
    ]:
        text = json.dumps(config | {"base_model_name_or_path": base})
        (tmp_path / "adapter_config.json").write_text(text)
        with pytest.raises(error, match=said):
            Qwen2_5Omni(path=str(tmp_path), device="cpu")


@pytest.mark.parametrize("kind", [{"use_dora": True}, {"bias": "all"}, {"modules_to_save": ["lm_head"]}])
def test_other_kinds_of_adapters_are_refused(tmp_path, kind):
    adapted().save(tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | kind))
    with pytest.raises(ValueError, match="found another kind of peft adapter"):
        Qwen2_5Omni(path=str(tmp_path), device="cpu")


def test_the_merged_folder_is_a_plain_model_that_computes_the_same(tmp_path, shared_family):
    family = shaken(adapted(lora_targets=EVERYWHERE))
    family.export(tmp_path)
    original = {file.name for file in type(tmp_path)(family.path).iterdir()}
    assert {file.name for file in tmp_path.iterdir()} == original | {"README.md"}
    plain, info = Thinker.from_pretrained(tmp_path, dtype=torch.float32, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert plain.state_dict().keys() == shared_family.model.state_dict().keys()
    merged = Qwen2_5Omni(path=str(tmp_path), device="cpu")
    prompt = make_prompt(family, 0)
    torch.testing.assert_close(logits(merged, prompt), logits(family, prompt), atol=1e-5, rtol=1e-5)
    assert (logits(merged, prompt) - logits(shared_family, prompt)).abs().max() > 0.1


def test_merging_leaves_the_policy_as_it_is(tmp_path):
    family = shaken(adapted())
    before = {name: tensor.clone() for name, tensor in family.model.state_dict().items()}
    family.export(tmp_path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in family.model.state_dict().items())


# --- the reference ---------------------------------------------------------------------------------


def test_before_training_the_reference_is_the_model_with_the_adapter_switched_off():
    family = adapted(lora_targets=EVERYWHERE)
    reference = family.frozen_copy()
    rows = make_rows(family)
    base = adapted(lora_rank=0, freeze=("audio_tower", "projector"))
    assert torch.equal(logprobs(reference, rows), logprobs(base, rows))
    layers = [m for m in reference.model.modules() if hasattr(m, "lora_A")]
    assert layers and all(layer.disable_adapters for layer in layers)


def test_after_sft_the_reference_is_the_policy_as_sft_left_it_and_not_the_base(shared_family):
    family = adapted()
    sft_step(family)
    rows = make_rows(family)
    then = logprobs(family, rows)
    reference = family.frozen_copy()
    shaken(family)
    assert torch.equal(logprobs(reference, rows), then)
    assert not torch.allclose(then, logprobs(family, rows), atol=1e-3)
    assert not torch.allclose(then, logprobs(shared_family, rows), atol=1e-3)


def test_a_reference_shares_the_base_and_copies_the_adapter():
    family = adapted()
    policy = {p.data_ptr(): p.numel() for p in family.model.parameters()}
    reference = list(family.frozen_copy().model.parameters())
    new = sum(p.numel() for p in reference if p.data_ptr() not in policy)
    assert new == sum(w.numel() for _, w in family.named_weights())
    assert not any(p.requires_grad for p in reference)
    assert all(w.requires_grad for n, w in family.model.named_parameters() if ".lora_" in n)


def test_without_an_adapter_the_reference_shares_what_is_frozen():
    family = Qwen2_5Omni(path=TINY, device="cpu", freeze=("audio_tower", "projector"))
    reference = family.frozen_copy()
    assert reference.model.audio_tower is family.model.audio_tower
    assert reference.head.weight.data_ptr() != family.head.weight.data_ptr()


@pytest.mark.parametrize("rank", [0, 4])
def test_a_reference_is_read_back_from_what_was_saved_when_the_stage_began(tmp_path, rank):
    family = adapted(lora_rank=rank)
    sft_step(family)
    family.save(tmp_path)
    rows = make_rows(family)
    then = logprobs(family.frozen_copy(), rows)
    sft_step(family, steps=1)
    reference = family.frozen_copy(tmp_path)
    assert torch.equal(logprobs(reference, rows), then)
    assert not any(p.requires_grad for p in reference.model.parameters())
    assert not torch.equal(logprobs(family, rows), then)


def test_a_step_with_kl_begins_at_the_reference_and_leaves_it():
    family = adapted(lora_targets=("q_proj", "lm_head"), gradient_checkpointing=True)
    sft_step(family)
    learner = Learner(family, GRPO(kl=0.1), SETTINGS, reference=family.frozen_copy())
    first = learner.step(assign_credit(sampled(family), learner.algorithm), 0)
    assert first["loss/kl"] == pytest.approx(0.0, abs=1e-6)
    assert first["loss/ratio_mean"] == pytest.approx(1.0, abs=1e-4)
    second = learner.step(assign_credit(sampled(family, key=1), learner.algorithm), 1)
    assert second["loss/kl"] > 1e-6


def test_a_copy_for_a_strategy_trains_the_same_adapter_on_weights_of_its_own(monkeypatch):
    family = shaken(adapted())
    twin = family.trained_copy()
    rows = make_rows(family)
    assert torch.equal(logprobs(twin, rows), logprobs(family, rows))
    addresses = {p.data_ptr() for p in family.model.parameters()}
    assert not addresses & {p.data_ptr() for p in twin.model.parameters()}
    assert [n for n, _ in twin.named_weights()] == [n for n, _ in family.named_weights()]
    monkeypatch.setattr(twin.model.audio_tower, "forward", None)  # a sharded tower must not be asked
    logprobs(twin, make_rows(family))


# --- in bfloat16 -----------------------------------------------------------------------------------


def test_adapters_of_a_bfloat16_base_are_float32_and_learn():
    family = adapted(dtype="bfloat16", gradient_checkpointing=True)
    assert {w.dtype for _, w in family.named_weights()} == {torch.float32}
    assert family.head.weight.dtype == torch.bfloat16
    before = {name: w.clone() for name, w in family.named_weights()}
    rows = assign_credit(sampled(family), GRPO())
    metrics = Learner(family, GRPO(kl=0.0), learner_settings(lr=1e-6, steps=20)).step(rows, 0)
    assert np.isfinite(metrics["loss/total"]) and metrics["optimizer/grad_norm"] > 0
    moved = [n for n, w in family.named_weights() if not torch.equal(w, before[n])]
    assert moved and all(".lora_B." in name for name in moved)


def test_a_bfloat16_base_is_merged_with_one_rounding(tmp_path):
    family = shaken(adapted(dtype="bfloat16", lora_targets=("q_proj",)))
    family.export(tmp_path)
    layer = family.model.get_submodule("model.layers.0.self_attn.q_proj")
    delta = 2.0 * layer.lora_B["default"].weight.double() @ layer.lora_A["default"].weight.double()
    exact = layer.base_layer.weight.double() + delta
    merged = load_file(tmp_path / "model.safetensors")["thinker.model.layers.0.self_attn.q_proj.weight"]
    assert merged.dtype == torch.bfloat16
    spacing = torch.finfo(torch.bfloat16).eps * exact.abs()
    assert ((merged.double() - exact).abs() <= 0.51 * spacing).all()


def test_greedy_answers_of_adapter_and_merged_model_are_the_same(tmp_path):
    family = shaken(adapted(lora_targets=EVERYWHERE))
    family.export(tmp_path)
    merged = Qwen2_5Omni(path=str(tmp_path), device="cpu")
    answers = [
        [
            g.completions[0].token_ids.tolist()
            for g in Transformers(f).generate([make_prompt(f, s) for s in range(3)], greedy(8), ())
        ]
        for f in (family, merged)
    ]
    assert answers[0] == answers[1]
