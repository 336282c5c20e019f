"""Small models trained from scratch: the checkpoints that ship, and the models of a recipe.

blank_model.py       an untrained Qwen2.5-Omni thinker with a new tokenizer
training.py          trains it on examples
build.py             the four models that ship
base_and_voters.py   the models of a run that builds its own
"""
