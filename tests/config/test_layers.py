"""What a recipe's file may hold."""

import gzip

import pytest

from rlaudio.config.recipe import load_recipe
from tests.config.conftest import PARENT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1, 2\nb: 3\n", r"r\.yaml:2: not valid YAML"),
        ("a: 1\na: 2\n", r"r\.yaml:2: a is given twice"),
        ("a: &x 1\nb: *x\n", r"r\.yaml:2: .*aliases"),
        ("- 1\n", "expected a map"),
        ("", "expected a map"),
        ("a: !!python/object:os.system 1\n", r"r\.yaml:1: a: tags .* are not supported"),
        ("data: {train: 3}\n", r"r\.yaml:1: data\.train: expected a data plug-in"),
        ("rewards: [format]\n", r"r\.yaml:1: rewards: "),
        ("sampling: 3\n", r"r\.yaml:1: sampling: expected a map"),
    ],
)
def test_bad_yaml_is_told_with_file_and_line(write, text, message):
    with pytest.raises(ValueError, match=message):
        load_recipe(write("r.yaml", text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: 010", "seed: 010 is to YAML a number to base 60 or 8"),
        ("seed: 1:30", "seed: 1:30 is to YAML a number to base 60 or 8"),
        ("seed: " + "9" * 5000, "seed: a number of 5,000 digits"),
        ("seed: 9223372036854775808", "seed: 9223372036854775808 does not fit into 64 bits"),
        ("seed: 2020-13-45", "seed: .*valid integer.*'2020-13-45'"),
        ("seed: 2020-10-10", "seed: .*valid integer.*'2020-10-10'"),
        ("seed: true", "seed: expected a number; found a bool"),
        ("optimizer: {lr: .inf}", "optimizer.lr: .*finite number; found inf"),
        ("algorithm: {kl: .nan}", "algorithm.kl: .*finite number; found nan"),
        ("algorithm: {kl: inf}", "algorithm.kl: .*finite number; found 'inf'"),
        ("algorithm: {kl: yes}", "algorithm.kl: .*expected a number; found True"),
        ("name: !!bool maybe", "name: tags .*bool. are not supported"),
        ("prompt: {system: !!binary aGk=}", "prompt.system: tags .*binary. are not supported"),
        ("name: " + "[" * 5000, "name.*: more than 50 maps and lists in each other"),
        ("name: {{a: 1}: 2}", "name.*: a key must be a word"),
        ('name: "a\x07b"', r"not valid YAML: the sign U\+0007 cannot stand in text"),
        ("name: a\x00b", r"not valid YAML: the sign U\+0000 cannot stand in text"),
        ('prompt: {system: "a\\eb"}', r"prompt.system: .*holds the character U\+001B; expected text"),
        ("prompt: {system: " + "a" * 100_001 + "}", "prompt.system: .*at most 100000 characters"),
        ('prompt: {system: "\\ud800"}', r"prompt.system: .*U\+D800, which is no text"),
        ('data: {"\\ud800": 1}', r"data.\?: .*U\+D800, which is no text"),
        ("sft: {<<: {lr: 1}}", "sft.<<: unknown key '<<'"),
        ("---\nseed: 1", "not valid YAML: .*another document"),
        ("sft:\n\tlr: 1", "not valid YAML: found character .*; write spaces"),
        ("model: {path: ~nobody-is-called-so}", "model.path: no path '~nobody-is-called-so'"),
        ('model: {path: "a\\0b/"}', r"model.path: .*U\+0000, which is no text"),
        ("rewards: {format: {reward: 1}}", "rewards.format.reward: reward format: unknown option 'reward'"),
        ("name: ../../x", "name: expected a name, not a path"),
        ("data: {evaluate: {../x: {use: synthetic}}}", r"data.evaluate.\.\./x: expected a name, not a path"),
        ("data: {evaluate: {/abs: synthetic}}", "data.evaluate./abs: expected a name, not a path"),
        ("rewards: {a/b: {use: format}}", "rewards.a/b: expected a name, not a path"),
        ("sampling: {max_lag: 1}", "sampling.max_lag: completions of older weights need"),
    ],
)
def test_a_value_that_no_recipe_can_mean_is_told_with_line_and_key(write, parent, text, said):
    path = write("odd.yaml", f"extends: parent.yaml\n{text}\n")
    with pytest.raises(ValueError, match=rf"^{path}:[234]: {said}"):
        load_recipe(path)


@pytest.mark.parametrize("content", [b"name: x\nseed: \xff\n", b"\n\x1f\x8b\x08"])
def test_bytes_that_are_not_utf8_are_told_with_their_line(tmp_path, content):
    (tmp_path / "r.yaml").write_bytes(content)
    with pytest.raises(ValueError, match=r"r\.yaml:[12]: not UTF-8 text"):
        load_recipe(tmp_path / "r.yaml")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gzip.compress(b"seed: 1", mtime=0), "is compressed by gzip; expected YAML in UTF-8; unpack it"),
        ("seed: 1".encode("utf-16"), "is text in UTF-16; expected YAML in UTF-8; .* -f UTF-16 -t UTF-8"),
        ("# é\nseed: 1".encode("utf-16-be"), "is text in UTF-16; expected .* -f UTF-16BE -t UTF-8"),
        ("seed: 1".encode("utf-16-le"), "is text in UTF-16; expected .* -f UTF-16LE -t UTF-8"),
        ("seed: 1".encode("utf-32-be"), "is text in UTF-32; expected .* -f UTF-32BE -t UTF-8"),
        (b"<html></html>", "is an HTML or XML page, .*; expected YAML in UTF-8; fetch the file again"),
    ],
)
def test_a_recipe_that_is_no_text_in_utf8_is_told_with_what_it_is(tmp_path, content, said):
    (tmp_path / "r.yaml").write_bytes(content)
    with pytest.raises(ValueError, match=rf"r\.yaml: {said}"):
        load_recipe(tmp_path / "r.yaml")


def test_an_escape_that_is_no_character_is_told_with_its_line(tmp_path):
    (tmp_path / "r.yaml").write_text('seed: 1\nname: "\\U00110000"\n')
    with pytest.raises(ValueError, match=r"r\.yaml:2: not valid YAML: \\U00110000 is no character; expected"):
        load_recipe(tmp_path / "r.yaml")


def test_a_byte_order_mark_is_skipped(tmp_path):
    (tmp_path / "r.yaml").write_bytes(b"\xef\xbb\xbf" + PARENT.encode())
    assert load_recipe(tmp_path / "r.yaml").curriculum.use == "weak_to_strong"


def test_a_file_too_large_for_a_recipe_is_not_read(tmp_path):
    with (tmp_path / "r.yaml").open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(
        ValueError, match=r"r\.yaml: 2,147,483,648 bytes; expected YAML .*; is it the path of a recipe\?$"
    ):
        load_recipe(tmp_path / "r.yaml")
