"""Small models made from nothing: how the checkpoints that ship were built, and how to build others.

`blank.py` makes an untrained Qwen2.5-Omni thinker with a tokenizer of its own, `pretraining.py` trains it on
lessons (a clip and what to say about it), `curriculum.py` holds the lessons of the embedded world, and
`build.py` builds the base policy and the three voters that lie beside it.
"""
