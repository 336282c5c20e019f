"""The shipped base, opened once in the process from which those of tests/forking.py are forked."""

import torch

from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from tests.conftest import TINY

torch.set_num_threads(1)
_ = Qwen2_5Omni(path=TINY, device="cpu").model  # the first one reads and compiles what later ones find
