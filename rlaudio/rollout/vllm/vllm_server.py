"""Rollouts in a vLLM server: on GPUs that training does not use, of this machine or another one.

The server is one that runs already, or is started here and ends with the run. Requests over HTTP
(`/inference/v1/generate`) carry token ids and the log-mel frames that training uses. Weights go from GPU to
GPU by NCCL, or through a folder that both sides see. Every answer names the weights that sampled it; a canary
compares both engines after every update.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import socket
import time
import urllib.parse
import uuid
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.torch import save_file

from rlaudio.models.family import ModelFamily
from rlaudio.rollout.canary import CanaryError, check_room
from rlaudio.rollout.completions import SampledTokens
from rlaudio.rollout.engine_worker import Engine, EngineWorker
from rlaudio.rollout.vllm.http import UNIX, NoAnswer, Refused, Service
from rlaudio.rollout.vllm.private_folder import private_folder
from rlaudio.rollout.vllm.requests import HttpPrompts, reading, sampling_options, together, whole_groups
from rlaudio.rollout.vllm.server_process import DEV_MODE, SERVE, ServerProcess, free_port
from rlaudio.rollout.vllm.setup import (
    CPU_BLOCK,
    CPU_PROMPTS,
    EXACT,
    MAX_MODEL_LEN,
    MAX_SEQUENCES,
    SUPPORT_TOKENS,
    VERSION,
    cache_memory,
    check_device,
    check_sizes,
    check_vllm,
    memory_advice,
    unsupported,
)
from rlaudio.rollout.vllm.weights import SendWeights, nccl_sender
from rlaudio.rollout.worker import EngineDied
from rlaudio.types import Prompt, SamplingParams
from rlaudio.utils import launcher
from rlaudio.utils.processes import join, visible_gpus

logger = logging.getLogger(__name__)

GENERATE = "inference/v1/generate"
IMPOSSIBLE = -9999.0  # how a server writes the log-prob of a token that cannot be sampled
TEMPORARY = "rlaudio-weights-"  # prefix of the folders through which weights are sent
AT_ONCE = 128  # requests in flight; a server queues those beyond its capacity


class VllmServer(EngineWorker):
    """A rollout worker on `vllm serve`, which runs at `url` or, without one, is started here.

    A server started here takes `gpus` ("4,5", which training does not use), splits the model over
    `tensor_parallel` of them, listens on a socket that this user alone can reach, and must answer within
    `start_seconds`. In a run of several processes the first starts it and sends weights, and all ask.

    `api_key_variable` names the environment variable with the key that the server at `url` asks for.

    A request may take as long as it needs, while the server answers `/health` after every `patience` seconds.
    A request that is cut off or fails is repeated, for `patience` seconds from the first failure on: equal
    requests have equal answers. So a server that stops answering is given up after at most four times
    `patience`; one that is healthy and never answers is waited for.

    `weights` go by `nccl`, or through a `folder` that the server sees under the same path; by default by NCCL
    from a GPU, and from a CPU through a folder of this machine. All else is as in the `vllm` worker.
    **Nothing on a GPU has been run yet.**
    """

    opened_together = True

    def __init__(
        self,
        family: ModelFamily,
        *,
        url: str | None = None,
        api_key_variable: str | None = None,
        gpus: str | None = None,
        tensor_parallel: int = 1,
        max_model_len: int = MAX_MODEL_LEN,
        max_sequences: int = MAX_SEQUENCES,
        memory_share: float = 0.9,
        kv_cache_gb: float | None = None,
        weights: Literal["nccl", "folder"] | None = None,
        folder: str | None = None,
        start_seconds: float = 900.0,
        patience: float = 120.0,
        support_tokens: int = SUPPORT_TOKENS,
        too_long: Literal["refuse", "transformers"] = "refuse",
        canary_tolerance: float | None = None,
    ):
        on_gpu = family.device.type == "cuda"
        by_nccl = on_gpu and weights != "folder"
        check_sizes(max_model_len, max_sequences, memory_share, kv_cache_gb)
        _check_place(on_gpu, url, gpus, tensor_parallel, weights)
        key = _key(url, api_key_variable)
        _check_support(family, max_model_len)
        memory = _of_device(on_gpu, max_model_len, kv_cache_gb, memory_share, tensor_parallel)
        wanted = _wanted(family, max_model_len, max_sequences, memory, by_nccl, start_seconds)
        self._processes = join()
        machines = set(self._processes.gather(socket.gethostname()))
        if url is None and len(machines) > 1:
            raise ValueError(
                f"the run is on {len(machines)} machines, and a server that it starts is seen by one; name "
                "one that all see in rollout.url; it is started by: "
                f"{wanted.command('http://this-machine:8000')}"
            )
        started: list[ServerProcess] = []
        with ExitStack() as opened:

            def open_server() -> tuple[str, str]:
                if url is None:
                    logger.info("starting a vLLM server for %s", family.path)
                    started.append(ServerProcess(wanted.flags, gpus))
                    opened.callback(started[0].stop)
                with _alive(started):
                    service = Service(url or started[0].url, key)
                    return _ready(service, wanted, *started), uuid.uuid4().hex[:8]

            address, run = self._processes.from_first(open_server)
            service = Service(address, key)
            server = _Server(
                family,
                service,
                run,
                started,
                prompts=HttpPrompts(family, max_model_len),
                patience=patience,
                step_tokens=None if on_gpu else CPU_PROMPTS * max_model_len // self._processes.size,
                opened=opened,
            )
            super().__init__(
                family,
                server,
                max_model_len=max_model_len,
                support_tokens=support_tokens,
                too_long=too_long,
                canary_tolerance=canary_tolerance,
            )
            if self._processes.first and by_nccl:
                with _alive(started):
                    server.send = _by_nccl(service, patience)
            elif self._processes.first:
                server.send = _through_folder(family, service, folder, patience, opened)
            with _told_of_the_model(family.path, wanted, address) if url else nullcontext():
                self._send(server, "opening", whole=bool(url))  # its weights may be those of another run
            server.opened = opened.pop_all()

    @classmethod
    def check(
        cls,
        family: ModelFamily,
        sampling: SamplingParams,
        *,
        url: str | None,
        api_key_variable: str | None,
        gpus: str | None,
        tensor_parallel: int,
        max_model_len: int,
        max_sequences: int,
        memory_share: float,
        kv_cache_gb: float | None,
        weights: Literal["nccl", "folder"] | None,
        start_seconds: float,
        wait: bool,
        **_: Any,
    ) -> None:
        """Raises ValueError, ImportError for what would not open or not sample; no server is started.

        A server at `url` that does not answer yet is waited for, or refused at once without `wait`.
        """
        on_gpu = family.device.type == "cuda"
        check_sizes(max_model_len, max_sequences, memory_share, kv_cache_gb)
        _check_place(on_gpu, url, gpus, tensor_parallel, weights)
        key = _key(url, api_key_variable)
        _check_support(family, max_model_len)
        cls.check_temperature(sampling)
        if url:
            memory = _of_device(on_gpu, max_model_len, kv_cache_gb, memory_share, tensor_parallel)
            by_nccl = on_gpu and weights != "folder"
            wanted = _wanted(family, max_model_len, max_sequences, memory, by_nccl, start_seconds)
            service = Service(url, key)
            if not wait and not service.answers("health"):
                raise ValueError(
                    f"no vLLM server answers at {url} now (a run waits for {start_seconds:g} s); correct "
                    f"rollout.url, or start it by: {wanted.command(url)}"
                )
            _ready(service, wanted)

    @property
    def url(self) -> str:
        """Where the server listens; another worker may be opened on it."""
        assert isinstance(self._engine, _Server)
        return self._engine.service.url

    def _send(self, engine: Engine, phase: str, *, whole: bool = False) -> None:
        """The first process sends and compares while no process samples; then all get the weights' label."""
        assert isinstance(engine, _Server)
        self._processes.wait()
        send = super()._send
        self._processes.from_first(lambda: send(engine, phase, whole=whole))
        engine.label = engine.label_of(self.weights_version)


@dataclass(frozen=True)
class _Wanted:
    """The server that this worker needs."""

    model: str
    max_model_len: int
    flags: tuple[str, ...]
    start_seconds: float
    environment: dict[str, str]

    def command(self, url: str) -> str:
        """The command that starts one at this address."""
        flags = [*map(_quoted, self.flags), *_listening(url)]
        environment = [f"{name}={value}" for name, value in ({DEV_MODE: "1"} | self.environment).items()]
        return " ".join([*environment, "python -m", SERVE, *flags])


def _listening(url: str) -> list[str]:
    """The flags of a server at this address."""
    if url.startswith(UNIX):
        return ["--uds", url.removeprefix(UNIX)]
    there = urllib.parse.urlsplit(url)
    host = "127.0.0.1" if there.hostname in ("127.0.0.1", "localhost") else "0.0.0.0"
    return ["--host", host, "--port", str(there.port or 80)]


class _Server:
    """A client of one server that serves one model family."""

    awake = True

    def __init__(
        self,
        family: ModelFamily,
        service: Service,
        run: str,
        started: Sequence[ServerProcess],
        *,
        prompts: HttpPrompts,
        patience: float,
        step_tokens: int | None,
        opened: ExitStack,
    ):
        self.service = service
        self.vocabulary = prompts.vocabulary
        self.label = ""  # the label of the weights that this run has sent
        self.send: SendWeights | None = None  # in the process that does
        self.opened = opened
        self._family = family
        self._run = run
        self._started = started
        self._prompts = prompts
        self._patience = patience
        self._step_tokens = step_tokens
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="requests")
        opened.callback(self._threads.shutdown)

    @property
    def prompt_tokens(self) -> int:
        """Prompt tokens of requests of all clients so far; every sample of a group is a request."""
        return self._counter("vllm:prefix_cache_queries_total")

    @property
    def cached_tokens(self) -> int:
        """Prompt tokens that were in the prefix cache."""
        return self._counter("vllm:prefix_cache_hits_total")

    def sample(
        self, prompts: Sequence[Prompt], sampling: SamplingParams, report: int, seeds: Sequence[int]
    ) -> list[list[SampledTokens]]:
        """The tokens of every prompt's group, `report` likeliest tokens beside each. Raises EngineDied."""
        bodies = [
            self._prompts.body(prompt)
            | {"sampling_params": sampling_options(self._family, sampling, report, seed)}
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]
        groups: list[list[SampledTokens]] = []
        for part in together(prompts, sampling.group_size, self._step_tokens):
            answers = self._threads.map(self._ask, bodies[part])
            groups += [[self._tokens(choice, report) for choice in answer["choices"]] for answer in answers]
        return whole_groups(groups, sampling)

    def update(self, weights: Iterable[tuple[str, torch.Tensor]], version: int) -> None:
        """Load tensors named as in the checkpoint, and empty every cache that depends on them.

        Raises EngineDied.
        """
        assert self.send is not None
        with _alive(self._started):
            self.send(weights)
            for cache in ("encoder", "mm"):
                self.service.post(f"reset_{cache}_cache")
            if not self.service.post("reset_prefix_cache")["success"]:
                raise RuntimeError("vLLM kept its prefix cache: requests were still running")
            self.label = self.label_of(version)
            self.service.post("update_weight_version", {"new_version": self.label})

    def label_of(self, version: int) -> str:
        """The label of this run's weights on the server, different from another run's."""
        return f"{self._run}-{version}"

    def sleep(self) -> None:
        """Nothing: the server's memory is not training's."""

    def close(self) -> None:
        """Stop the server, if it was started here, and remove the weights that were sent."""
        self.opened.close()

    def _ask(self, body: dict[str, Any]) -> dict[str, Any]:
        """The server's answer to the request, repeated while there is none. Raises EngineDied."""
        deadline, pause = math.inf, 0.1
        while True:
            try:
                answer: dict[str, Any] = self.service.post_long(GENERATE, body, self._patience)
                return answer
            except NoAnswer as silence:
                if any(process.ended for process in self._started):
                    raise _death(silence, self._started) from silence
                now = time.monotonic()
                deadline = min(deadline, now + self._patience)
                if now + pause > deadline:
                    raise EngineDied(
                        f"no answer for {self._patience:g} s (rollout.patience): {silence}"
                    ) from silence
            time.sleep(pause)
            pause = min(2 * pause, 5.0)

    def _tokens(self, choice: dict[str, Any], report: int) -> SampledTokens:
        sampled_by = {span["version"] for span in choice["weight_versions"] or ()}
        if self.label and sampled_by != {self.label}:
            raise RuntimeError(
                f"weights {', '.join(sorted(sampled_by)) or 'without a name'} sampled a completion; expected "
                f"{self.label}: something else than this run sends weights to {self.service.url}"
            )
        content = choice["logprobs"]["content"]
        return SampledTokens(
            token_ids=np.array(choice["token_ids"], dtype=np.int64),
            logprobs=np.array([token["logprob"] for token in content], dtype=np.float32),
            likeliest=tuple(_likeliest(token["top_logprobs"], report) for token in content) if report else (),
            finish_reason=choice["finish_reason"],
        )

    def _counter(self, name: str) -> int:
        with _alive(self._started):
            lines = self.service.text("metrics").splitlines()
        return int(sum(float(line.split()[-1]) for line in lines if line.startswith(f"{name}{{")))


@contextmanager
def _alive(started: Sequence[ServerProcess]) -> Iterator[None]:
    """Raise EngineDied where the server does not answer a request that it should answer at once."""
    try:
        yield
    except NoAnswer as silence:
        raise _death(silence, started) from silence


def _death(silence: NoAnswer, started: Sequence[ServerProcess]) -> EngineDied:
    """Why the server is gone: how its process ended, if it was started here, or that it does not answer."""
    ended = [process.ended for process in started if process.ended]
    return EngineDied(ended[0] if ended else str(silence))


# --- opening -------------------------------------------------------------------------------------


def _check_place(
    on_gpu: bool, url: str | None, gpus: str | None, tensor_parallel: int, weights: str | None
) -> None:
    """Raises ValueError, naming the recipe's keys, for options that do not fit together or the device."""
    if weights == "nccl" and not on_gpu:
        raise ValueError("rollout.weights is 'nccl', and the model is on a CPU; expected 'folder'")
    if url and gpus:
        raise ValueError("rollout.url names a server that runs; leave rollout.gpus out")
    if url and not url.startswith(("http://", "https://", UNIX)):
        raise ValueError(f"rollout.url is {url}; expected an address such as http://{url}")
    if url and urllib.parse.urlsplit(url).password:
        raise ValueError(
            "rollout.url holds a password, which a run writes into its folder; take it out, and name the "
            "environment variable with the server's key in rollout.api_key_variable"
        )
    if not on_gpu and (gpus or tensor_parallel > 1):
        raise ValueError(
            "rollout.gpus and rollout.tensor_parallel are for GPUs; expected none with a model on a CPU"
        )
    named = [name.strip() for name in gpus.split(",")] if gpus else []
    if named and len(named) != tensor_parallel:
        raise ValueError(
            f"rollout.gpus names {len(named)} and rollout.tensor_parallel is {tensor_parallel}; expected as "
            "many: the model is split over all of them"
        )
    if not on_gpu or url or weights == "folder":
        return
    training = visible_gpus()[: launcher.local_size()]
    shared = [name for name in named or visible_gpus()[:tensor_parallel] if name in training]
    if shared:
        raise ValueError(
            f"training uses GPU {', '.join(shared)}, and a server there cannot take weights by NCCL; name "
            "others in rollout.gpus, set rollout.weights to 'folder', or rollout.use to vllm"
        )


def _key(url: str | None, variable: str | None) -> str | None:
    """The key of the server at `url`, from the environment. Raises ValueError where it is not there."""
    if variable is None:
        return None
    if not url:
        raise ValueError(
            "rollout.api_key_variable is for a server at rollout.url; a server that the run starts needs none"
        )
    key = os.environ.get(variable)
    if not key or not key.isprintable():
        raise ValueError(
            f"rollout.api_key_variable is {variable}; expected the server's key in that environment "
            f"variable, found {'something unprintable' if key else 'nothing'}"
        )
    return key


def _check_support(family: ModelFamily, max_model_len: int) -> None:
    """Raises ValueError, ImportError where the vLLM that is installed cannot serve the family."""
    check_device(family)
    check_vllm(family.device.type == "cuda")
    if missing := unsupported(family):
        raise ValueError(f"{missing}; set rollout.use to transformers")
    check_room(family, max_model_len)


def _wanted(
    family: ModelFamily,
    max_model_len: int,
    max_sequences: int,
    memory: dict[str, Any],
    by_nccl: bool,
    start_seconds: float,
) -> _Wanted:
    flags = _flags(
        {"model": family.path}
        | reading(family)
        | {"max_model_len": max_model_len, "max_num_seqs": max_sequences}
        | memory
        | ({"weight_transfer_config": {"backend": "nccl"}} if by_nccl else {})
    )
    exact = EXACT if family.device.type == "cuda" else {}
    return _Wanted(family.path, max_model_len, flags, start_seconds, exact)


def _ready(service: Service, wanted: _Wanted, process: ServerProcess | None = None) -> str:
    """The address, when the server there is ready. Raises ValueError where it is not ready in time."""
    url = service.url
    deadline, warned = time.monotonic() + wanted.start_seconds, False
    while not service.answers("health"):
        if process is not None and process.ended:
            raise ValueError(f"{process.ended}\n{memory_advice(process.ended)}")
        if time.monotonic() > deadline:
            raise ValueError(
                f"no vLLM server answered at {url} within {wanted.start_seconds:g} s; correct rollout.url, "
                "raise rollout.start_seconds, or "
                + (f"see why{process.said}" if process else f"start it by: {wanted.command(url)}")
            )
        if process is None and not warned:
            logger.warning(
                "no vLLM server answers at %s yet; waiting for %g s (rollout.start_seconds); start it by: %s",
                url,
                wanted.start_seconds,
                wanted.command(url),
            )
            warned = True
        time.sleep(0.5)
    _check(service, wanted)
    return service.url


def _check(service: Service, wanted: _Wanted) -> None:
    """Raises ValueError, with the command to start it by, where the server lacks what is needed."""
    fix = f"start it by: {wanted.command(service.url)}"
    version = service.get("version")["version"]
    if version.partition("+")[0] != VERSION:
        raise ValueError(f"the server at {service.url} is vLLM {version}; expected {VERSION}")
    try:
        service.get("weight_info")
        service.post(GENERATE, {"token_ids": [0], "sampling_params": {"max_tokens": 1}})
    except Refused as error:
        raise ValueError(f"the server cannot be used: {error}; {fix}") from error
    (served, *_) = service.get("v1/models")["data"]
    if served["max_model_len"] < wanted.max_model_len:
        raise ValueError(
            f"the server at {service.url} takes {served['max_model_len']} tokens, and "
            f"rollout.max_model_len is {wanted.max_model_len}; lower it, or {fix}"
        )
    other = list(_differences(_config(served["root"]), _config(wanted.model)))
    if other:
        raise ValueError(
            f"the server at {service.url} serves {served['root']}, another model than {wanted.model}: "
            f"{'; '.join(other[:3])}; {fix}"
        )


def _config(folder: str) -> dict[str, Any]:
    """A model's config.json; empty where the folder is not seen from here."""
    file = Path(folder) / "config.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _differences(there: dict[str, Any], here: dict[str, Any]) -> Iterator[str]:
    """Sizes that the configs of two models do not share."""
    for key in sorted(there.keys() & here.keys()):
        remote, local = there[key], here[key]
        if isinstance(remote, dict) and isinstance(local, dict):
            yield from _differences(remote, local)
        elif type(remote) is type(local) is int and remote != local:
            yield f"{key} is {remote} there and {local} here"


@contextmanager
def _told_of_the_model(path: str, wanted: _Wanted, url: str) -> Iterator[None]:
    """Raise ValueError where a server at rollout.url fails at the first weights that it is sent."""
    try:
        yield
    except (EngineDied, CanaryError) as failure:
        raise ValueError(
            f"the server at {url} did not load the weights of {path}, and may be broken now: {failure}; "
            f"end it, and start it by: {wanted.command(url)}"
        ) from failure


def _of_device(
    on_gpu: bool, max_model_len: int, kv_cache_gb: float | None, memory_share: float, tensor_parallel: int
) -> dict[str, Any]:
    """Flags that keep vLLM within its part of the machine."""
    memory = cache_memory(memory_share, kv_cache_gb, on_gpu)
    if on_gpu:
        return memory | {"tensor_parallel_size": tensor_parallel}
    return memory | {
        "max_num_batched_tokens": CPU_PROMPTS * max_model_len,
        "block_size": CPU_BLOCK,
        "enforce_eager": True,
    }


def _flags(options: dict[str, Any]) -> tuple[str, ...]:
    """Options as `vllm serve` takes them."""
    always = {
        "enable_scale_out": True,  # tokens in, tokens out
        "generation_config": "vllm",  # no sampling defaults from the checkpoint
        "logprobs_mode": "processed_logprobs",
        "max_logprobs": -1,
    }
    flags: list[str] = []
    for name, value in (always | options).items():
        flags.append(f"--{name.replace('_', '-')}")
        if value is not True:
            flags.append(json.dumps(value) if isinstance(value, dict) else str(value))
    return tuple(flags)


def _quoted(flag: str) -> str:
    return f"'{flag}'" if flag.startswith("{") else flag


# --- weights -------------------------------------------------------------------------------------


def _by_nccl(service: Service, patience: float) -> SendWeights:
    """From this process's GPU to those of the server, on this machine or another one."""
    host = own_address(service.url)
    gpus = int(service.get("get_world_size")["world_size"])
    return nccl_sender(service, patience, gpus, (host, free_port(host)))


def own_address(url: str) -> str:
    """The address of this machine, IPv4, under which whoever listens at `url` can reach it.

    The machine's own name is no help: it often stands for a loopback address.
    """
    if url.startswith(UNIX):
        return "127.0.0.1"
    there = urllib.parse.urlsplit(url)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((there.hostname, there.port or 80))  # sends nothing
        return str(probe.getsockname()[0])


def _through_folder(
    family: ModelFamily, service: Service, folder: str | None, patience: float, opened: ExitStack
) -> SendWeights:
    """Through a folder that opens as the family's model does, with what trains in it."""
    if folder is None:
        path = opened.enter_context(private_folder(TEMPORARY))
    else:
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
    new = path / f".{uuid.uuid4().hex}.new"  # a name that nobody else can have taken
    for file in Path(family.path).iterdir():
        if file.is_file() and not file.name.endswith((".safetensors", ".safetensors.index.json", ".bin")):
            shutil.copy(file, new)
            new.replace(path / file.name)

    def send(weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in weights}, new)
        new.replace(path / "model.safetensors")  # the server may still have the last file open
        reload = {"method": "reload_weights", "kwargs": {"weights_path": str(path.resolve())}}
        service.post_long("collective_rpc", reload, patience)

    return send


# --- answers -------------------------------------------------------------------------------------


def _likeliest(tokens: Sequence[dict[str, Any]], report: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids and log-probs of the `report` likeliest tokens; the sampled one is first, whatever its rank."""
    ranked = sorted((token for token in tokens if token["rank"] <= report), key=lambda token: token["rank"])
    ids = np.array([token["token_id"] for token in ranked], dtype=np.int64)
    logprobs = np.array([token["logprob"] for token in ranked], dtype=np.float32)
    logprobs[logprobs <= IMPOSSIBLE] = -np.inf
    return ids, logprobs
