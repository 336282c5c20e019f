"""Rewards turn groups into scored groups: for every completion a value, or a failure with its reason.

reward_sum.py   the weighted sum of a step; which failures stop it
calls.py        how a reward is called: once per completion or per group, async ones together
arguments.py    what it is handed: records that it cannot write into
values.py       what it returned, as numbers
"""

from rlaudio.scoring.made_up import made_up_group
from rlaudio.scoring.reward_sum import RewardError, RewardStop, RewardSum, saving_when_stopped, warn_anew

__all__ = ["RewardError", "RewardStop", "RewardSum", "made_up_group", "saving_when_stopped", "warn_anew"]
