"""Small models from scratch: ordinary Hugging Face folders, lossless text, examples packed exactly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from transformers import AutoTokenizer
from transformers import Qwen2_5OmniThinkerForConditionalGeneration as Thinker

from rlaudio.audio.reading import clip_of
from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.prompts.wording import SYSTEM
from rlaudio.worlds.corpus import Example, Exchange
from rlaudio.worlds.pretraining.blank_model import SPECIAL_TOKENS, TAGS, Size, train_tokenizer
from rlaudio.worlds.pretraining.build import train_from_scratch
from rlaudio.worlds.pretraining.training import (
    Schedule,
    encode,
    mean_loss,
)
from rlaudio.worlds.synthetic import synthetic_corpus as world
from rlaudio.worlds.synthetic.subjects import SUBJECTS
from rlaudio.worlds.synthetic.synthetic_corpus import Mixture

SMALL = Size(hidden=64, layers=2, feed_forward=96, audio_hidden=32, audio_layers=1)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(world.texts(200), 1024)


@pytest.fixture(scope="module")
def examples():
    mixture = Mixture(hearing=6, choices=1.0, facts=2, exams=2, silent_exams=2, silent_guesses=0.5)
    return list(world.synthetic_corpus(mixture, "test", seed=0))


def build(folder: Path, tokenizer, examples, steps: int) -> Path:
    schedule = Schedule(steps=steps, tokens=1500, warmup_steps=5, lr=2e-3)
    train_from_scratch(folder, tokenizer, SMALL, [(examples, schedule)], seed=0, label="test")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tokenizer, examples):
    return build(tmp_path_factory.mktemp("tiny") / "model", tokenizer, examples, steps=30)


@pytest.fixture(scope="module")
def family(folder):
    return Qwen2_5Omni(path=str(folder), device="cpu")


# --- the tokenizer -----------------------------------------------------------------------------------


@given(st.text())
def test_any_text_comes_back_from_its_tokens(tokenizer, text):
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


def test_tags_are_one_token_each_and_not_special(tokenizer):
    for tag in TAGS:
        assert len(tokenizer.encode(tag)) == 1
        assert tokenizer.decode(tokenizer.encode(tag), skip_special_tokens=True) == tag


def test_special_tokens_are_one_token_each_and_left_out(tokenizer):
    for token in (*SPECIAL_TOKENS.values(), "<|im_end|>", "<|endoftext|>"):
        assert len(tokenizer.encode(token)) == 1
        assert tokenizer.decode(tokenizer.encode(token), skip_special_tokens=True) == ""


def test_an_option_in_quotes_has_the_tokens_it_has_as_an_answer(tokenizer):
    for word in sorted({value for subject in SUBJECTS for value in subject.values}):
        answer = tokenizer.encode(f"<answer>{word}</answer>")[1:-1]
        listed = tokenizer.encode(f"'{word}'", add_special_tokens=False)
        assert listed[1:-1] == answer, word


# --- the folder --------------------------------------------------------------------------------------


def test_the_folder_has_the_layout_of_the_official_checkpoint(folder):
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["Qwen2_5OmniForConditionalGeneration"]
    assert config["model_type"] == "qwen2_5_omni"
    assert config["thinker_config"]["audio_config"]["num_mel_bins"] == SMALL.mels
    with safe_open(folder / "model.safetensors", "pt") as weights:
        assert all(name.startswith("thinker.") for name in weights.keys())  # noqa: SIM118
        assert weights.get_tensor("thinker.lm_head.weight").dtype == torch.float16
    names = {file.name for file in folder.iterdir()}
    assert {
        "tokenizer.json",
        "tokenizer_config.json",
        "preprocessor_config.json",
        "processor_config.json",
        "chat_template.jinja",
        "generation_config.json",
    } <= names


def test_transformers_loads_the_folder_by_itself_as_float32(folder):
    model, info = Thinker.from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"]
    assert model.dtype == torch.float32


def test_the_chat_template_writes_what_prompts_are_made_of(folder, family):
    clip = clip_of(np.zeros(16_000, dtype=np.float32))
    prompt = encode_exam(family, clip, "Which?")
    audio = {"type": "audio", "audio": "clip.wav"}
    messages = [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": [audio, {"type": "text", "text": "Which?"}]},
    ]
    text = AutoTokenizer.from_pretrained(folder).apply_chat_template(
        messages, tokenize=False, add_generation_prompt=True
    )
    one_placeholder = np.delete(prompt, np.flatnonzero(prompt == family.audio_token_id)[1:])
    assert text == family.tokenizer.decode(one_placeholder)


def encode_exam(family, clip, text):
    example = encode(family, Example(clip, (Exchange(text, "x"),), SYSTEM))
    return example.token_ids[~example.is_target]


# --- examples and training ----------------------------------------------------------------------------


def test_packed_exchanges_cost_what_they_cost_one_by_one(family):
    samples = np.random.default_rng(0).normal(size=16_000).astype(np.float32) * 0.1
    exchanges = (Exchange("What?", "a dog"), Exchange("Which of them?", "cat"), Exchange("Say it.", "an owl"))
    together = encode(family, Example(clip_of(samples), exchanges))
    apart = [encode(family, Example(clip_of(samples), (exchange,))) for exchange in exchanges]
    counts = np.array([example.is_target.sum() for example in apart])
    with torch.no_grad():
        losses = np.array([float(mean_loss(family, [example])) for example in apart])
        packed = float(mean_loss(family, [together]))
    assert packed == pytest.approx((losses * counts).sum() / counts.sum(), rel=1e-5)


def test_only_responses_are_targets(family, examples):
    for example in examples:
        encoded = encode(family, example)
        answers = [
            family.decode(encoded.token_ids[encoded.is_target & (encoded.branches == k + 1)])
            for k in range(len(example.exchanges))
        ]
        assert answers == [exchange.response for exchange in example.exchanges]


def test_training_learns_its_examples_and_repeats_to_the_last_bit(tmp_path, tokenizer, examples, folder):
    untrained = Qwen2_5Omni(
        path=str(build(tmp_path / "untrained", tokenizer, examples, steps=0)), device="cpu"
    )
    trained = Qwen2_5Omni(path=str(folder), device="cpu")
    encoded = [encode(trained, example) for example in examples]
    with torch.no_grad():
        assert mean_loss(trained, encoded) < 0.75 * mean_loss(untrained, encoded)
    again = build(tmp_path / "again", tokenizer, examples, steps=30)
    assert (again / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


def test_pretraining_splits_carry_the_name_of_the_model(examples):
    mixture = Mixture(hearing=6, choices=1.0)
    other = list(world.synthetic_corpus(mixture, "other", seed=0))
    digests = {example.clip.digest for example in examples if example.clip is not None}
    assert digests.isdisjoint(example.clip.digest for example in other)
