"""The main numbers of a run."""

from rlaudio.runs.summary import build_summary


def tables(audio, strong=None):
    """An evaluation of all questions, and of strong ones, with audio."""

    def line(accuracy):
        return {"scores": {"audio": {"accuracy": accuracy}}}

    return {
        "tables": {"all": {"all": line(audio)}, "contribution": {"strong": line(strong)} if strong else {}}
    }


def summary(evaluations, labels=None):
    return build_summary(
        evaluations=evaluations,
        labels=labels,
        seconds={"sft": 1.0},
        peak_memory_gb=0.5,
        rollouts=3,
        optimizer_tokens=4,
    )


def test_accuracy_is_of_the_first_set_and_every_set_has_a_line():
    stages = {
        "base": {"a": tables(0.2, strong=0.1), "b": tables(0.3)},
        "sft": {"a": tables(0.4)},
        "final": {"a": tables(0.6), "b": tables(0.7)},
    }
    made = summary(stages)
    assert [made["accuracy"][when]["all"]["audio"] for when in stages] == [0.2, 0.4, 0.6]
    assert made["accuracy"]["base"]["strong"] == {"audio": 0.1, "silence": None, "mismatch": None}
    assert made["held_out"] == {
        "a": {"base": 0.2, "sft": 0.4, "final": 0.6},
        "b": {"base": 0.3, "sft": None, "final": 0.7},
    }


def test_base_and_final_are_there_though_they_were_not_measured():
    made = summary({})
    assert list(made["accuracy"]) == ["base", "final"]
    assert made["accuracy"]["final"]["weak"]["audio"] is None and made["held_out"] == {}
    assert made["labels"] == {"precision": None, "recall": None, "f1": None}


def test_the_quality_of_labels_is_that_of_all_questions():
    quality = {"precision": 0.5, "recall": 0.25, "f1": 1 / 3}
    assert summary({}, {"tables": {"all": {"all": {"quality": quality}}}})["labels"] == quality
    assert summary({}, {"tables": {"all": {"all": {"quality": None}}}})["labels"]["f1"] is None
