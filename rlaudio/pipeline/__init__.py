"""Commands on a recipe, from its data to pages.

training_run.py       the way of a run, on one screen
begun_run.py          what goes on from the folder of a run that began
labelled_data.py      voters asked, labels written
model_evaluations.py  answers to held-out questions, tables written
run_results.py        samples, clips, summary and page of a run that ended
"""

from rlaudio.pipeline.begun_run import replay_step
from rlaudio.pipeline.labelled_data import ask_voters, label_data
from rlaudio.pipeline.model_evaluations import evaluate_recipe
from rlaudio.pipeline.training_run import run

__all__ = ["ask_voters", "evaluate_recipe", "label_data", "replay_step", "run"]
