"""Run by torchrun: each process samples its share; the first writes what all drew.

Each has an engine of its own, or all ask the server at a given address.
"""

import json
import sys
from pathlib import Path

import torch

from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.rollout.vllm.vllm import Vllm
from rlaudio.rollout.vllm.vllm_server import VllmServer
from rlaudio.utils.processes import join
from tests.conftest import TINY
from tests.rollout.conftest import KEY, WARM, nudge, prompts_of

torch.set_num_threads(1)
processes = join()
family = Qwen2_5Omni(path=TINY, device="cpu")
worker = VllmServer(family, urls=sys.argv[2:]) if sys.argv[2:] else Vllm(family)
worker.load_weights(nudge(family), version=1)
groups = worker.generate(processes.share(prompts_of(family)), WARM, KEY)
worker.close()
tokens = [[c.token_ids.tolist() for c in group.completions] for group in groups]
shares = processes.gather(tokens)  # the processes still reach each other after vLLM has shut down
if processes.first:
    Path(sys.argv[1]).write_text(json.dumps(shares))
