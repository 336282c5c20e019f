"""Two processes that sample their shares, each with an engine of its own or from the server at an address."""

import json
from pathlib import Path

from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.rollout.vllm.vllm import Vllm
from rlaudio.rollout.vllm.vllm_server import VllmServer
from rlaudio.utils.processes import join
from tests.conftest import TINY
from tests.forking import two_processes
from tests.rollout.conftest import KEY, WARM, nudge, prompts_of


def drawn_by_two(folder: Path, *urls: str) -> list[list[list[int]]]:
    """The tokens of each prompt's completions, in the order of the prompts."""
    for ended in two_processes(_draw, folder / "drawn.json", *urls, said=folder / "said"):
        assert ended.returncode == 0, ended.stderr[-8000:]
    shares = json.loads((folder / "drawn.json").read_text())
    return [shares[i % 2][i // 2] for i in range(sum(map(len, shares)))]


def _draw(file: Path, *urls: str) -> None:
    processes = join()
    family = Qwen2_5Omni(path=TINY, device="cpu")
    worker = VllmServer(family, urls=urls) if urls else Vllm(family)
    worker.load_weights(nudge(family), version=1)
    groups = worker.generate(processes.share(prompts_of(family)), WARM, KEY)
    worker.close()
    tokens = [[c.token_ids.tolist() for c in group.completions] for group in groups]
    shares = processes.gather(tokens)  # the processes still reach each other after vLLM has shut down
    if processes.first:
        file.write_text(json.dumps(shares))
