"""Rollouts in vLLM, in this process or beside it on the same GPU.

Prompts go in as token ids and as the log-mel frames that training uses: vLLM extracts nothing. One request
asks for all completions of a question, so its audio is encoded once. Log-probs are those of the
distribution that was sampled from. After every update of the weights all caches are emptied and a canary
compares both engines.
"""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import InvalidStateError
from contextlib import contextmanager, nullcontext, suppress
from multiprocessing.connection import wait
from threading import Thread
from typing import Any, Literal

import numpy as np
import torch

from rlaudio.models.family import ModelFamily
from rlaudio.rollout.canary import check_room
from rlaudio.rollout.completions import SampledTokens
from rlaudio.rollout.engine_worker import EngineWorker
from rlaudio.rollout.vllm.requests import (
    check_same_prompt,
    engine_request,
    reading,
    sampling_options,
    together,
    whole_groups,
)
from rlaudio.rollout.vllm.setup import (
    CPU_BLOCK,
    CPU_PROMPTS,
    MAX_MODEL_LEN,
    MAX_SEQUENCES,
    SUPPORT_TOKENS,
    TOO_LONG,
    cache_memory,
    check_device,
    check_sizes,
    check_vllm,
    memory_advice,
    set_environment,
    unsupported,
)
from rlaudio.rollout.vllm.weights import SendWeights, ipc_sender
from rlaudio.rollout.worker import EngineDied
from rlaudio.types import Prompt, SamplingParams
from rlaudio.utils import launcher
from rlaudio.utils.processes import visible_gpus

logger = logging.getLogger(__name__)


class Vllm(EngineWorker):
    """A rollout worker on vLLM, opened from the family's folder and sent its weights after every update.

    On a CPU the engine always runs in this process. On a GPU `engine: beside` puts it into a separate
    process and sends weights by CUDA IPC; **nothing on a GPU has been run yet**. Weights that do not train
    are never sent; adapters are sent merged. Completions depend on key, item and sample number, not on the
    other requests or the number of workers, up to the rounding of batched arithmetic.

    `memory_share` of the GPU may be taken, less than half because training needs the rest; `sleep` frees it
    while the policy learns. On a CPU `kv_cache_gb` is 1, and `threads` samples with fewer threads than
    training has: a small model is faster with one. A longer prompt than `max_model_len` leaves
    room for is refused or answered by the transformers worker, and counted; 4096 tokens hold 30 s of audio
    (750) and 3,000 of reasoning. Where top-p alone limits sampling, up to `support_tokens` tokens are
    recorded. `without_vllm` is what to do where vLLM does not support the model family. `canary_tolerance`
    is the largest allowed difference of log-probs, on the mean of a prompt's tokens: 0.001 nats in float32,
    0.1 in half precision.
    """

    def __init__(
        self,
        family: ModelFamily,
        *,
        engine: Literal["inside", "beside"] = "inside",
        max_model_len: int = MAX_MODEL_LEN,
        max_sequences: int = MAX_SEQUENCES,
        memory_share: float = 0.4,
        kv_cache_gb: float | None = None,
        block_size: int | None = None,
        threads: int | None = None,
        sleep: bool = True,
        support_tokens: int = SUPPORT_TOKENS,
        too_long: Literal["refuse", "transformers"] = TOO_LONG,
        without_vllm: Literal["refuse", "transformers"] = "refuse",
        canary_tolerance: float | None = None,
    ):
        on_gpu = family.device.type == "cuda"
        self.opened_together = engine == "inside"
        check_sizes(max_model_len, max_sequences, memory_share, kv_cache_gb)
        missing = _missing(family, engine, max_model_len, without_vllm)
        opened = None
        if missing:
            logger.warning("%s; the model itself samples", missing)
        else:
            opened = _Engine(
                family,
                beside=engine == "beside",
                sleep=sleep and on_gpu,
                threads=threads,
                arguments={
                    "max_model_len": max_model_len,
                    "max_num_seqs": max_sequences,
                    "max_num_batched_tokens": None if on_gpu else CPU_PROMPTS * max_model_len,
                    "block_size": block_size or (None if on_gpu else CPU_BLOCK),
                    **cache_memory(memory_share, kv_cache_gb, on_gpu),
                },
            )
        super().__init__(
            family,
            opened,
            max_model_len=max_model_len,
            support_tokens=support_tokens,
            too_long=too_long,
            canary_tolerance=canary_tolerance,
        )
        if opened and family.has_adapter:  # the folder holds its base alone
            with _closed_after_failure(opened):
                self._send(opened, "opening")

    @classmethod
    def check(
        cls,
        family: ModelFamily,
        sampling: SamplingParams,
        *,
        engine: Literal["inside", "beside"],
        max_model_len: int,
        max_sequences: int,
        memory_share: float,
        kv_cache_gb: float | None,
        without_vllm: Literal["refuse", "transformers"],
        **_: Any,
    ) -> None:
        """Raises ValueError, ImportError for what would not open or not sample; no engine is opened."""
        check_sizes(max_model_len, max_sequences, memory_share, kv_cache_gb)
        if not _missing(family, engine, max_model_len, without_vllm):
            cls.check_temperature(sampling)


def _missing(family: ModelFamily, engine: str, max_model_len: int, without_vllm: str) -> str:
    """Why the model itself samples; empty where vLLM can. Raises ValueError, ImportError."""
    on_gpu = family.device.type == "cuda"
    if engine == "beside" and not on_gpu:
        raise ValueError(
            "rollout.engine is 'beside', which shares a GPU's memory, and the model is on a CPU; "
            "expected 'inside'"
        )
    check_device(family)
    check_vllm(on_gpu)
    set_environment(on_gpu, beside=engine == "beside")
    missing = unsupported(family)
    if missing and without_vllm == "refuse":
        raise ValueError(
            f"{missing}; set rollout.without_vllm to 'transformers' to sample with the model itself, "
            "or rollout.use to transformers"
        )
    if not missing:
        check_room(family, max_model_len)
    return missing


class _Engine:
    """One vLLM engine that serves one model family."""

    inside = 0  # engines in this process; they share its process groups, which all processes make together

    def __init__(
        self,
        family: ModelFamily,
        *,
        beside: bool,
        sleep: bool,
        threads: int | None,
        arguments: Mapping[str, Any],
    ):
        self.family = family
        self._threads = threads
        self.awake = True
        self.prompt_tokens = self.cached_tokens = 0  # of requests so far, and how many of them were cached
        self._lost = ""  # why the engine can no longer be used
        self._sleeps = sleep
        self._beside = beside
        self._failures = (Exception,) if beside else ()  # raised by a call that failed in another process
        self._step_tokens = arguments["max_num_batched_tokens"]
        self._send: SendWeights | None = None
        if not beside and os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] == "1":
            raise ValueError(
                "VLLM_ENABLE_V1_MULTIPROCESSING=1 puts vLLM into a process of its own, where weights do not "
                "reach it; unset it"
            )
        _free_cached_memory(beside)
        with _threads_kept(threads), _own_gpu_alone() if beside else nullcontext():
            from vllm import LLM

            try:
                self._llm = LLM(
                    family.path,
                    seed=0,  # every request has its own
                    enforce_eager=family.device.type == "cpu",
                    generation_config="vllm",  # no sampling defaults from the checkpoint
                    logprobs_mode="processed_logprobs",
                    max_logprobs=-1,
                    enable_prefix_caching=True,
                    enable_sleep_mode=sleep,
                    use_tqdm_on_load=False,
                    weight_transfer_config={"backend": "ipc"} if beside else None,
                    distributed_executor_backend=_executor(beside),
                    **reading(family),
                    **arguments,
                )
            except (ValueError, RuntimeError) as error:
                raise ValueError(
                    f"vLLM does not open {family.path}: {error}; {memory_advice(str(error))}"
                ) from error
        _Engine.inside += not beside
        if family.device.type == "cpu":
            self._llm.apply_model(_take_any_strides)
        self.vocabulary: int = self._llm.llm_engine.model_config.get_vocab_size()
        if beside:
            _fail_when_it_ends(self._llm)
            with _closed_after_failure(self):
                self._send = ipc_sender(self._llm)

    def sample(
        self, prompts: Sequence[Prompt], sampling: SamplingParams, report: int, seeds: Sequence[int]
    ) -> list[list[SampledTokens]]:
        """The tokens of every prompt's group, `report` likeliest tokens beside each. Raises EngineDied."""
        from vllm import SamplingParams

        if self._lost:
            raise EngineDied(f"{self._lost}; make a new worker")
        asked = [
            SamplingParams(**sampling_options(self.family, sampling, report, seed), flat_logprobs=True)
            for seed in seeds
        ]
        outputs = []
        with _threads_kept(self._threads), self._alive("woke", *self._failures):
            self._wake()
        with _threads_kept(self._threads), self._alive("sampled", AssertionError):
            for part in together(prompts, sampling.group_size, self._step_tokens):
                requests = [engine_request(self.family, prompt) for prompt in prompts[part]]
                outputs += self._llm.generate(requests, asked[part], use_tqdm=False)
        for prompt, output in zip(prompts, outputs, strict=True):
            check_same_prompt(prompt, output.prompt_token_ids)
            self.prompt_tokens += len(output.prompt_token_ids)
            self.cached_tokens += output.num_cached_tokens or 0
        groups = [
            [_tokens(sample, report) for sample in sorted(output.outputs, key=lambda sample: sample.index)]
            for output in outputs
        ]
        return whole_groups(groups, sampling)

    def update(self, weights: Iterable[tuple[str, torch.Tensor]], version: int) -> None:
        """Load tensors named as in the checkpoint, and empty every cache that depends on them.

        Raises EngineDied; of tensors that do not fit an engine in this process ValueError, KeyError or
        AssertionError, which are vLLM's.
        """
        if self._lost:
            raise EngineDied(f"{self._lost}; make a new worker")
        self._lost = "the engine lost its weights in an update that failed"
        with _threads_kept(self._threads), self._alive("took weights over", *self._failures):
            self._wake("weights")
            if self._send is None:
                self._llm.collective_rpc("reload_weights", kwargs={"weights_iterator": iter(weights)})
                self._llm.apply_model(_pack_heads)
            else:
                self._send(weights)
            self._wake()
            self._empty_caches()
        self._lost = ""

    def sleep(self) -> None:
        """Move weights to the host's memory and discard the rest, where the engine can.

        Level 2 would discard the weights too, also those that are never sent.
        """
        if self._sleeps and self.awake and not self._lost:
            try:
                with self._alive("fell asleep", AssertionError, *self._failures):
                    self._llm.sleep(level=1)
            except EngineDied as death:  # the next call raises it again
                logger.warning("%s; it may still hold memory", death)
            self.awake = False

    def close(self) -> None:
        """Shut down and free what the engine holds."""
        from vllm import envs
        from vllm.distributed import destroy_model_parallel

        self._lost = "the engine is closed"
        with _process_groups_kept():
            self._llm.llm_engine.engine_core.shutdown()
            del self._llm
            gc.collect()
        _Engine.inside -= not self._beside
        if not _Engine.inside:
            destroy_model_parallel()
        envs.disable_envs_cache()  # it would hide from the next engine what that one sets
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
            torch.accelerator.empty_host_cache()  # where the weights of a sleeping engine were

    @contextmanager
    def _alive(self, did: str, *also: type[Exception]) -> Iterator[None]:
        """Raise EngineDied for errors that vLLM raises during a call, after which its state is undefined.

        Those are RuntimeError, vLLM's own error, and `also` these; a request that it refuses is a ValueError.
        """
        from vllm.exceptions import VLLMServerError

        try:
            yield
        except (RuntimeError, VLLMServerError, *also) as error:
            self._lost = f"the engine died while it {did}"
            raise EngineDied(f"vLLM died while it {did}: {type(error).__name__}: {error}") from error

    def _wake(self, *tags: str) -> None:
        if not self.awake:
            _free_cached_memory(self._beside)
            self._llm.wake_up(list(tags) or None)
            self.awake = not tags

    def _empty_caches(self) -> None:
        """Audio embeddings and keys and values of old weights, and the processed audio beside them."""
        self._llm.llm_engine.reset_encoder_cache()
        self._llm.reset_mm_cache()
        if not self._llm.reset_prefix_cache():
            raise RuntimeError("vLLM kept its prefix cache: requests were still running")


# --- helpers -------------------------------------------------------------------------------------


def _executor(beside: bool) -> str | None:
    """vLLM's executor: in a run of several processes each has its own engine, not a part of one."""
    alone = launcher.size() == 1
    return None if alone or beside else "external_launcher"


@contextmanager
def _threads_kept(threads: int | None) -> Iterator[None]:
    """Compute with so many threads for a while, then as before.

    vLLM's CPU build replaces `torch.set_num_threads` when it opens; training goes on using it.
    """
    set_num_threads, before = torch.set_num_threads, torch.get_num_threads()
    set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads = set_num_threads
        set_num_threads(before)


def _free_cached_memory(beside: bool) -> None:
    """Release torch's cached GPU memory to another process on the same GPU."""
    if beside and torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()


@contextmanager
def _own_gpu_alone() -> Iterator[None]:
    """Within the block a process that is started sees only this process's GPU."""
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    if torch.cuda.is_available():
        os.environ["CUDA_VISIBLE_DEVICES"] = visible_gpus()[torch.cuda.current_device()]
    try:
        yield
    finally:
        if before is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = before
        else:
            os.environ.pop("CUDA_VISIBLE_DEVICES", None)


@contextmanager
def _closed_after_failure(engine: _Engine) -> Iterator[None]:
    """Close the engine if what follows its opening fails."""
    try:
        yield
    except BaseException:
        engine.close()
        raise


def _fail_when_it_ends(llm: Any) -> None:
    """Make calls that wait for the engine's process fail when it ends; in vLLM 0.32 they wait for ever."""
    from vllm.v1.engine.exceptions import EngineDeadError

    client = llm.llm_engine.engine_core
    resources, answers, results = client.resources, client.outputs_queue, client.utility_results
    end = resources.engine_manager.sentinels()

    def watch() -> None:
        wait(end)
        resources.engine_dead = True  # later calls fail at once
        answers.put(EngineDeadError())
        for result in list(results.values()):
            with suppress(InvalidStateError):  # it has been answered
                result.set_exception(EngineDeadError())

    Thread(target=watch, name="the engine's end", daemon=True).start()


@contextmanager
def _process_groups_kept() -> Iterator[None]:
    """Keep the process groups of training and other engines when an engine shuts down."""
    from vllm.v1.engine import core

    destroy = core.cleanup_dist_env_and_memory
    core.cleanup_dist_env_and_memory = lambda: None
    try:
        yield
    finally:
        core.cleanup_dist_env_and_memory = destroy


def _take_any_strides(model: Any) -> None:
    """Have the linear layers of vLLM's CPU build take transposed inputs, which Gemma 4's tower has."""
    from vllm.model_executor.layers.linear import LinearBase

    for layer in model.modules():
        if isinstance(layer, LinearBase):
            layer.register_forward_pre_hook(lambda _, given: (given[0].contiguous(), *given[1:]))


def _pack_heads(model: Any) -> None:
    """Have vLLM's CPU build pack a head anew that is the embedding, of which it would keep the old copy."""
    from vllm.model_executor.layers.vocab_parallel_embedding import ParallelLMHead

    for head in model.modules():
        if isinstance(head, ParallelLMHead):
            head.quant_method.process_weights_after_loading(head)


def _tokens(output: Any, report: int) -> SampledTokens:
    flat = output.logprobs
    ids, logprobs = np.array(flat.token_ids, dtype=np.int64), np.array(flat.logprobs, dtype=np.float32)
    starts = np.array(
        flat.start_indices, dtype=np.int64
    )  # the sampled token stands first, then the likeliest
    likeliest = [slice(start + 1, start + 1 + report) for start in starts] if report else []
    return SampledTokens(
        token_ids=np.array(output.token_ids, dtype=np.int64),
        logprobs=logprobs[starts],
        likeliest=tuple((ids[part], logprobs[part]) for part in likeliest),
        finish_reason=output.finish_reason,
    )
