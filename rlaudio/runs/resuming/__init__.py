"""What must be the same when a run is resumed, and what should be.

Another recipe, other data, models or plug-ins, another number of processes are refused, with what differs and
both values: the run's numbers would belong to neither. Other versions only give a warning, and so do changed
plug-ins that were accepted. Keys of the recipe that enter no results are taken as they are given.

recipe.py          the recipe's keys
data.py            questions, labels and audio, row by row
changed_files.py   files of models and of plug-ins
world.py           processes and versions
"""

from rlaudio.runs.resuming.changed_files import accept_plugins, changed_plugins, check_models, check_plugins
from rlaudio.runs.resuming.data import check_data
from rlaudio.runs.resuming.recipe import begun_recipe, check_recipe, keep_recipe, refuse_another
from rlaudio.runs.resuming.world import check_world

__all__ = [
    "accept_plugins",
    "begun_recipe",
    "changed_plugins",
    "check_data",
    "check_models",
    "check_plugins",
    "check_recipe",
    "check_world",
    "keep_recipe",
    "refuse_another",
]
