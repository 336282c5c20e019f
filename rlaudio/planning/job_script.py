"""A Slurm script that trains a recipe on several nodes, with vLLM servers on further ones.

torchrun starts the training processes; the script starts the servers, waits until they are healthy and hands
their addresses to the run. A requeued job resumes its run.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from rlaudio.config.recipe import Recipe
from rlaudio.models.shared import lora
from rlaudio.models.shared.model_paths import resolve_model_path
from rlaudio.planning.assumptions import MOST_DEVICES, MOST_NODES
from rlaudio.planning.servers import check_asks_servers, servers_of_node
from rlaudio.rollout.vllm.server_opening import (
    Place,
    ServerSizes,
    WantedServer,
    check_heads,
    check_servers,
    model_config,
    wanted_server,
)
from rlaudio.rollout.vllm.server_process import SERVE
from rlaudio.runs.places import RECIPE
from rlaudio.utils.messages import shown
from rlaudio.utils.number_format import counted

PORT = 8100  # of a node's first server
MEETING_PORT = 29500  # where the training processes meet
MOST_SECONDS_TO_SAVE = 7 * 86_400
SECONDS_TO_QUEUE = 60  # of those to save the step in, left to queue the job again


@dataclass(frozen=True, kw_only=True)
class JobLayout:
    """The nodes of a job. `gpus_per_node` 0: one process a node, on its CPUs.

    `seconds_to_save` before the job's time is over, the step that is then computed is saved.
    """

    nodes: int
    gpus_per_node: int
    rollout_nodes: int
    seconds_to_save: int

    def __post_init__(self) -> None:
        for name, count, least, most in (
            ("nodes", self.nodes, 1, MOST_NODES),
            ("gpus-per-node", self.gpus_per_node, 0, MOST_DEVICES),
            ("rollout-nodes", self.rollout_nodes, 0, MOST_NODES),
            ("seconds-to-save", self.seconds_to_save, SECONDS_TO_QUEUE + 1, MOST_SECONDS_TO_SAVE),
        ):
            if not least <= count <= most:
                raise ValueError(f"--{name} is {shown(count, 40)}; expected {least} to {most:,}")


@dataclass(frozen=True, kw_only=True)
class RunCommand:
    """What `rlaudio run` is given, and the command that asked for the script."""

    recipe: str
    overrides: Sequence[str]
    out: Path
    asked_by: str


def job_script(recipe: Recipe, layout: JobLayout, run: RunCommand, sbatch: Sequence[str] = ()) -> str:
    """The script as text; `sbatch` are further options of sbatch, such as "--partition=gpu".

    Raises ValueError for servers that the nodes cannot have, or that training could not use.
    """
    environment = Environment(
        loader=PackageLoader("rlaudio.planning", "."), undefined=StrictUndefined, keep_trailing_newline=True
    )
    return environment.get_template("job.sh.j2").render(
        name=recipe.name,
        nodes=layout.nodes,
        training=counted(layout.nodes, "node"),
        gpus=layout.gpus_per_node,
        gpus_asked=layout.gpus_per_node > 0,
        processes=max(1, layout.gpus_per_node),
        meeting_port=MEETING_PORT,
        seconds_to_save=layout.seconds_to_save,
        seconds_to_queue=SECONDS_TO_QUEUE,
        recipe=shlex.quote(run.recipe),
        begun=RECIPE,
        overrides=[shlex.quote(text) for text in run.overrides],
        out=shlex.quote(str(run.out.absolute())),
        log=shlex.quote(f"{run.out.absolute()}.slurm-%j.log"),
        folder=shlex.quote(str(Path.cwd())),
        python=shlex.quote(sys.executable),
        command=" ".join(run.asked_by.split()),  # a comment is one line
        sbatch=list(sbatch),
        rollout_nodes=layout.rollout_nodes,
        **(_of_servers(recipe, layout) if layout.rollout_nodes else {}),
    )


def _of_servers(recipe: Recipe, layout: JobLayout) -> dict[str, Any]:
    """What the script says of the vLLM servers."""
    each = _servers_per_node(recipe, layout)
    wanted = _wanted(recipe, layout)
    return {
        "rollout": counted(layout.rollout_nodes, "node"),
        "servers": counted(each * layout.rollout_nodes, "vLLM server"),
        "servers_per_node": each,
        "tensor_parallel": recipe.rollout.options["tensor_parallel"],
        "port": PORT,
        "start_seconds": int(wanted.start_seconds),
        "server": " ".join([SERVE, *map(shlex.quote, wanted.flags)]),
        "server_environment": wanted.environment_words,
    }


def _servers_per_node(recipe: Recipe, layout: JobLayout) -> int:
    """How many servers a rollout node has. Raises ValueError where the recipe or the node has none."""
    check_asks_servers(recipe.rollout, layout.rollout_nodes)
    options = recipe.rollout.options
    for key, given in (
        ("urls", options["urls"]),
        ("gpus", options["gpus"]),
        ("replicas", options["replicas"] != 1),
    ):
        if given:
            raise ValueError(
                f"rollout.{key} is given, and the job starts servers of its own; leave it out, or "
                "--rollout-nodes"
            )
    tensor_parallel = options["tensor_parallel"]
    check_servers(
        Place(("http://node",), 1, None, tensor_parallel), layout.gpus_per_node > 0, options["weights"]
    )
    if not _by_nccl(recipe, layout) and not options["folder"]:
        raise ValueError(
            "rollout.folder is not given, and weights go to servers on other nodes through a folder; name "
            "one that all nodes see"
        )
    if not layout.gpus_per_node:
        return 1
    count, path = servers_of_node(tensor_parallel, layout.gpus_per_node), _served(recipe)
    check_heads(path, model_config(path), tensor_parallel)
    return count


def _by_nccl(recipe: Recipe, layout: JobLayout) -> bool:
    return layout.gpus_per_node > 0 and recipe.rollout.options["weights"] != "folder"


def _served(recipe: Recipe) -> str:
    """The model that servers open: of an adapter its base, whose weights the run sends merged."""
    path = resolve_model_path(recipe.model.options["path"])
    return resolve_model_path(lora.base_of(Path(path))) if lora.is_adapter(Path(path)) else path


def _wanted(recipe: Recipe, layout: JobLayout) -> WantedServer:
    """The server that the run will ask for."""
    options = recipe.rollout.options
    sizes = ServerSizes(
        options["max_model_len"],
        options["max_sequences"],
        options["memory_share"],
        options["kv_cache_gb"],
        options["start_seconds"],
    )
    return wanted_server(
        _served(recipe),
        str(recipe.model.options.get("dtype", "float32")),
        Place((), 1, None, options["tensor_parallel"]),
        sizes,
        on_gpu=layout.gpus_per_node > 0,
        by_nccl=_by_nccl(recipe, layout),
    )
