"""The growing cache against transformers' own, which copies all keys and values for every token."""

import itertools

import torch
from transformers import DynamicCache

from rlaudio.models.shared.growing_cache import PlacedCache, new_cache


def tokens(count, rows=3, seed=0):
    """Keys or values of `count` tokens in each of `rows` rows, two heads of width 4."""
    return torch.randn(rows, 2, count, 4, generator=torch.Generator().manual_seed(seed))


def both(count, rows=3, seed=0):
    """Keys and values."""
    return tokens(count, rows, seed), tokens(count, rows, seed + 1000)


def test_it_holds_what_the_copying_cache_holds():
    ours, theirs = new_cache(), DynamicCache()
    for seed, count in enumerate([5, 1, 1, 7, 1, 1, 1, 40, 2]):
        for layer in (0, 1):
            given = both(count, seed=seed + 10 * layer)
            for held, expected in zip(ours.update(*given, layer), theirs.update(*given, layer), strict=True):
                assert torch.equal(held, expected)
    assert ours.get_seq_length() == theirs.get_seq_length() == 59


def test_rows_may_be_selected_and_repeated_on_the_way():
    ours, theirs = new_cache(), DynamicCache()
    for cache in (ours, theirs):
        cache.update(*both(6, rows=1), 0)
        cache.batch_repeat_interleave(3)
        cache.update(*both(2, seed=1), 0)
        cache.batch_select_indices(torch.tensor([2, 0]))
    for held, expected in zip(
        ours.update(*both(1, rows=2, seed=2), 0), theirs.update(*both(1, rows=2, seed=2), 0), strict=True
    ):
        assert torch.equal(held, expected)


def test_most_new_tokens_copy_nothing_that_is_there():
    cache = new_cache()
    cache.update(*both(100), 0)
    places = [cache.update(*both(1, seed=seed), 0)[0].data_ptr() for seed in range(200)]
    moves = sum(before != after for before, after in itertools.pairwise(places))
    assert moves <= 5  # a quarter more each time: 100 -> 126 -> 158 -> 198 -> 248 -> 311


def test_a_placed_cache_knows_where_the_tokens_of_the_rows_that_are_left_stand():
    cache = PlacedCache()
    cache.update(*both(2), 0)
    assert cache.place(torch.tensor([[0, 1], [5, 6], [7, 8]])).tolist() == [[0, 1], [5, 6], [7, 8]]
    cache.batch_select_indices(torch.tensor([2, 0, 0]))
    cache.update(*both(1), 0)
    assert cache.place(torch.tensor([[9], [2], [3]])).tolist() == [[7, 8, 9], [0, 1, 2], [0, 1, 3]]
    assert cache.get_seq_length() == 3
