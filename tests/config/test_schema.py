"""What a recipe says of the files that it names."""

from rlaudio.config.recipe import load_recipe

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
