"""Which settings a recipe may have, alone and together, and what it says of the files that it names."""

import pytest

from rlaudio.config.recipe import Recipe, load_recipe
from rlaudio.config.schema import field_table


def test_every_field_is_described():
    assert not [key for key, _, _, meaning in field_table() if not meaning]


def test_silence_is_seconds_or_clip(parent):
    assert load_recipe(parent, ["contribution.silence=1.5"]).contribution.silence == 1.5
    assert load_recipe(parent, ["contribution.silence=clip"]).contribution.silence == "clip"


def labels_of(recipe):
    """What evaluation, voters and the reward answer_correctness are scored by."""
    reward = recipe.reward_plugins()["answer_correctness"]
    return [*recipe.evaluation_scorers()], recipe.voting_scorer().label, reward.options["scorer"].label


@pytest.mark.parametrize(
    ("overrides", "scorers"),
    [
        (
            [],
            (["robust", "exact"], "robust", "exact"),
        ),  # the recipe's for all but the reward, which names one
        (["rewards.answer_correctness.scorer=null"], (["robust"], "robust", "robust")),
        (["scorer=exact"], (["exact"], "exact", "exact")),
        (["scorer=exact", "evaluation.scorer=robust"], (["robust", "exact"], "exact", "exact")),
        (["contribution.scorer=exact"], (["robust", "exact"], "exact", "exact")),
        (["scorer={use: robust, letters: true}"], (["robust_letters", "exact"], "robust_letters", "exact")),
        (
            ["rewards.answer_correctness.scorer={use: robust, letters: true}"],
            (["robust", "robust_letters"], "robust", "robust_letters"),
        ),
    ],
)
def test_one_scorer_is_for_all_that_name_none_of_their_own(parent, overrides, scorers):
    assert labels_of(load_recipe(parent, overrides)) == scorers


def test_a_resolved_recipe_still_takes_one_scorer_for_all(parent, write):
    text = load_recipe(parent, ["rewards.answer_correctness.scorer=null"]).to_yaml()
    again = load_recipe(write("resolved.yaml", text), ["scorer=exact"])
    assert labels_of(again) == (["exact"], "exact", "exact")


def test_a_users_scorer_is_found_beside_the_file_that_names_it(write, parent):
    mine = write("sub/mine.py", "def mine(question, text, *, strict: bool = False): ...")
    named = "{use: ./mine.py, strict: true}"
    keys = [f"scorer: {named}", f"evaluation: {{scorer: {named}}}", f"contribution: {{scorer: {named}}}"]
    keys.append(f"rewards: {{answer_correctness: {{scorer: {named}}}}}")
    child = write("sub/child.yaml", "\n".join(["extends: ../parent.yaml", *keys]))
    recipe = load_recipe(child)
    assert labels_of(recipe) == (["mine_strict"], "mine_strict", "mine_strict")
    assert recipe.user_files() == [mine]
    assert load_recipe(write("elsewhere/recipe.yaml", recipe.to_yaml())).scorers() == recipe.scorers()


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("rewards={format: {weight: 0}, answer_correctness: {weight: 0}}", r"rewards: every weight is 0"),
        ("evaluation.controls=[audio, silence, audio]", r"evaluation\.controls: .*audio stands twice"),
        (
            "data.evaluate={a.b: {use: jsonl, path: a}, A.b: {use: jsonl, path: a}}",
            r"data\.evaluate\.A\.b: 'a\.b' and 'A\.b' would share a file",
        ),
        (
            "data.evaluate={a: {use: jsonl, path: a}, A: {use: jsonl, path: a}}",
            r"data\.evaluate\.A: 'a' and 'A' would share a file",
        ),
        ("contribution.silence=1e9", r"contribution\.silence: .* less than or equal to 3600"),
        (
            "contribution.voters=['endpoint:http://x#m', 'endpoint:http://x/v1/#m']",
            r"contribution\.voters: one is named twice",
        ),
        ("sampling.temperature=1e-30", r"sampling\.temperature: .* greater than or equal to 0\.01"),
    ],
)
def test_settings_that_would_do_nothing_or_the_same_twice_are_refused(parent, override, told):
    with pytest.raises(ValueError, match=told):
        load_recipe(parent, [override])


def test_two_scorers_of_one_name_are_refused(write, parent):
    mine = write("exact.py", "def exact(question, text): ...")
    with pytest.raises(
        ValueError, match=rf"call two scorers 'exact': {mine} and .*scorers/exact\.py; rename"
    ):
        load_recipe(parent, [f"scorer={mine}"])


def test_a_budget_of_the_run_needs_a_rate_that_does_not_end():
    with pytest.raises(ValueError, match=r"training\.run_tokens: the last stage goes on .* cosine has a"):
        load_recipe("sft_all_qwen2_5_omni_7b", ["training.run_tokens=5"])


def test_the_table_names_a_text_by_its_type():
    assert {key: kind for key, kind, _, _ in field_table()}["prompt.system"] == "str"


NUMBERS = [
    (key, annotation) for key, annotation, _, _ in field_table() if {"int", "float"} & set(annotation.split())
]


def test_every_number_of_the_schema_has_a_smallest_and_a_largest_value():
    assert NUMBERS == []  # `int` and `float` have none, `Count` and its like have


@pytest.mark.parametrize(
    ("override", "bound"),
    [
        ("pretrain={steps: 1000000000000}", "1000000000"),
        ("training.save_every=1000000000000000000", "1000000000"),
        ("sampling.questions=1000000001", "1000000000"),
        ("optimizer.lr=11", "10"),
        ("optimizer.weight_decay=2", "1"),
        ("rewards.format.weight=-1e10", "-1000000000"),
        ("threads=100000", "4096"),
        ("sampling.temperature=1e10", "100"),
    ],
)
def test_a_number_beyond_all_use_is_refused(parent, override, bound):
    with pytest.raises(ValueError, match=rf"(less|greater) than or equal to {bound}; found"):
        load_recipe(parent, [override])


def test_fewer_voters_than_the_threshold_are_refused(parent):
    with pytest.raises(ValueError, match="threshold: 2 is out of reach of 1 voter; lower it"):
        load_recipe(parent, ["contribution.voters=[tiny/base]"])


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("contribution.voters=[tiny/voter_a, tiny/voter_a]", "named twice"),
        ("pretrain={hidden: 100}", "multiple of 32"),
        ("rewards.total={use: format}", "metric reward/total exists"),
        ("evaluation={every: 5}", r"^-o .*: evaluation\.every: needs a held-out set"),
        ("evaluation={batch_questions: 0}", "evaluation.batch_questions"),
        ("mismatch={logprobs: paper, correct: token}", "corrects nothing; set one of them to its default"),
    ],
)
def test_values_that_would_fail_later_are_refused_at_once(write, override, said):
    text = "extends: base/tiny\ncurriculum: sft_only\ndata: {evaluate: {test: null}}\n"
    with pytest.raises(ValueError, match=said):
        load_recipe(write("mine.yaml", text), [override])


def test_voters_stay_where_what_is_made_of_them_changes():
    recipe = load_recipe("tiny_weak_to_strong", ["contribution.use=options", "contribution.weak_from=0.4"])
    assert recipe.contribution.use.spec() == {"use": "options", "weak_from": 0.4, "with_audio": True}
    assert len(recipe.contribution.voters) == 3 and recipe.contribution.silence == 3.0
    assert recipe.contribution.threshold is None


def test_a_contribution_is_written_as_it_is_read():
    recipe = load_recipe("tiny_weak_to_strong", ["contribution.threshold=3"])
    written = recipe.model_dump(mode="json")["contribution"]
    assert (written["use"], written["threshold"], written["silence"]) == ("vote", 3, 3.0)
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["contribution={threshold: 1}", "contribution.use=options"],
            r"would drop options of vote: threshold \(-o .*\); to begin anew",
        ),
        (["contribution.treshold=1"], "unknown option 'treshold'; did you mean 'threshold'"),
        (["contribution.voter=[a]"], "unknown key 'voter'; did you mean 'voters'"),
        (["contribution.use=opts"], "unknown contribution 'opts'; did you mean 'options'"),
        (["contribution.threshold=0"], "0 makes every question weak; expected 1 or more"),
        (["contribution.threshold=4"], "4 is out of reach of 3 voters; lower it"),
        (["contribution.threshold=two"], "option threshold: Input should be a valid integer"),
    ],
)
def test_a_contribution_that_cannot_be_measured_is_told_by_its_key(overrides, said):
    with pytest.raises(ValueError, match=said):
        load_recipe("tiny_weak_to_strong", overrides)


JUDGED = "rewards.graded={{use: judge, judge: {{use: endpoint, url: 'http://h', model: m, prompt: {}}}}}"


def test_every_kind_of_plugin_that_a_recipe_names_by_path_is_watched_and_those_that_ship_are_not(
    recipe_file, tmp_path
):
    sources = {
        "answer": "def answer(question, completion): ...",
        "method": "def method(): ...",
        "engine": "def engine(family): ...",
        "order": "def order(questions, contributions, rng): ...",
        "rows": "def rows(): ...",
        "family": "def family(*, path: str = ''): ...",
        "shards": "def shards(module, settings, processes): ...",
    }
    files = {name: tmp_path / f"{name}.py" for name in sources}
    for name, source in sources.items():
        files[name].write_text(source, encoding="utf-8")
    given = {"rewards.answer": "answer", "algorithm": "method", "rollout": "engine", "curriculum": "order"}
    given |= {"data.evaluate.more": "rows", "model": "family", "strategy": "shards"}
    recipe = load_recipe(recipe_file, [f"{key}={{use: {files[name]}}}" for key, name in given.items()])
    assert recipe.user_files() == sorted(files.values())
    assert load_recipe(recipe_file).user_files() == []


def test_files_that_plugins_read_are_those_of_their_parts_too_and_none_of_data(recipe_file, tmp_path):
    prompt, questions = tmp_path / "prompt.txt", tmp_path / "q.jsonl"
    prompt.write_text("{text}", encoding="utf-8")
    questions.touch()
    of_data = f"data.evaluate.more={{use: jsonl, path: {questions}}}"
    recipe = load_recipe(recipe_file, [JUDGED.format(prompt), of_data])
    assert recipe.read_files() == [prompt]
    assert recipe.user_files() == []
