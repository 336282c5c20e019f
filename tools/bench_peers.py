"""Whole GRPO steps of rlaudio beside those of other frameworks, on the same model, prompts and settings.

ms-swift 4.6 trains the thinker on audio, TRL 1.16 a text model that is the thinker's language model. Each
gets an environment of its own. The learning rate is so small that the policy stays as it is: rlaudio does
not compute groups without spread, and would gain unfairly where a policy has learned its example.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench_rows import Figure
from bench_thinker import GROUP, LR, SECONDS, SMALL, learner, noise, write_thinker
from safetensors.torch import save_file
from transformers import Qwen2Config, Qwen2ForCausalLM

from rlaudio.algorithms.grpo import GRPO
from rlaudio.audio.reading import read_clip
from rlaudio.audio.writing import write_wav
from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.rollout.transformers import Transformers
from rlaudio.training.credit import assign_credit
from rlaudio.types import Group, Prompt, Question, SamplingParams, ScoredGroup

sys.path.insert(0, str(Path(__file__).parent / "peers"))
from step_times import letter_share

PEERS = Path(__file__).parent / "peers"
QUESTIONS, NEW_TOKENS, PROMPT_TOKENS = 4, 24, 800
FROZEN = ("audio_tower", "projector")
SYSTEM, ASKED = "You are a helpful assistant.", "Which of these is heard? Please choose the answer."


class PeerMissing(Exception):
    """A peer that could not be installed or did not run, and why."""


@dataclass(frozen=True)
class StepTime:
    """Seconds of one GRPO step, and of its part before the loss: prompts, completions, rewards."""

    step: float
    sampling: float
    length: float  # mean tokens of its completions

    @property
    def update(self) -> float:
        """Seconds of the rest: forward, backward, optimizer."""
        return self.step - self.sampling


# --- what is measured ----------------------------------------------------------------------------


def measure_swift(cache: Path, work: Path, steps: int, rounds: int) -> Iterator[Figure]:
    """ms-swift 4.6.0 on audio. Raises PeerMissing."""
    python = environment(
        cache,
        "ms-swift-4.6.0",
        ["ms-swift==4.6.0", "msgspec", "librosa", "qwen-omni-utils", "torchvision==0.28.0"],
        then=[str(PEERS / "torchvision_on_cpu.py")] if "+cpu" in torch.__version__ else [],
    )
    model = work / "omni"
    write_thinker(model, SMALL)
    _complete_for_swift(model, _opened(Qwen2_5Omni, model))
    clips = [work / f"clip-{number}.wav" for number in range(QUESTIONS * steps)]
    for number, clip in enumerate(clips):
        write_wav(clip, noise(SECONDS, number))
    data = work / "questions.jsonl"
    data.write_text("".join(json.dumps(_as_swift_asks(clip)) + "\n" for clip in clips), encoding="utf-8")

    def ask(family: Qwen2_5Omni, number: int) -> Prompt:
        clip = clips[number]
        question = Question.multiple_choice(str(number), ASKED, ("a", "b"), "a", clip)
        return family.encode_prompt(question, SYSTEM, ASKED, [read_clip(clip)])

    command = [
        str(python.parent / "swift"), "rlhf", "--rlhf_type", "grpo", "--model", str(model),
        "--model_type", "qwen2_5_omni", "--template", "qwen2_5_omni", "--check_model", "false",
        "--use_hf", "true", "--dataset", str(data), "--external_plugins", str(PEERS / "swift_plugin.py"),
        "--reward_funcs", "letter_share", "--tuner_type", "full", "--torch_dtype", "float32",
        "--attn_impl", "sdpa", "--bf16", "false", "--fp16", "false", "--use_cpu", "true",
        "--per_device_train_batch_size", str(QUESTIONS * GROUP), "--num_generations", str(GROUP),
        "--max_completion_length", str(NEW_TOKENS), "--max_length", "2048", "--temperature", "1.0",
        "--learning_rate", str(LR), "--beta", "0.0", "--max_steps", str(steps), "--logging_steps", "1",
        "--save_strategy", "no", "--report_to", "none", "--gradient_checkpointing", "false",
        "--dataloader_num_workers", "0", "--split_dataset_ratio", "0", "--dataset_num_proc", "1",
        "--freeze_vit", "true", "--freeze_aligner", "true", "--use_vllm", "false",
        "--log_completions", "false", "--lr_scheduler_type", "constant", "--warmup_ratio", "0",
        "--output_dir", str(work / "swift"),
    ]  # fmt: skip
    names = {"MODELSCOPE_OFFLINE": "1", "ENABLE_AUDIO_OUTPUT": "0"}
    pairs = alternate(
        lambda: peer_steps(command, names, work / "swift-times.jsonl"),
        lambda: own_steps(_opened(Qwen2_5Omni, model), ask, steps),
        rounds,
    )
    yield from _compared("ms-swift 4.6.0, 30 s of audio", pairs, step=">= 5", update=">= 6")


def measure_trl(cache: Path, work: Path, steps: int, rounds: int) -> Iterator[Figure]:
    """TRL 1.16.0 on text prompts, against the same language model within the thinker. Raises PeerMissing."""
    python = environment(cache, "trl-1.16.0", ["trl==1.16.0", "transformers==5.19.0"])
    folder = work / "thinker"
    write_thinker(folder, SMALL)
    family = _opened(TextThinker, folder)
    _write_language_model(work / "text", family)
    texts = [_text_of(PROMPT_TOKENS, family, seed) for seed in range(QUESTIONS * steps)]
    task = {"prompts": texts, "group": GROUP, "forbidden": family.forbidden_token_ids}
    (work / "prompts.json").write_text(json.dumps(task), encoding="utf-8")
    command = [
        str(python), str(PEERS / "trl_grpo.py"), str(work / "text"), str(work / "prompts.json"),
        str(steps), str(NEW_TOKENS), str(LR), str(work / "trl"),
    ]  # fmt: skip
    pairs = alternate(
        lambda: peer_steps(command, {}, work / "trl-times.jsonl"),
        lambda: own_steps(_opened(TextThinker, folder), lambda own, number: own.ask(texts[number]), steps),
        rounds,
    )
    yield from _compared(f"TRL 1.16.0, {PROMPT_TOKENS} tokens of text", pairs, step=">= 2", update="")


def alternate(
    peer: Callable[[], list[StepTime]], own: Callable[[], list[StepTime]], rounds: int
) -> list[tuple[list[StepTime], list[StepTime]]]:
    """A run of the peer, then one of ours, then the peer's again."""
    return [(peer(), own()) for _ in range(rounds)]


def _compared(
    name: str, pairs: Sequence[tuple[list[StepTime], list[StepTime]]], *, step: str, update: str
) -> Iterator[Figure]:
    """The medians of both, and of the ratios of the runs; and whether both sampled as many tokens."""
    for who, column in (("peer", 0), ("rlaudio", 1)):
        lengths = [one.length for pair in pairs for one in pair[column]]
        yield Figure(f"{name}: mean tokens of a completion, {who}", statistics.mean(lengths), "tokens")
    for part, target in {"step": step, "sampling": "", "update": update}.items():
        medians = [
            [statistics.median(getattr(one, part) for one in run) for run in pair] for pair in pairs
        ]  # of each pair: the peer's, ours
        label = {"step": "whole step", "sampling": "prompts, completions, rewards", "update": "update"}[part]
        for who, column in (("peer", 0), ("rlaudio", 1)):
            yield Figure(f"{name}: {label}, {who}", statistics.median(m[column] for m in medians), "s")
        ratio = statistics.median(theirs / ours for theirs, ours in medians)
        yield Figure(f"{name}: {label}, peer over rlaudio", ratio, "ratio", target)


# --- our steps -----------------------------------------------------------------------------------


def own_steps(family: Any, ask: Callable[[Any, int], Prompt], steps: int) -> list[StepTime]:
    """Steps of rlaudio from a freshly opened model, each on new prompts; without the first."""
    worker, one = Transformers(family), learner(family)
    sampling = SamplingParams(
        group_size=GROUP, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=NEW_TOKENS
    )
    times = []
    for step in range(steps):
        began = time.perf_counter()
        prompts = [ask(family, step * QUESTIONS + number) for number in range(QUESTIONS)]
        groups = [_scored(group) for group in worker.generate(prompts, sampling, (0, "bench", step))]
        rows = assign_credit(groups, GRPO(kl=0.0))
        sampled = time.perf_counter()
        one.step(rows, step)
        worker.load_weights(one.strategy.weights(), step + 1)
        length = np.mean([len(c.token_ids) for group in groups for c in group.group.completions])
        times.append(StepTime(time.perf_counter() - began, sampled - began, float(length)))
    return times[1:]


def _opened(kind: type[Qwen2_5Omni], folder: Path) -> Any:
    """A model that, as those of the peers, never ends a completion: all have the same number of tokens."""
    family = kind(path=str(folder), device="cpu", freeze=FROZEN)
    family.forbidden_token_ids = (*family.forbidden_token_ids, *family.stop_token_ids)
    return family


def _scored(group: Group) -> ScoredGroup:
    rewards = np.array([letter_share(completion.text) for completion in group.completions])
    return ScoredGroup(group, {"letter_share": rewards}, rewards, weights={"letter_share": 1.0})


class TextThinker(Qwen2_5Omni):
    """The thinker on text alone: a family without audio, of which only the language model computes."""

    def ask(self, text: str) -> Prompt:
        """The bare text as a prompt."""
        ids = np.array(_tokens(self, text))
        question = Question.multiple_choice(text, text, ("a", "b"), "a", Path("none"))
        return Prompt(question, ids, positions=np.arange(len(ids)))

    def embed(self, token_ids: torch.Tensor, prompts: Sequence[Prompt] = ()) -> torch.Tensor:
        """Embeddings of the tokens alone."""
        return super().embed(token_ids)


# --- a peer's steps ------------------------------------------------------------------------------


def environment(cache: Path, name: str, packages: list[str], then: Sequence[str] = ()) -> Path:
    """The interpreter of an environment with `packages` and this process's torch, made if need be.

    `then` is a script that it runs once. Raises PeerMissing.
    """
    folder = cache / name
    python, stamp = folder / "bin" / "python", folder / "installed.json"
    wanted = [f"torch=={torch.__version__}", *packages]
    if stamp.is_file() and json.loads(stamp.read_text(encoding="utf-8")) == wanted:
        return python
    cache.mkdir(parents=True, exist_ok=True)
    links = os.environ.get("PIP_FIND_LINKS")  # uv does not read it
    if uv := shutil.which("uv"):
        _run([uv, "venv", "--clear", "--python", sys.executable, str(folder)])
        found = ["--find-links", links] if links else []
        _run([uv, "pip", "install", "--python", str(python), *found, *wanted])
    else:
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        _run([str(python), "-m", "pip", "install", *wanted])
    if then:
        _run([str(python), *then])
    stamp.write_text(json.dumps(wanted), encoding="utf-8")
    return python


def peer_steps(command: list[str], names: dict[str, str], times: Path) -> list[StepTime]:
    """Steps of a peer, without the first, which warms up, and the last, whose end nobody sees."""
    times.unlink(missing_ok=True)
    threads = str(torch.get_num_threads())
    bin_folder = str(Path(command[0]).parent)
    given = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": threads, "STEP_TIMES": str(times)}
    _run(command, os.environ | given | names | {"PATH": f"{bin_folder}:{os.environ['PATH']}"})
    lines = times.read_text(encoding="utf-8").splitlines()
    return [StepTime(**json.loads(line)) for line in lines][1:]


def _run(command: list[str], names: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, env=names)
    if done.returncode:
        said = (done.stderr + done.stdout).strip().splitlines()[-3:]
        raise PeerMissing(f"{' '.join(command[:4])} ... failed: {' | '.join(said)}")


# --- models and data as peers want them ----------------------------------------------------------


def _complete_for_swift(folder: Path, family: Qwen2_5Omni) -> None:
    """What ms-swift needs beside the model: voices, tokens that must not be sampled, a shorter window.

    The official front end pads every clip to 300 s, of which this peer is spared nine tenths.
    """
    torch.save({}, folder / "spk_dict.pt")
    generation = folder / "generation_config.json"
    settings = json.loads(generation.read_text(encoding="utf-8"))
    settings["suppress_tokens"] = list(family.forbidden_token_ids)
    generation.write_text(json.dumps(settings), encoding="utf-8")
    for name in ("preprocessor_config.json", "processor_config.json"):
        config = json.loads((folder / name).read_text(encoding="utf-8"))
        extractor: dict[str, Any] = config.get("feature_extractor", config)
        extractor |= {"chunk_length": 30, "n_samples": 480_000, "nb_max_frames": 3000}
        (folder / name).write_text(json.dumps(config), encoding="utf-8")


def _as_swift_asks(clip: Path) -> dict[str, Any]:
    asked = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": f"<audio>{ASKED}"}]
    return {"messages": asked, "audios": [str(clip)]}


def _write_language_model(folder: Path, family: Qwen2_5Omni) -> None:
    """The thinker's language model as a text model of its own, with the same weights."""
    text = family.model.get_decoder().config
    config = Qwen2Config(
        vocab_size=text.vocab_size,
        hidden_size=text.hidden_size,
        intermediate_size=text.intermediate_size,
        num_hidden_layers=text.num_hidden_layers,
        num_attention_heads=text.num_attention_heads,
        num_key_value_heads=text.num_key_value_heads,
        max_position_embeddings=text.max_position_embeddings,
        rms_norm_eps=text.rms_norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": text.rope_parameters["rope_theta"]},
        tie_word_embeddings=False,
        eos_token_id=text.eos_token_id,
        pad_token_id=text.pad_token_id,
        dtype="float32",
    )
    config.architectures = ["Qwen2ForCausalLM"]
    config.save_pretrained(folder)
    family.tokenizer.save_pretrained(folder)
    state = {f"model.{name}": w for name, w in family.model.get_decoder().state_dict().items()}
    state["lm_head.weight"] = family.head.weight.detach()
    save_file({n: w.contiguous() for n, w in state.items()}, folder / "model.safetensors", {"format": "pt"})
    Qwen2ForCausalLM.from_pretrained(folder)  # refuses what does not fit


def _text_of(tokens: int, family: Qwen2_5Omni, seed: int) -> str:
    """Words and digits that are exactly so many tokens."""
    rng = np.random.default_rng(seed)
    words = list(rng.choice(["What", "is", "heard", "choose", "the", "answer"], tokens // 2))
    while len(_tokens(family, " ".join(words))) > tokens:
        words.pop()
    text = " ".join(words)
    digits = tokens - len(_tokens(family, text))
    return text + "".join(rng.choice(list("0123456789"), digits))


def _tokens(family: Qwen2_5Omni, text: str) -> list[int]:
    return family.tokenizer.encode(text, add_special_tokens=False)
