"""One layer laid over another: what stays, what goes, and where each value was written."""

from pathlib import Path

import pytest

from rlaudio.config.layers import lay_over, plugin_places
from rlaudio.utils.yaml_layers import Layer, Origin


def layer(where, values):
    """A layer whose entries were all written in one place."""
    origins = {(): Origin(where, Path("/"))}

    def walk(keys, value):
        for key, inner in value.items() if isinstance(value, dict) else ():
            origins[(*keys, key)] = Origin(where, Path("/"))
            walk((*keys, key), inner)

    walk((), values)
    return Layer(values, origins)


def laid(below, above):
    return lay_over(layer("below", below), layer("above", above))


def test_maps_merge_all_else_replaces_and_every_entry_keeps_its_place():
    both = laid({"sft": {"lr": 1, "warmup": 2}, "list": [1, 2]}, {"sft": {"lr": 3}, "list": [4]})
    assert both.values == {"sft": {"lr": 3, "warmup": 2}, "list": [4]}
    places = {keys: origin.where for keys, origin in both.origins.items()}
    assert places[("sft", "lr")] == places[("list",)] == "above"
    assert places[("sft", "warmup")] == places[("sft",)] == "below"


def test_another_plug_in_takes_none_of_the_options_nor_of_their_places():
    both = laid({"algorithm": {"use": "grpo", "kl": 1}}, {"algorithm": {"use": "dapo", "clip": 2}})
    assert both.values == {"algorithm": {"use": "dapo", "clip": 2}}
    assert ("algorithm", "kl") not in both.origins
    assert both.origin(("algorithm", "use")).where == "above"


def test_an_entry_named_like_its_plug_in_merges_with_one_that_says_so():
    both = laid({"rewards": {"format": {"weight": 1}}}, {"rewards": {"format": {"use": "format"}}})
    assert both.values == {"rewards": {"format": {"weight": 1, "use": "format"}}}


def test_keys_beside_a_plug_in_hold_whatever_it_names():
    below = {"contribution": {"use": "vote", "voters": ["a"], "threshold": 2}}
    both = laid(below, {"contribution": {"use": "options"}})
    assert both.values == {"contribution": {"use": "options", "voters": ["a"]}}


def test_null_takes_away_a_plug_in_of_a_map_or_all_and_is_a_value_elsewhere():
    rewards = {"rewards": {"format": {}, "judge": {}}}
    assert laid(rewards, {"rewards": {"judge": None}}).values == {"rewards": {"format": {}}}
    assert laid(rewards, {"rewards": None}).values == {"rewards": {}}
    assert laid({"scorer": {"use": "exact"}}, {"scorer": None}).values == {"scorer": None}
    with pytest.raises(ValueError, match=r"^above: rewards\.refusal is not there, so null cannot remove it"):
        laid(rewards, {"rewards": {"refusal": None}})


def test_no_layer_changes():
    below, above = {"rewards": {"format": {"weight": 1}}}, {"rewards": {"format": {"weight": 2}}}
    laid(below, above)
    assert (below["rewards"]["format"]["weight"], above["rewards"]["format"]["weight"]) == (1, 2)


def test_plug_ins_are_found_in_maps_and_as_options_of_others():
    values = {
        "rewards": {"mine": {"use": "judge", "judge": {"use": "endpoint"}}},
        "scorer": "robust",
        "data": {"evaluate": {"test": {"use": "mmau"}}},
    }
    assert {keys: kind for keys, _, kind in plugin_places(values)} == {
        ("rewards", "mine"): "reward",
        ("rewards", "mine", "judge"): "judge",
        ("scorer",): "scorer",
        ("data", "evaluate", "test"): "data",
    }
