"""What a server must be to be used: its options, the flags that it is started by, what it answers."""

from __future__ import annotations

import json
import logging
import os
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlaudio.models.family import ModelFamily
from rlaudio.models.shared.checkpoint_files import hub_name
from rlaudio.rollout.canary import CanaryError, check_room
from rlaudio.rollout.vllm.http import UNIX, Refused, Service
from rlaudio.rollout.vllm.requests import reading_in
from rlaudio.rollout.vllm.server_client import GENERATE
from rlaudio.rollout.vllm.server_process import SERVE, SERVER, ServerProcess
from rlaudio.rollout.vllm.setup import (
    CPU_BLOCK,
    CPU_PROMPTS,
    EXACT,
    VERSION,
    cache_memory,
    check_device,
    check_sizes,
    check_vllm,
    memory_advice,
    unsupported,
)
from rlaudio.rollout.worker import EngineDied
from rlaudio.utils import launcher
from rlaudio.utils.number_format import counted
from rlaudio.utils.processes import visible_gpus

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WantedServer:
    """The server that this worker needs."""

    model: str
    max_model_len: int
    flags: tuple[str, ...]
    start_seconds: float
    environment: dict[str, str]

    def command(self, url: str) -> str:
        """The command that starts one at this address."""
        flags = [*map(_quoted, self.flags), *_address_flags(url)]
        return " ".join([self.environment_words, "python -m", SERVE, *flags])

    @property
    def environment_words(self) -> str:
        """The environment of its process, as `env` takes it."""
        return " ".join(f"{name}={value}" for name, value in (SERVER | self.environment).items())


def _address_flags(url: str) -> list[str]:
    """The flags of a server at this address."""
    if url.startswith(UNIX):
        return ["--uds", url.removeprefix(UNIX)]
    there = urllib.parse.urlsplit(url)
    host = "127.0.0.1" if there.hostname in ("127.0.0.1", "localhost") else "0.0.0.0"
    return ["--host", host, "--port", str(there.port or 80)]


@dataclass(frozen=True)
class Place:
    """Where servers are, or are started: the options of the worker that say so."""

    urls: tuple[str, ...]
    replicas: int
    gpus: str | None
    tensor_parallel: int

    @property
    def gpus_of_each(self) -> list[str | None]:
        """The GPUs of every server that is started here, as CUDA_VISIBLE_DEVICES names them."""
        if self.gpus is None:
            return [None] * self.replicas
        named, each = _named(self.gpus), self.tensor_parallel
        return [",".join(named[start : start + each]) for start in range(0, len(named), each)]


@dataclass(frozen=True)
class ServerSizes:
    """How much a server takes: the options of the worker that say so. Raises ValueError."""

    max_model_len: int
    max_sequences: int
    memory_share: float
    kv_cache_gb: float | None
    start_seconds: float

    def __post_init__(self) -> None:
        check_sizes(self.max_model_len, self.max_sequences, self.memory_share, self.kv_cache_gb)


def check_servers(place: Place, on_gpu: bool, weights: str | None) -> None:
    """Raises ValueError, naming the recipe's keys, for options that do not fit together or the device."""
    if weights == "nccl" and not on_gpu:
        raise ValueError("rollout.weights is 'nccl', and the model is on a CPU; expected 'folder'")
    if place.replicas < 1:
        raise ValueError(f"rollout.replicas is {place.replicas}; expected at least 1")
    if place.urls:
        _check_urls(place)
    if not on_gpu and (place.gpus or place.tensor_parallel > 1):
        raise ValueError(
            "rollout.gpus and rollout.tensor_parallel are for GPUs; expected none with a model on a CPU"
        )
    if on_gpu and not place.urls:
        _check_gpus(place, by_nccl=weights != "folder")


def _check_urls(place: Place) -> None:
    if place.gpus or place.replicas > 1:
        key = "gpus" if place.gpus else "replicas"
        raise ValueError(f"rollout.urls names servers that run; leave rollout.{key} out")
    for url in place.urls:
        if not url.startswith(("http://", "https://", UNIX)):
            raise ValueError(f"rollout.urls names {url}; expected an address such as http://{url}")
        if urllib.parse.urlsplit(url).password:
            raise ValueError(
                "rollout.urls holds a password, which a run writes into its folder; take it out, and name "
                "the environment variable with the server's key in rollout.api_key_variable"
            )
        if place.urls.count(url) > 1:
            raise ValueError(f"rollout.urls names {url} twice; expected every server once")


def _check_gpus(place: Place, by_nccl: bool) -> None:
    named = _named(place.gpus)
    needed = place.replicas * place.tensor_parallel
    if named and len(named) != needed:
        raise ValueError(
            f"rollout.gpus names {len(named)}, and rollout.tensor_parallel is {place.tensor_parallel} of "
            f"{counted(place.replicas, 'server')} (rollout.replicas); expected {needed}"
        )
    if place.replicas > 1 and not named:
        raise ValueError(
            f"rollout.replicas is {place.replicas}; name {needed} GPUs for them in rollout.gpus: "
            f"rollout.tensor_parallel is {place.tensor_parallel}"
        )
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise ValueError(f"rollout.gpus names GPU {', '.join(twice)} twice; expected every GPU once")
    training = visible_gpus()[: launcher.local_size()]
    shared = [name for name in named or visible_gpus()[: place.tensor_parallel] if name in training]
    if by_nccl and shared:
        raise ValueError(
            f"training uses GPU {', '.join(shared)}, and a server there cannot take weights by NCCL; name "
            "others in rollout.gpus, set rollout.weights to 'folder', or rollout.use to vllm"
        )


def _named(gpus: str | None) -> list[str]:
    return [name.strip() for name in gpus.split(",")] if gpus else []


def server_key(urls: Sequence[str], variable: str | None) -> str | None:
    """The key of the servers at these addresses, from the environment. Raises ValueError without it."""
    if variable is None:
        return None
    if not urls:
        raise ValueError(
            "rollout.api_key_variable is for servers in rollout.urls; one that the run starts needs none"
        )
    key = os.environ.get(variable)
    if not key or not key.isprintable():
        raise ValueError(
            f"rollout.api_key_variable is {variable}; expected the server's key in that environment "
            f"variable, found {'something unprintable' if key else 'nothing'}"
        )
    return key


def check_heads(model: str, config: Mapping[str, Any], tensor_parallel: int) -> None:
    """Raises ValueError where a model of this config cannot be split over so many GPUs."""
    for heads in _values(config, "num_attention_heads"):
        if heads % tensor_parallel:
            raise ValueError(
                f"rollout.tensor_parallel is {tensor_parallel}, and {model} has {heads} attention heads; "
                "expected a number that divides them"
            )


def _values(config: Mapping[str, Any], key: str) -> Iterator[int]:
    """The values under this key, at any depth."""
    for name, value in config.items():
        if name == key and isinstance(value, int):
            yield value
        elif isinstance(value, Mapping):
            yield from _values(value, key)


def check_support(family: ModelFamily, max_model_len: int) -> None:
    """Raises ValueError, ImportError where the vLLM that is installed cannot serve the family."""
    check_device(family)
    check_vllm(family.device.type == "cuda")
    if missing := unsupported(family):
        raise ValueError(f"{missing}; set rollout.use to transformers")
    check_room(family, max_model_len)


def wanted_server(
    path: str, dtype: str, place: Place, sizes: ServerSizes, *, on_gpu: bool, by_nccl: bool
) -> WantedServer:
    """The server of the model in `path`, by the options of the worker."""
    name, revision = (path, None) if Path(path).is_dir() else hub_name(path)
    flags = _flags(
        {"model": name}
        | ({"revision": revision, "tokenizer_revision": revision} if revision else {})
        | reading_in(dtype)
        | {"max_model_len": sizes.max_model_len, "max_num_seqs": sizes.max_sequences}
        | device_flags(on_gpu, sizes, place.tensor_parallel)
        | ({"weight_transfer_config": {"backend": "nccl"}} if by_nccl else {})
    )
    return WantedServer(path, sizes.max_model_len, flags, sizes.start_seconds, EXACT if on_gpu else {})


def ready_address(service: Service, wanted: WantedServer, process: ServerProcess | None = None) -> str:
    """The address, when the server there is ready. Raises ValueError where it is not ready in time."""
    url = service.url
    deadline, warned = time.monotonic() + wanted.start_seconds, False
    while not service.answers("health"):
        if process is not None and process.ended:
            raise ValueError(f"{process.ended}\n{memory_advice(process.ended)}")
        if time.monotonic() > deadline:
            raise ValueError(
                f"no vLLM server answered at {url} within {wanted.start_seconds:g} s; correct rollout.urls, "
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


def _check(service: Service, wanted: WantedServer) -> None:
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
    other = list(_differences(model_config(served["root"]), model_config(wanted.model)))
    if other:
        raise ValueError(
            f"the server at {service.url} serves {served['root']}, another model than {wanted.model}: "
            f"{'; '.join(other[:3])}; {fix}"
        )


def model_config(folder: str) -> dict[str, Any]:
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
def told_of_the_model(path: str, wanted: WantedServer, url: str) -> Iterator[None]:
    """Raise ValueError where a server in rollout.urls fails at the first weights that it is sent."""
    try:
        yield
    except (EngineDied, CanaryError) as failure:
        raise ValueError(
            f"the server at {url} did not load the weights of {path}, and may be broken now: {failure}; "
            f"end it, and start it by: {wanted.command(url)}"
        ) from failure


def device_flags(on_gpu: bool, sizes: ServerSizes, tensor_parallel: int) -> dict[str, Any]:
    """Flags that keep vLLM within its part of the machine."""
    memory = cache_memory(sizes.memory_share, sizes.kv_cache_gb, on_gpu)
    if on_gpu:
        return memory | {"tensor_parallel_size": tensor_parallel}
    return memory | {
        "max_num_batched_tokens": CPU_PROMPTS * sizes.max_model_len,
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
