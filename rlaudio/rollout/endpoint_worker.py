"""A model behind an endpoint as evaluations and labelling see it: it makes prompts, and completes them."""

from __future__ import annotations

import base64
import io
import json
import logging
import wave
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

import numpy as np
import torch

from rlaudio.audio.reading import SAMPLE_RATE_HZ
from rlaudio.rollout.completions import request_seed
from rlaudio.rollout.worker import EngineDied, SeedKey
from rlaudio.types import Clip, Completion, Group, HeardClip, Prompt, Question, SamplingParams
from rlaudio.utils.endpoint.address import PREFIX, Address
from rlaudio.utils.endpoint.client import Asking, Client, Message, Request
from rlaudio.utils.endpoint.failures import NotAsked, RequestFailed
from rlaudio.utils.endpoint.replies import FirstTokens, Reply
from rlaudio.utils.messages import shortened
from rlaudio.utils.number_format import counted

logger = logging.getLogger(__name__)

_FULL_SCALE = 32_768  # of 16-bit samples
_TOLD = 5  # failed items named in a message
TOLD_TOKENS = 20  # the most that OpenAI-compatible servers tell


class EndpointFailed(EngineDied):
    """Some items got no answer; `failures` says which and why. The answers of the others are kept."""

    def __init__(self, message: str, failures: Sequence[tuple[str, RequestFailed]] = ()):
        super().__init__(message)
        self.failures = tuple(failures)


class EndpointModel:
    """Makes prompts for a model behind an endpoint.

    The server's tokens are not known here, so a prompt's token ids are the UTF-8 bytes of its system and user
    texts in JSON; its features are 16-bit samples at 16 kHz, `samples_0` [samples] of the first clip and so
    on.
    """

    tokenizer = None  # not known; no text is taken for a special token

    def __init__(self, name: str) -> None:
        self.address = Address.parse(name)
        self.path = name
        identity = f"{PREFIX}{self.address.first}#{self.address.model}"  # the weights are not known
        self.digest = blake2b(identity.encode(), digest_size=16).hexdigest()

    def encode_prompt(
        self, question: Question, system_text: str, user_text: str, clips: Sequence[Clip]
    ) -> Prompt:
        """The prompt of one question."""
        texts = json.dumps([system_text, user_text]).encode()
        return Prompt(
            question=question,
            token_ids=np.frombuffer(texts, dtype=np.uint8).astype(np.int64),
            positions=np.arange(len(texts)),
            clips=tuple(HeardClip(clip.digest, clip.truncated, clip.seconds) for clip in clips),
            features={f"samples_{number}": _as_16_bit(clip.samples) for number, clip in enumerate(clips)},
        )


class EndpointWorker:
    """Completes prompts of an `EndpointModel`; completions have a text, and neither tokens nor log-probs.

    Equal requests are asked once: their answers are kept on disk. Samples that are not greedy have seeds,
    which a server may ignore.
    """

    weights_version = 0

    def __init__(self, model: EndpointModel, asking: Asking | None = None) -> None:
        self.client = Client(model.address, asking)
        self._closed = False
        logger.info("asking %s; answers are kept in %s", model.address.name, self.client.answers.folder)

    def generate(self, prompts: Sequence[Prompt], sampling: SamplingParams, key: SeedKey) -> list[Group]:
        """One group of `sampling.group_size` completions per prompt, in the order of the prompts.

        Raises EndpointFailed, after all have been tried that others' failures allow.
        """
        if self._closed:
            raise RuntimeError("the worker is closed; make a new one")
        items = [(prompt, sample) for prompt in prompts for sample in range(sampling.group_size)]
        replies = self.client.ask_all(items, lambda item: _request(*item, sampling, key))
        failures = [
            (prompt.question.id, reply)
            for (prompt, _), reply in zip(items, replies, strict=True)
            if isinstance(reply, RequestFailed)
        ]
        if failures:
            raise EndpointFailed(self._message(failures, len(items)), failures)
        completions = iter([_completion(reply) for reply in replies if isinstance(reply, Reply)])
        return [
            Group(prompt, tuple(next(completions) for _ in range(sampling.group_size))) for prompt in prompts
        ]

    def first_tokens(self, prompts: Sequence[Prompt]) -> list[FirstTokens]:
        """The likeliest first tokens of an answer to each prompt, with log-probs: as many as servers tell.

        Raises EndpointFailed, ValueError for a server that tells none.
        """
        if self._closed:
            raise RuntimeError("the worker is closed; make a new one")
        replies = self.client.ask_all(list(prompts), _first_token_request)
        failures = [
            (p.question.id, r) for p, r in zip(prompts, replies, strict=True) if not isinstance(r, Reply)
        ]
        if failures:
            raise EndpointFailed(self._message(failures, len(prompts)), failures)
        told = [reply.first_tokens for reply in replies if isinstance(reply, Reply)]
        if not all(told):
            raise ValueError(
                f"{self.client.address.name} tells no log-probs (logprobs, top_logprobs) of its answers; "
                "expected a server that does: have it vote instead, with contribution.use=vote"
            )
        return told

    def load_weights(self, weights: Iterable[tuple[str, torch.Tensor]], version: int) -> None:
        """Raises ValueError: nothing reaches the weights of a model behind an endpoint."""
        raise ValueError(
            f"{self.client.address.name} cannot be trained; expected a model in a folder to train, and "
            "endpoints to be evaluated or to vote"
        )

    def sleep(self) -> None:
        """There is nothing to free."""

    def close(self) -> None:
        """Log what it cost, and refuse to generate from now on."""
        client, was_closed, self._closed = self.client, self._closed, True
        if was_closed:
            return
        logger.info("%s", client.meter.costs.table(client.address.name, client.asking.price))
        if client.answers.damaged:
            logger.warning(
                "%s in %s were not whole, and asked again",
                counted(client.answers.damaged, "kept answer"),
                client.answers.folder,
            )

    def _message(self, failures: Sequence[tuple[str, RequestFailed]], asked: int) -> str:
        tried = [(item, failure) for item, failure in failures if not isinstance(failure, NotAsked)]
        lines = [f"\n  question {item}: {type(failure).__name__}: {failure}" for item, failure in tried]
        more = [f"\n  and {len(lines) - _TOLD} more"] if len(lines) > _TOLD else []
        costs = self.client.meter.costs
        return (
            f"{self.client.address.name}: {counted(len(tried), 'question')} of {asked} got no answer:"
            f"{''.join([*(shortened(line, 1000) for line in lines[:_TOLD]), *more])}\n"
            f"{counted(costs.answered + costs.cached, 'answer')} so far, kept in "
            f"{self.client.answers.folder}; when the cause is mended the same command asks only for the rest"
        )


def _first_token_request(prompt: Prompt) -> Request:
    return Request(_messages(prompt), max_tokens=1, more={"logprobs": True, "top_logprobs": TOLD_TOKENS})


def _request(prompt: Prompt, sample: int, sampling: SamplingParams, key: SeedKey) -> Request:
    more: dict[str, float] = {}
    if sampling.temperature > 0.0:
        more["seed"] = (request_seed(key, prompt.question.id) + sample) % 2**31
        more["top_p"] = sampling.top_p
        if sampling.top_k:
            more["top_k"] = sampling.top_k  # not OpenAI's; vLLM and others take it
    return Request(_messages(prompt), sampling.max_new_tokens, sampling.temperature, more)


def _messages(prompt: Prompt) -> list[Message]:
    """The prompt as a conversation: all clips before the text."""
    system, user = json.loads(bytes(prompt.token_ids.astype(np.uint8)))
    opening: list[Message] = [{"role": "system", "content": system}] if system else []
    return [*opening, {"role": "user", "content": [*_audio(prompt), {"type": "text", "text": user}]}]


def _audio(prompt: Prompt) -> Iterator[Message]:
    features = prompt.present_features()
    for number in range(len(prompt.clips)):
        data = base64.b64encode(_wav(features[f"samples_{number}"])).decode()
        yield {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


def _as_16_bit(samples: np.ndarray) -> np.ndarray:
    """[samples] int16; samples that were 16-bit are unchanged, values beyond full scale are clipped."""
    scaled = np.round(samples * np.float32(_FULL_SCALE))
    return np.clip(scaled, -_FULL_SCALE, _FULL_SCALE - 1).astype("<i2")


def _wav(samples: np.ndarray) -> bytes:
    """A wav file of 16-bit samples [samples]."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(samples.tobytes())
    return content.getvalue()


def _completion(reply: Reply) -> Completion:
    none = np.zeros(0)
    return Completion.single_turn(
        token_ids=none.astype(np.int64),
        logprobs=none.astype(np.float32),
        text=reply.text,
        token_texts=(),
        stop_reason=reply.stop_reason,
        weights_version=EndpointWorker.weights_version,
    )
