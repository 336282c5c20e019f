"""Rollouts in vLLM servers: on GPUs that training does not use, of this machine or other ones.

Servers run already, or are started here and end with the run. Requests over HTTP (`/inference/v1/generate`)
carry token ids and the log-mel frames that training uses. Weights go from GPU to GPU by NCCL, or through a
folder that both sides see. Every answer names the weights that sampled it; a canary compares each server with
the model after every update.
"""

from __future__ import annotations

import logging
import socket
import uuid
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

from rlaudio.models.family import ModelFamily
from rlaudio.rollout.engine_worker import Engine, EngineWorker
from rlaudio.rollout.vllm.http import Service
from rlaudio.rollout.vllm.private_folder import private_folder
from rlaudio.rollout.vllm.replicas import Replicas
from rlaudio.rollout.vllm.requests import HttpPrompts
from rlaudio.rollout.vllm.server_client import ServerClient
from rlaudio.rollout.vllm.server_opening import (
    Place,
    ServerSizes,
    WantedServer,
    check_heads,
    check_servers,
    check_support,
    model_config,
    ready_address,
    server_key,
    told_of_the_model,
    wanted_server,
)
from rlaudio.rollout.vllm.server_process import ServerProcess
from rlaudio.rollout.vllm.setup import CPU_PROMPTS, MAX_MODEL_LEN, MAX_SEQUENCES, SUPPORT_TOKENS, TOO_LONG
from rlaudio.rollout.vllm.weights import FolderSender, NcclSender, ServerSender
from rlaudio.types import SamplingParams
from rlaudio.utils.number_format import counted
from rlaudio.utils.processes import Processes, join

logger = logging.getLogger(__name__)

TEMPORARY = "rlaudio-weights-"  # prefix of the folders through which weights are sent


class VllmServer(EngineWorker):
    """A rollout worker on `vllm serve`, which runs at each of `urls` or, without them, is started here.

    Of servers started here there are `replicas`. They take `gpus` ("4,5", which training does not use), each
    splits the model over `tensor_parallel` of them, listens on a socket that this user alone can reach, and
    must answer within `start_seconds`. In a run of several processes the first starts them and sends weights,
    and all ask. A request goes to the server with the fewest in flight; one that dies is left out, and its
    work repeated by the others. Results do not depend on how many there are.

    `api_key_variable` names the environment variable with the key that the servers at `urls` ask for.

    A request may take as long as it needs, while the server answers `/health` after every `patience` seconds.
    A request that is cut off or fails is repeated, for `patience` seconds from the first failure on: equal
    requests have equal answers. So a server that stops answering is given up after at most four times
    `patience`; one that is healthy and never answers is waited for.

    `weights` go by `nccl`, or through a `folder` that the servers see under the same path; by default by NCCL
    from a GPU, and from a CPU through a folder of this machine. All else is as in the `vllm` worker.
    **Nothing on a GPU has been run yet.**
    """

    opened_together = True
    beside_results = frozenset(  # options that enter no results: a resumed run may have others
        {"urls", "api_key_variable", "replicas", "gpus", "folder", "start_seconds", "patience"}
    )

    def __init__(
        self,
        family: ModelFamily,
        *,
        urls: Sequence[str] = (),
        api_key_variable: str | None = None,
        replicas: int = 1,
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
        too_long: Literal["refuse", "transformers"] = TOO_LONG,
        canary_tolerance: float | None = None,
    ):
        place = Place(tuple(urls), replicas, gpus, tensor_parallel)
        sizes = ServerSizes(max_model_len, max_sequences, memory_share, kv_cache_gb, start_seconds)
        key = server_key(place.urls, api_key_variable)
        wanted = _checked(family, place, sizes, weights)
        on_gpu = family.device.type == "cuda"
        self._processes = join()
        _check_machines(place, self._processes, wanted)
        with ExitStack() as opened:
            started: list[ServerProcess] = []  # in the first process
            addresses, run = self._processes.from_first(
                lambda: (_addresses(place, key, wanted, started, opened), uuid.uuid4().hex[:8])
            )
            servers = [
                ServerClient(Service(address, key), process, patience)
                for address, process in zip_longest(addresses, started)
            ]
            engine = Replicas(
                family,
                servers,
                run,
                prompts=HttpPrompts(family, max_model_len),
                step_tokens=None if on_gpu else CPU_PROMPTS * max_model_len // self._processes.size,
                opened=opened,
            )
            super().__init__(
                family,
                engine,
                max_model_len=max_model_len,
                support_tokens=support_tokens,
                too_long=too_long,
                canary_tolerance=canary_tolerance,
            )
            if self._processes.first:
                services = [server.service for server in servers]
                engine.sender = _sender(
                    family, services, folder, patience, opened, by_nccl=on_gpu and weights != "folder"
                )
            address = ", ".join(addresses)
            with told_of_the_model(family.path, wanted, address) if place.urls else nullcontext():
                self._send(engine, "opening", whole=bool(place.urls))  # they may have those of another run
            engine.opened = opened.pop_all()

    @classmethod
    def check(
        cls,
        family: ModelFamily,
        sampling: SamplingParams,
        *,
        urls: Sequence[str],
        api_key_variable: str | None,
        replicas: int,
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

        A server at one of `urls` that does not answer yet is waited for, or refused at once without `wait`.
        """
        place = Place(tuple(urls), replicas, gpus, tensor_parallel)
        sizes = ServerSizes(max_model_len, max_sequences, memory_share, kv_cache_gb, start_seconds)
        key = server_key(place.urls, api_key_variable)
        wanted = _checked(family, place, sizes, weights)
        cls.check_temperature(sampling)
        for url in place.urls:
            service = Service(url, key)
            if not wait and not service.answers("health"):
                raise ValueError(
                    f"no vLLM server answers at {url} now (a run waits for {start_seconds:g} s); correct "
                    f"rollout.urls, or start it by: {wanted.command(url)}"
                )
            ready_address(service, wanted)

    @property
    def urls(self) -> tuple[str, ...]:
        """Where the servers listen that are asked; another worker may be opened on them."""
        return tuple(server.url for server in self._replicas.live)

    @property
    def _replicas(self) -> Replicas:
        assert isinstance(self._engine, Replicas)
        return self._engine

    def _send(self, engine: Engine, phase: str, *, whole: bool = False) -> None:
        """The first process sends and compares while no process samples; then all get the weights' label.

        What a process knows of dead servers, all know afterwards.
        """
        assert isinstance(engine, Replicas)
        self._share_dead(engine)
        self._processes.from_first(lambda: self._send_to_each(engine, phase, whole=whole))
        self._share_dead(engine)
        engine.label = engine.label_of(self.weights_version)

    def _send_to_each(self, engine: Replicas, phase: str, *, whole: bool) -> None:
        """Send the weights to all servers, and run the canary on every one of them."""
        for server in engine.live:
            with engine.alone(server):
                self._canary.enter_caches(self._sample)
        engine.update(self.family.checkpoint_weights(whole=whole), self.weights_version)
        for server in engine.live:
            where = f"{phase}, at {server.url}" if len(engine.live) > 1 else phase
            with engine.alone(server):
                self._canary.check(self._sample, where)

    def _share_dead(self, engine: Replicas) -> None:
        """Leave out, in every process, the servers that are dead for one of them. All must call."""
        for dead in self._processes.gather(engine.dead):
            engine.leave_out(dead)


# --- helpers -------------------------------------------------------------------------------------


def _checked(
    family: ModelFamily, place: Place, sizes: ServerSizes, weights: Literal["nccl", "folder"] | None
) -> WantedServer:
    """The server that these options ask for. Raises ValueError, ImportError where there can be none."""
    on_gpu = family.device.type == "cuda"
    check_servers(place, on_gpu, weights)
    check_heads(family.path, model_config(family.path), place.tensor_parallel)
    check_support(family, sizes.max_model_len)
    dtype = str(family.dtype).removeprefix("torch.")
    by_nccl = on_gpu and weights != "folder"
    return wanted_server(family.path, dtype, place, sizes, on_gpu=on_gpu, by_nccl=by_nccl)


def _check_machines(place: Place, processes: Processes, wanted: WantedServer) -> None:
    """Raises ValueError where processes on several machines would ask servers of one. All must call."""
    machines = set(processes.gather(socket.gethostname()))
    if not place.urls and len(machines) > 1:
        raise ValueError(
            f"the run is on {len(machines)} machines, and a server that it starts is seen by one; name "
            "one that all see in rollout.urls; it is started by: "
            f"{wanted.command('http://this-machine:8000')}"
        )


def _addresses(
    place: Place, key: str | None, wanted: WantedServer, started: list[ServerProcess], opened: ExitStack
) -> list[str]:
    """The addresses of all servers, when they are ready; those started here are added to `started`."""
    if place.urls:
        return [ready_address(Service(url, key), wanted) for url in place.urls]
    logger.info("starting %s for %s", counted(place.replicas, "vLLM server"), wanted.model)
    for gpus in place.gpus_of_each:
        started.append(ServerProcess(wanted.flags, gpus))
        opened.callback(started[-1].stop)
    return [ready_address(Service(process.url, key), wanted, process) for process in started]


def _sender(
    family: ModelFamily,
    services: Sequence[Service],
    folder: str | None,
    patience: float,
    opened: ExitStack,
    *,
    by_nccl: bool,
) -> ServerSender:
    if by_nccl:
        return NcclSender(services, patience)
    path = Path(folder) if folder else opened.enter_context(private_folder(TEMPORARY))
    return FolderSender(family, path, patience)
