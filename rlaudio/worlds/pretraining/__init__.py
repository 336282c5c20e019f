"""Small models from nothing: how the checkpoints that ship were built, and how to build others.

blank.py     an untrained Qwen2.5-Omni thinker with a tokenizer of its own
training.py  trains it on examples
build.py     the four models that ship, and the models of a recipe with a `pretrain` section
"""
