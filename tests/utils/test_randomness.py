"""Random numbers are a function of their key."""

from rlaudio.utils.randomness import generator


def first(*key):
    return generator(*key).random()


def test_the_same_key_gives_the_same_numbers_whatever_was_drawn_before():
    generator(0, "rl", 3).random(100)
    assert first(0, "rl", 3) == first(0, "rl", 3)


def test_keys_that_differ_in_anything_give_other_numbers():
    keys = [(0,), (1,), ("0",), (0, 0), (0, 1), (1, 0), (0, "rl"), (0, "sft"), (12,), (1, 2)]
    assert len({first(*key) for key in keys}) == len(keys)


def test_the_numbers_are_those_of_every_version():
    assert generator(0, "rl", 1).integers(1000, size=3).tolist() == [314, 552, 293]
