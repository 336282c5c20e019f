"""What a file of YAML may hold, and where each of its values stands."""

import gzip

import pytest

from rlaudio.utils.yaml_layers import read_layer


@pytest.fixture
def read(tmp_path):
    def read(text):
        (tmp_path / "r.yaml").write_text(text, encoding="utf-8")
        return read_layer(tmp_path / "r.yaml", tmp_path)

    return read


def test_every_value_knows_its_line(read):
    layer = read("a: 1\nb:\n  c: [x,\n    y]\n")
    assert layer.values == {"a": 1, "b": {"c": ["x", "y"]}}
    lines = {keys: origin.where.rpartition(":")[2] for keys, origin in layer.origins.items()}
    assert lines == {
        (): "1",
        ("a",): "1",
        ("b",): "2",
        ("b", "c"): "3",
        ("b", "c", 0): "3",
        ("b", "c", 1): "4",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1, 2\nb: 3\n", r"r\.yaml:2: not valid YAML"),
        ("a: 1\na: 2\n", r"r\.yaml:2: a is given twice"),
        ("a: &x 1\nb: *x\n", r"r\.yaml:2: .*aliases"),
        ("- 1\n", "expected a map"),
        ("", "expected a map"),
        ("a: !!python/object:os.system 1\n", r"r\.yaml:1: a: tags .* are not supported"),
    ],
)
def test_bad_yaml_is_told_with_file_and_line(read, text, message):
    with pytest.raises(ValueError, match=message):
        read(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: 010", "seed: 010 is to YAML a number to base 60 or 8"),
        ("seed: 1:30", "seed: 1:30 is to YAML a number to base 60 or 8"),
        ("seed: " + "9" * 5000, "seed: a number of 5,000 digits"),
        ("seed: 9223372036854775808", "seed: 9223372036854775808 does not fit into 64 bits"),
        ("name: !!bool maybe", "name: tags .*bool. are not supported"),
        ("prompt: {system: !!binary aGk=}", "prompt.system: tags .*binary. are not supported"),
        ("name: " + "[" * 5000, "name.*: more than 50 maps and lists in each other"),
        ("name: {{a: 1}: 2}", "name.*: a key must be a word"),
        ('name: "a\x07b"', r"not valid YAML: the sign U\+0007 cannot stand in text"),
        ("seed: 1\nname: a\u2028b", r"not valid YAML: the sign U\+2028 cannot stand in text"),
        ("name: a\x85b", r"not valid YAML: the sign U\+0085 cannot stand in text"),
        ("name: a\x00b", r"not valid YAML: the sign U\+0000 cannot stand in text"),
        ('prompt: {system: "\\ud800"}', r"prompt.system: .*U\+D800, which is no text"),
        ('data: {"\\ud800": 1}', r"data.\?: .*U\+D800, which is no text"),
        ("---\nseed: 1", "not valid YAML: .*another document"),
        ("name:\xa0x\nseed: 1", "not valid YAML: .*; U.00A0 in line 2 is no space to YAML; write a space"),
        ("sft:\n  lr: 1\n \u200bx: 1", r"not valid YAML: .*; U\+200B in line 4 is no space to YAML; write"),
        ("sft:\n\tlr: 1", "not valid YAML: found character .*; write spaces"),
        ('model: {path: "a\\0b/"}', r"model.path: .*U\+0000, which is no text"),
    ],
)
def test_a_value_that_no_file_can_mean_is_told_with_line_and_key(read, text, said):
    with pytest.raises(ValueError, match=rf"r\.yaml:[234]: {said}"):
        read(f"first: 1\n{text}\n")


@pytest.mark.parametrize("content", [b"name: x\nseed: \xff\n", b"\n\x1f\x8b\x08"])
def test_bytes_that_are_not_utf8_are_told_with_their_line(tmp_path, content):
    (tmp_path / "r.yaml").write_bytes(content)
    with pytest.raises(ValueError, match=r"r\.yaml:[12]: not UTF-8 text"):
        read_layer(tmp_path / "r.yaml", tmp_path)


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
        read_layer(tmp_path / "r.yaml", tmp_path)


def test_an_escape_that_is_no_character_is_told_with_its_line(tmp_path):
    (tmp_path / "r.yaml").write_text('seed: 1\nname: "\\U00110000"\n')
    with pytest.raises(ValueError, match=r"r\.yaml:2: not valid YAML: \\U00110000 is no character; expected"):
        read_layer(tmp_path / "r.yaml", tmp_path)


def test_a_byte_order_mark_is_skipped(tmp_path):
    (tmp_path / "r.yaml").write_bytes(b"\xef\xbb\xbfseed: 1")
    assert read_layer(tmp_path / "r.yaml", tmp_path).values == {"seed": 1}


def test_a_file_too_large_for_a_recipe_is_not_read(tmp_path):
    with (tmp_path / "r.yaml").open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(
        ValueError, match=r"r\.yaml: 2,147,483,648 bytes; expected YAML .*; is it the path of a recipe\?$"
    ):
        read_layer(tmp_path / "r.yaml", tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        'note: "a\xa0b"\nseed: 1\ndata: [x\n',
        "note:\xa0a\nseed: 1\ndata: [x\n",
        'data: [x, "a:\xa0b\\"", \'-\xa0c\'  # d:\xa0e\n',
        "data: [x\xa0y\n",
        "note: a\xa0b\r\rdata: [x\n",
    ],
)
def test_a_space_that_is_not_at_fault_is_not_told(read, text):
    with pytest.raises(ValueError, match="not valid YAML: ") as refusal:
        read(text)
    assert "no space" not in str(refusal.value)
