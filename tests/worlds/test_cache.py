"""Names of generated data change with the code that generates it."""

from rlaudio.worlds.cache import cache_folder, digest_of, source_digest


def test_a_digest_is_over_parts_and_their_boundaries():
    assert digest_of([b"ab", b"c"]) != digest_of([b"a", b"bc"]) != digest_of([b"abc"])
    assert digest_of(iter([b"ab", b"c"])) == digest_of([b"ab", b"c"]) and len(digest_of([])) == 12


def test_the_digest_of_source_follows_python_files_alone(tmp_path):
    (tmp_path / "b.py").write_text("1")
    (tmp_path / "a.py").write_text("2")
    before = source_digest(tmp_path)
    (tmp_path / "README.md").write_text("x")
    assert source_digest(tmp_path) == before
    (tmp_path / "a.py").write_text("3")
    assert source_digest(tmp_path) != before


def test_data_of_a_kind_lies_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("worlds").is_relative_to(tmp_path) and cache_folder("worlds").name == "worlds"
