"""Small models from nothing: how the checkpoints that ship were built, and how to build others.

blank_model.py       an untrained Qwen2.5-Omni thinker with a tokenizer of its own
training.py          trains it on examples
build.py             the four models that ship
base_and_voters.py   the models of a run that builds its own
"""
