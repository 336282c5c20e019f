"""The model family: prompts against the official layout, and folders that are not what they should be."""

import dataclasses
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rlaudio.audio.writing import write_wav
from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.models.shared.checkpoint_files import in_own_memory
from rlaudio.models.shared.front_ends import clips_of, pooled_tokens
from rlaudio.models.shared.model_paths import resolve_model_path
from rlaudio.training.packing import Branch, PackedRow, pack
from rlaudio.training.policy import token_logprobs
from rlaudio.types import Absent
from tests.conftest import TINY, make_prompt, tone
from tests.factories import make_question


def test_a_prompt_is_the_chat_template_with_its_placeholder_repeated(shared_family):
    prompt = make_prompt(shared_family, seed=1, seconds=1.3)
    text = shared_family.tokenizer.apply_chat_template(
        [
            {"role": "system", "content": "You listen."},
            {
                "role": "user",
                "content": [{"type": "audio"}, {"type": "text", "text": prompt.question.question}],
            },
        ],
        tokenize=False,
        add_generation_prompt=True,
    )
    count = pooled_tokens(prompt.features["input_features"].shape[1])
    expected = shared_family.tokenizer.encode(
        text.replace("<|AUDIO|>", "<|AUDIO|>" * count), add_special_tokens=False
    )
    assert prompt.token_ids.tolist() == expected
    assert prompt.positions.tolist() == list(range(len(expected)))


def test_the_number_of_audio_tokens_is_the_number_of_audio_embeddings(shared_family):
    for seconds in (0.05, 0.31, 1.0, 2.0, 2.013, 4.5):
        prompt = make_prompt(shared_family, seed=0, seconds=seconds)
        with torch.no_grad():
            shared_family.embed(torch.from_numpy(prompt.token_ids)[None], [prompt])  # raises if they differ


def test_audio_embeddings_of_a_batch_are_those_of_each_clip_alone(shared_family):
    prompts = [make_prompt(shared_family, seed, seconds=0.5 + seed) for seed in range(3)]
    clips = [clip for prompt in prompts for clip in clips_of(prompt)]
    with torch.no_grad():
        together = shared_family._encode_audio(clips)
        alone = torch.cat([shared_family._encode_audio([clip]) for clip in clips])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_a_frozen_audio_tower_encodes_each_clip_once(monkeypatch):
    family = Qwen2_5Omni(path=TINY, device="cpu", freeze=("audio_tower", "projector"))
    clips = [clip for seed in (0, 1, 0) for clip in clips_of(make_prompt(family, seed))]
    runs = []
    run_tower = family._run_tower
    monkeypatch.setattr(family, "_run_tower", lambda asked: runs.append(len(asked)) or run_tower(asked))
    first, again = family._encode_audio(clips), family._encode_audio(clips)
    assert runs == [1, 1]
    assert torch.equal(first, again)


def test_freezing_the_tower_alone_still_trains_the_projector():
    family = Qwen2_5Omni(path=TINY, device="cpu", freeze=("audio_tower",))
    prompt = make_prompt(family, 0)
    branch = Branch(np.array([200, 201]), np.zeros(2, np.float32), np.ones(2), 0.5)
    token_logprobs(family, pack([PackedRow(prompt, (branch,))])).logprobs.sum().backward()
    tower = family.model.audio_tower
    assert tower.proj.weight.grad is not None
    assert all(p.grad is None for name, p in tower.named_parameters() if not name.startswith("proj"))


def test_text_with_a_special_token_is_refused(shared_family):
    question = dataclasses.replace(make_prompt(shared_family, 0).question, id="sly")
    with pytest.raises(ValueError, match=r"question sly: its text holds the special token '<\|AUDIO\|>'"):
        shared_family.encode_prompt(question, "", "Is it <|AUDIO|>?", [tone(1.0, 0)])


def test_a_clip_too_short_for_one_audio_token_is_refused(shared_family):
    with pytest.raises(ValueError, match=r"question q0: the clip lasts 10 ms; expected at least 40 ms"):
        make_prompt(shared_family, 0, seconds=0.01)


def test_text_survives_tokens(shared_family):
    for text in ("<answer>a dog's bark</answer>", "<think>ümlaut, 21.2 s</think>\n<answer>“x”</answer>"):
        ids = shared_family.encode_completion(text)
        assert shared_family.decode(ids) == text
        assert ids[-1] in shared_family.stop_token_ids


def test_token_texts_add_up_to_the_text(shared_family):
    ids = shared_family.encode_completion("<think>it barks twice</think><answer>a dog</answer>")
    pieces = shared_family.token_texts(ids)
    assert "".join(pieces) == shared_family.decode(ids)
    assert pieces[-1] == ""


def test_a_frozen_copy_keeps_its_weights(family):
    twin = family.frozen_copy()
    family.load_weights((name, torch.zeros_like(w)) for name, w in family.named_weights())
    assert any(p.any() for p in twin.model.parameters())
    assert not any(p.requires_grad for p in twin.model.parameters())


@pytest.mark.parametrize(
    ("removed", "what"),
    [("tokenizer*", "tokenizer"), ("*processor_config.json", "audio feature extractor")],
)
def test_a_model_folder_without_its_processor_says_what_is_missing(tmp_path, removed, what):
    folder = tmp_path / "model"
    shutil.copytree(resolve_model_path(TINY), folder)
    for file in folder.glob(removed):
        file.unlink()
    with pytest.raises(FileNotFoundError, match=rf"has no {what}; expected a complete Hugging Face folder"):
        Qwen2_5Omni(path=str(folder), device="cpu")


def test_an_unknown_tiny_model_names_those_there_are():
    with pytest.raises(FileNotFoundError, match=r"no shipped model 'tiny/bas'; there are: tiny/base"):
        resolve_model_path("tiny/bas")


def test_a_folder_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match=r"no such folder"):
        Qwen2_5Omni(path=str(tmp_path / "nowhere"), device="cpu")


def test_a_saved_folder_is_complete(tmp_path, shared_family):
    shared_family.save(tmp_path / "saved")
    original = {file.name for file in Path(shared_family.path).iterdir()}
    assert {file.name for file in (tmp_path / "saved").iterdir()} == original | {"README.md"}


def test_weights_that_are_parts_of_one_memory_are_saved_as_they_are(tmp_path, family):
    """As ZeRO holds them at stages 1 and 2."""
    family.save(tmp_path / "apart")
    parameters = list(family.model.parameters())
    parts = torch.cat([p.detach().flatten() for p in parameters]).split([p.numel() for p in parameters])
    for parameter, part in zip(parameters, parts, strict=True):
        parameter.data = part.view(parameter.shape)
    family.save(tmp_path / "parts")
    separate, joint = (load_file(tmp_path / name / "model.safetensors") for name in ("apart", "parts"))
    assert separate.keys() == joint.keys() and all(
        torch.equal(tensor, joint[n]) for n, tensor in separate.items()
    )


def test_tied_weights_stay_tied_when_they_are_copied_out_of_a_larger_memory():
    part = torch.arange(6.0)[2:]
    copied = in_own_memory({"embedding": part, "head": part.view(4), "bias": torch.ones(2)})
    assert copied["embedding"].untyped_storage().nbytes() == 16
    assert copied["embedding"].data_ptr() == copied["head"].data_ptr() and torch.equal(copied["head"], part)


# --- no clip, several clips, features that went missing --------------------------------------------------


def chat(family, question, contents):
    text = family.tokenizer.apply_chat_template(
        [{"role": "system", "content": "You listen."}, {"role": "user", "content": contents}],
        tokenize=False,
        add_generation_prompt=True,
    )
    return text


@pytest.mark.parametrize("seconds", [(), (0.7,), (0.5, 1.1), (1.0, 0.3, 0.6)])
def test_a_prompt_of_any_number_of_clips_is_the_chat_template(shared_family, seconds):
    clips = [tone(length, seed) for seed, length in enumerate(seconds)]
    question = make_question()
    prompt = shared_family.encode_prompt(question, "You listen.", question.question, clips)
    contents = [*({"type": "audio"} for _ in clips), {"type": "text", "text": question.question}]
    pieces = chat(shared_family, question, contents).split("<|AUDIO|>")
    counts = [shared_family._prompts.hear(clip).tokens for clip in clips]
    expected = pieces[0] + "".join(
        "<|AUDIO|>" * n + piece for n, piece in zip(counts, pieces[1:], strict=True)
    )
    assert prompt.token_ids.tolist() == shared_family.tokenizer.encode(expected, add_special_tokens=False)
    assert [clip.digest for clip in prompt.clips] == [clip.digest for clip in clips]


def test_each_of_several_clips_is_heard_as_if_it_were_alone(shared_family):
    clips = [tone(0.5, 1), tone(1.1, 2)]
    question = make_question()
    both = shared_family.encode_prompt(question, "You listen.", "Which?", clips)
    alone = [shared_family.encode_prompt(question, "You listen.", "Which?", [clip]) for clip in clips]

    def audio(prompt):
        ids = torch.from_numpy(prompt.token_ids)[None]
        with torch.no_grad():
            return shared_family.embed(ids, [prompt])[ids == shared_family.audio_token_id]

    torch.testing.assert_close(audio(both), torch.cat([audio(prompt) for prompt in alone]))
    request = shared_family.engine_prompt(both)
    assert request.token_ids.count(shared_family.audio_token_id) == 2
    lengths = request.audio["audio_feature_lengths"].tolist()
    assert request.audio["feature_attention_mask"].sum(1).tolist() == lengths


def test_a_batch_whose_features_went_missing_is_an_error(shared_family):
    prompt = make_prompt(shared_family, 1)
    ids = torch.from_numpy(prompt.token_ids)[None]
    for features, said in [
        (Absent.ELSEWHERE, "another process holds them"),
        (Absent.MADE_UP, "made up"),
        ({}, "1 clips and no features"),
        ({"input_features": np.zeros((128, 0), np.float32)}, "1 clips and no features"),
    ]:
        with pytest.raises(ValueError, match=said):
            shared_family.embed(ids, [dataclasses.replace(prompt, features=features)])


def test_the_card_of_an_exported_model_opens_it_and_asks_about_a_clip(family, tmp_path, capsys):
    family.export(tmp_path)
    write_wav(tmp_path / "CLIP.wav", np.sin(np.arange(16_000) / 10))
    (code,) = re.findall(r"```python\n(.*?)```", (tmp_path / "README.md").read_text(), re.DOTALL)
    names: dict = {}
    exec(code.replace("FOLDER", str(tmp_path)).replace("CLIP.wav", str(tmp_path / "CLIP.wav")), names)
    assert "<|audio_bos|><|audio_eos|>How many sounds are heard?" in capsys.readouterr().out
    assert names["clip"].count("<|AUDIO|>") == pooled_tokens(100)


@pytest.mark.parametrize("options", [{}, {"lora_rank": 4}, {"freeze": ("audio_tower", "projector")}])
def test_a_blank_model_has_the_names_shapes_and_trained_parts_of_the_loaded_one(options):
    family = Qwen2_5Omni(path=TINY, device="cpu", **options)
    blank, loaded = (
        {name: (tuple(p.shape), p.dtype, p.requires_grad) for name, p in model.named_parameters()}
        for model in (family.blank(), family.model)
    )
    assert blank == loaded
