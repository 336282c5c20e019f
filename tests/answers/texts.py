"""Made-up answers for tests."""

from hypothesis import strategies as st

ANIMALS = ("a dog", "a cat", "a cow", "a bird")
# Text made of what answers are made of, so that random strings hit tags, options and their neighbourhood.
PIECES = [
    "<answer>",
    "</answer>",
    "<ANSWER>",
    "</Answer>",
    "<think>",
    "</think>",
    "a dog",
    "A Cat",
    "cat",
    "(B) ",
    *(" ", "\n", ".", "not ", "'", "İ", "ß"),
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=3)).map("".join)
