"""What is true of every family, on small random models, against the family's own processor and class."""

import json
import re
from dataclasses import replace
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rlaudio.audio.writing import write_wav
from rlaudio.config.plugins import bind, load
from rlaudio.models.shared.describing import model_size
from rlaudio.models.shared.front_ends import clips_of
from rlaudio.models.shared.model_types import MODEL_TYPES
from rlaudio.rollout.transformers import Transformers
from rlaudio.training.packing import pack, repeated
from rlaudio.training.policy import token_logprobs
from rlaudio.types import Clip, Prompt, greedy
from tests.conftest import make_prompt, tone
from tests.factories import make_question
from tests.models.official import OFFICIAL
from tests.rollout.test_worker import largest_gap
from tests.settings import sampling_params
from tests.training.test_packing import assert_same_gradients, forward_backward, make_rows

KEY = (0, "test", 0)
QUESTION = make_question()
LENGTHS = (0.1, 1.0, 29.9, 30.0, 30.1, 40.0)
SEVERAL = {
    "qwen2_audio": (0.5, 1.2, 30.5),
    "voxtral": (0.5, 31.0),
    "qwen3_omni": (1.3, 0.5),
    "gemma4": (0.5, 1.2, 30.5),
}
CUT = ("qwen2_audio", "gemma4")  # families that hear 30 s
CLASSES = {
    "qwen2_audio": "Qwen2AudioForConditionalGeneration",
    "audio_flamingo3": "AudioFlamingo3ForConditionalGeneration",
    "voxtral": "VoxtralForConditionalGeneration",
    "qwen3_omni": "Qwen3OmniMoeForConditionalGeneration",
    "gemma4": "Gemma4ForConditionalGeneration",
}


def opened(name: str, folder: Any, **options: Any) -> Any:
    return load("model", name)(path=str(folder), device="cpu", **options)


@pytest.fixture(scope="module")
def small(name, folder) -> Any:
    """The model, for tests that only read it."""
    return opened(name, folder)


@pytest.fixture(scope="module")
def public(small, folder) -> Any:
    """The model in transformers' own class, for tests that only read it."""
    return type(small).model_class.from_pretrained(folder)


def prompt_of(family: Any, *clips: Clip) -> Prompt:
    return family.encode_prompt(QUESTION, "You listen.", QUESTION.question, clips)


def official(name: str, folder: Any, *clips: Clip) -> dict[str, Any]:
    return OFFICIAL[name](folder, "You listen.", QUESTION.question, clips)


def features_of(name: str, given: dict[str, Any]) -> np.ndarray:
    """The processor's features as the family holds them: Gemma 4's without frames that hold no audio."""
    features = given["input_features"].numpy()
    if name != "gemma4":
        return features
    heard = given["input_features_mask"].numpy()
    assert not features[~heard].any()
    return features[heard].T[None]  # [1, mels, frames of all clips]


# --- prompts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", LENGTHS)
def test_token_ids_and_features_are_those_of_the_familys_processor(name, folder, small, seconds):
    clip = tone(seconds, 1)
    prompt, expected = prompt_of(small, clip), official(name, folder, clip)
    assert prompt.token_ids.tolist() == expected["input_ids"][0].tolist()
    features = prompt.features["input_features"]
    assert np.array_equal(features if features.ndim == 3 else features[None], features_of(name, expected))
    ids = torch.from_numpy(prompt.token_ids)[None]
    with torch.no_grad():
        small.embed(ids, [prompt])  # raises unless there are as many placeholders as audio embeddings
    assert prompt.truncated == (name in CUT and seconds > 30)


def test_a_prompt_without_a_clip_is_that_of_the_familys_processor(name, folder, small):
    assert prompt_of(small).token_ids.tolist() == official(name, folder)["input_ids"][0].tolist()


def test_several_clips_are_those_of_the_familys_processor(name, folder, small):
    if name == "audio_flamingo3":
        with pytest.raises(ValueError, match=r"has 2 clips; expected at most 1"):
            prompt_of(small, tone(1.0, 0), tone(1.0, 1))
        return
    clips = [tone(seconds, seed) for seed, seconds in enumerate(SEVERAL[name])]
    prompt = prompt_of(small, *clips)
    expected = official(name, folder, *clips)
    assert prompt.token_ids.tolist() == expected["input_ids"][0].tolist()
    if name == "qwen3_omni":  # whose processor fills up the shorter clip, which its last frame hears
        for clip, heard in zip(clips, clips_of(prompt), strict=True):
            alone = official(name, folder, clip)["input_features"][0].numpy()
            assert np.array_equal(heard.features, alone)
    else:
        features = prompt.features["input_features"]
        assert np.array_equal(features if features.ndim == 3 else features[None], features_of(name, expected))
    request = small.engine_prompt(prompt) if name != "voxtral" else None
    assert not request or request.token_ids.count(small.audio_token_id) == len(clips)


def test_embeddings_of_a_batch_are_those_of_each_clip_alone(name, small):
    seconds = (0.5, 30.2, 1.3) if name != "qwen2_audio" else (0.5, 29.0)
    prompts = [prompt_of(small, tone(length, seed)) for seed, length in enumerate(seconds)]
    clips = [clip for prompt in prompts for clip in clips_of(prompt)]
    with torch.no_grad():
        together = small.run_tower(clips)
        alone = torch.cat([small.run_tower([clip]) for clip in clips])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_text_survives_tokens_and_a_stop_token_ends_it(small):
    text = "<answer>a dog's bark</answer> “ü”, 21.2 s"
    ids = small.encode_completion(text)
    assert small.decode(ids) == text
    assert ids[-1] == small.stop_token_ids[0]
    pieces = small.token_texts(ids)
    assert pieces[-1] == "" and len(pieces) == len(ids)


def test_audio_placeholders_and_rows_without_a_token_are_never_sampled(small):
    forbidden = set(small.forbidden_token_ids)
    assert small.audio_token_id in forbidden
    assert set(range(len(small.tokenizer), small.head.out_features)) <= forbidden
    assert not forbidden & set(small.stop_token_ids)


# --- the model -------------------------------------------------------------------------------------------


def logits_of(family: Any, prompt: Prompt) -> torch.Tensor:
    ids = torch.from_numpy(prompt.token_ids)[None]
    with torch.no_grad():
        hidden = family.hidden(family.embed(ids, [prompt]), torch.from_numpy(prompt.positions)[None], None)
        return family.head(hidden)


def public_inputs(name: str, folder: Any, clip: Clip) -> dict[str, Any]:
    """What the public class takes."""
    given = official(name, folder, clip)
    kept = ("input_ids", "attention_mask", "input_features", "input_features_mask", "feature_attention_mask")
    return {key: torch.as_tensor(value) for key, value in given.items() if key in kept}


@pytest.mark.parametrize("seconds", [1.0, 30.1])
def test_logits_are_those_of_the_public_class(name, folder, small, public, seconds):
    clip = tone(seconds, 2)
    with torch.no_grad():
        expected = public(**public_inputs(name, folder, clip)).logits
    torch.testing.assert_close(logits_of(small, prompt_of(small, clip)), expected, atol=2e-5, rtol=0)


def test_greedy_tokens_are_those_of_generate(name, folder, small, public):
    clip = tone(1.7, 3)
    inputs = public_inputs(name, folder, clip)
    tokens = public.generate(
        **inputs,
        max_new_tokens=8,
        do_sample=False,
        suppress_tokens=list(small.forbidden_token_ids),
        eos_token_id=list(small.stop_token_ids),
    )
    prompts = [prompt_of(small, clip), prompt_of(small, tone(1.7, 4)), prompt_of(small)]
    groups = Transformers(small).generate(prompts, greedy(8), KEY)
    assert groups[0].completions[0].token_ids.tolist() == tokens[0, inputs["input_ids"].shape[1] :].tolist()


def test_log_probs_of_long_samples_are_those_of_training(name, small):
    prompts = [prompt_of(small, tone(seconds, seed)) for seed, seconds in enumerate((0.5, 2.1, 0.5))]
    sampling = sampling_params(3, max_new_tokens=24)
    groups = Transformers(small).generate([*prompts, prompt_of(small)], sampling, KEY)
    assert max(completion.length for group in groups for completion in group.completions) == 24
    assert largest_gap(small, groups, sampling) < 1e-4


def without_noise(gradients: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Without the bias of keys, which adds the same to all scores of a query: its gradient is 0."""
    return {name: g for name, g in gradients.items() if not name.endswith("k_proj.bias")}


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_packed_rows_give_the_logprobs_and_gradients_of_repeated_prompts(name, folder, attention):
    family = opened(name, folder, attention=attention)
    rows = make_rows(family)
    packed, packed_gradients = forward_backward(family, [pack(rows)], temperature=1.5)
    plain, plain_gradients = forward_backward(family, [pack([r]) for r in repeated(rows)], temperature=1.5)
    torch.testing.assert_close(packed, plain, atol=3e-5, rtol=0)
    assert_same_gradients(*map(without_noise, (packed_gradients, plain_gradients)), 5e-5)
    assert {id(p) for m in family._audio_modules() for p in m.parameters() if p.grad is not None}


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_packed_rows_give_the_logprobs_of_the_public_class(name, folder, public, attention):
    """Which reads every prompt and completion as a text of its own."""
    family = opened(name, folder, attention=attention)
    clips = [tone(seconds, seed) for seed, seconds in enumerate((0.5, 1.1, 2.6))]
    rows = [
        replace(row, prompt=prompt_of(family, c)) for row, c in zip(make_rows(family), clips, strict=True)
    ]
    expected = []
    for row, clip in zip(rows, clips, strict=True):
        inputs = public_inputs(name, folder, clip)
        for branch in row.branches:
            ids = torch.from_numpy(branch.token_ids)[None]
            text = torch.cat([inputs["input_ids"], ids], dim=1)
            with torch.no_grad():
                given = inputs | {"input_ids": text, "attention_mask": torch.ones_like(text)}
                logits = public(**given).logits[:, -ids.shape[1] - 1 : -1]
            logits[..., list(family.forbidden_token_ids)] = -torch.inf
            expected.append(logits.log_softmax(-1).gather(-1, ids[..., None]).flatten())
    with torch.no_grad():
        packed = forward_logprobs(family, rows)
        once = token_logprobs(family, pack(rows, family.forbidden_token_ids)).logprobs  # with shared text
    torch.testing.assert_close(packed, torch.cat(expected), atol=3e-5, rtol=0)
    torch.testing.assert_close(once, torch.cat(expected), atol=3e-5, rtol=0)


def test_gradient_checkpointing_changes_no_gradient(name, folder):
    rows = make_rows(opened(name, folder))
    kept, gradients = forward_backward(opened(name, folder), [pack(rows)])
    family = opened(name, folder, gradient_checkpointing=True)
    recomputed, again = forward_backward(family, [pack(rows)])
    assert torch.equal(kept, recomputed)
    assert_same_gradients(*map(without_noise, (gradients, again)), 1e-6)


def test_bfloat16_is_near_float32(name, folder, small):
    rows = make_rows(small)
    with torch.no_grad():
        exact = forward_logprobs(small, rows)
        rounded = forward_logprobs(opened(name, folder, dtype="bfloat16"), rows)
    assert (exact - rounded).abs().max() < 0.25 and not torch.equal(exact, rounded)


def forward_logprobs(family: Any, rows: Any) -> torch.Tensor:
    return token_logprobs(family, pack(rows)).logprobs


# --- parts -----------------------------------------------------------------------------------------------


def test_each_part_can_be_frozen_and_the_others_train(name, folder, small):
    parts = type(small).components(small.model)
    assert list(parts)[:2] == ["audio_tower", "projector"] and "language_model" in parts
    assert ("router" in parts) == (name == "qwen3_omni")
    assert ("per_layer_embeddings" in parts) == (name == "gemma4")
    rows = make_rows(small)
    for part in parts:
        family = opened(name, folder, freeze=(part,))
        _, gradients = forward_backward(family, [pack(rows[:1])])
        inside = {id(p) for m in type(small).components(family.model)[part] for p in m.parameters()}
        named = dict(family.model.named_parameters())
        assert inside and not any(id(named[name]) in inside for name in gradients)
        assert gradients


def test_a_part_that_the_model_does_not_have_is_refused(name, folder):
    if name != "qwen3_omni":
        with pytest.raises(ValueError, match=r"freeze names router; this model has audio_tower, projector"):
            opened(name, folder, freeze=("router",)).blank()


def test_a_frozen_tower_encodes_each_clip_once(name, folder, monkeypatch):
    family = opened(name, folder, freeze=("audio_tower", "projector"))
    clips = [clip for seed in (0, 1, 0) for clip in clips_of(make_prompt(family, seed))]
    runs = []
    run_tower = family.run_tower
    monkeypatch.setattr(family, "run_tower", lambda asked: runs.append(len(asked)) or run_tower(asked))
    first, again = family._encode_audio(clips), family._encode_audio(clips)
    assert runs == [1, 1] and torch.equal(first, again)


def test_adapters_lie_on_the_blocks_unless_targets_are_named(name, folder):
    layers = {name.partition(".lora_")[0] for name, _ in opened(name, folder, lora_rank=4).named_weights()}
    # experts are no linear layers; the last two of four layers have no keys and values of their own
    assert len(layers) == {"qwen3_omni": 2 * 4, "gemma4": 4 * 5 + 2 * 2}.get(name, 2 * 7)
    chosen = {"lora_targets": ("q_proj", "audio_tower.q_proj")}
    names = [n for n, _ in opened(name, folder, lora_rank=4, **chosen).named_weights()]
    assert len(names) == 2 * (4 if name == "gemma4" else 2) + 2 * 1 and any("audio_tower" in n for n in names)


def test_targets_that_match_nothing_are_refused_with_those_there_are(name, folder):
    with pytest.raises(ValueError, match=r"lora_targets names 'w_proj'; this model has .*q_proj"):
        opened(name, folder, lora_rank=4, lora_targets=("w_proj",))


@pytest.mark.parametrize(
    "given",
    [{}, {"freeze": ["audio_tower"], "dtype": "bfloat16"}, {"lora_rank": 4}, {"freeze": ["language_model"]}],
)
def test_sizes_are_those_of_the_loaded_model(name, folder, given):
    options = bind("model", {"use": name, "path": str(folder), "device": "cpu", **given}).options
    size, parameters = model_size(name, options), list(load("model", name)(**options).model.parameters())
    assert size.parameters == sum(p.numel() for p in parameters)
    assert size.trained == sum(p.numel() for p in parameters if p.requires_grad)
    exact = [p for p in parameters if p.dtype == torch.float32]  # positions of Voxtral stay in float32
    assert size.weight_bytes == sum(p.nbytes for p in parameters) or (name == "voxtral" and exact)


def test_sizes_of_a_saved_adapter_are_those_of_the_new_one(name, folder, small, tmp_path):
    of_projector = [n for n in type(small).linear_layers(small.model) if n.startswith("projector.")]
    options = {"lora_rank": 4, "lora_targets": ["q_proj", "audio_tower.q_proj", *of_projector]}
    opened(name, folder, lora_rank=4, lora_targets=tuple(options["lora_targets"])).save(tmp_path)
    new, saved = (
        model_size(name, given) for given in ({"path": str(folder)} | options, {"path": str(tmp_path)})
    )
    assert saved.decoder_adapter == new.decoder_adapter > 0
    assert saved.tower_adapter == new.tower_adapter > 0 and of_projector


@pytest.mark.parametrize("seconds", [0.5, 1.0, 12.34, 29.99, 30.0, 30.2, 65.0])
def test_plans_count_the_audio_tokens_of_prompts(name, small, folder, seconds):
    tower = model_size(name, {"path": str(folder)}).tower
    prompt = prompt_of(small, tone(seconds, 0))
    assert tower.tokens(round(100 * seconds)) == int((prompt.token_ids == small.audio_token_id).sum())
    assert sum(tower.positions(round(100 * seconds))) >= tower.tokens(round(100 * seconds))


# --- saving ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"lora_rank": 4}])
def test_an_exported_model_opens_in_the_public_class_with_the_trained_weights(
    name, folder, tmp_path, options
):
    import transformers

    family = opened(name, folder, **options)
    family.load_weights((n, w + 0.01) for n, w in list(family.named_weights()))
    family.export(tmp_path)
    public = getattr(transformers, CLASSES[name])
    _, report = public.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    before, after = (load_file(path / "model.safetensors") for path in (folder, tmp_path))
    assert before.keys() == after.keys()
    assert sum(not torch.equal(before[n], after[n]) for n in before) >= 8
    reopened = opened(name, tmp_path)
    prompt = prompt_of(family, tone(0.8, 0))
    torch.testing.assert_close(logits_of(reopened, prompt), logits_of(family, prompt), atol=2e-5, rtol=0)
    if not options and name != "qwen3_omni":  # whose processor wants parts for images and video
        write_wav(tmp_path / "CLIP.wav", np.sin(np.arange(16_000) / 10))
        (code,) = re.findall(r"```python\n(.*?)```", (tmp_path / "README.md").read_text(), re.DOTALL)
        exec(code.replace("FOLDER", str(tmp_path)).replace("CLIP.wav", str(tmp_path / "CLIP.wav")), {})


def test_a_saved_adapter_opens_again_and_a_frozen_copy_stays(name, folder, tmp_path):
    family = opened(name, folder, lora_rank=4)
    family.load_weights((n, w + 0.01) for n, w in list(family.named_weights()))
    family.save(tmp_path)
    prompt = prompt_of(family, tone(0.8, 0))
    trained = logits_of(family, prompt)
    assert torch.equal(logits_of(opened(name, tmp_path), prompt), trained)
    reference = family.frozen_copy()
    family.load_weights((n, w + 0.5) for n, w in list(family.named_weights()))
    torch.testing.assert_close(logits_of(reference, prompt), trained)
    assert not torch.allclose(logits_of(family, prompt), trained, atol=1e-3)


def test_the_weights_that_an_engine_gets_are_those_of_the_official_checkpoint(name, folder, small):
    expected = load_file(folder / "model.safetensors")
    assert not any("model.model.model" in weight for weight in expected)
    given = dict(small.checkpoint_weights(whole=True))
    assert given.keys() == expected.keys()
    assert all(torch.equal(given[n], tensor) for n, tensor in expected.items())
    assert dict(small.checkpoint_weights()).keys() < expected.keys()


# --- folders that are not what they should be -------------------------------------------------------------


def test_a_folder_of_another_family_is_refused_and_its_family_named(name, folder):
    others = [other for other in MODEL_TYPES if other != name]
    for other in others:
        with pytest.raises(ValueError, match=rf"expected an? \w+; say model.use: {name}$"):
            opened(other, folder)


def test_a_config_without_audio_is_refused(name, folder, tmp_path):
    for file in folder.iterdir():
        (tmp_path / file.name).symlink_to(file)
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").unlink()
    for part in (config, config.get("thinker_config", {})):
        part.pop("audio_config", None)
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=r"has no audio_config: a model without it does not hear"):
        opened(name, tmp_path)
    with pytest.raises(ValueError, match=r"has no audio_config"):
        model_size(name, {"path": str(tmp_path)})


def test_a_name_of_the_hub_without_a_network_says_what_was_looked_for_and_where(name, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    said = (
        r"model Nobody/Nothing: no such folder.* looked for config.json, tokenizer.json, "
        r"preprocessor_config.json and weights in .*/Nobody/Nothing and .*/models--Nobody--Nothing/snapshots"
    )
    with pytest.raises(FileNotFoundError, match=re.compile(said, re.DOTALL)):
        opened(name, "Nobody/Nothing")
