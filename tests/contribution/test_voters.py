"""The models of voters."""

from rlaudio.contribution.voters import folder_digest


def test_the_digest_of_a_model_folder_changes_with_its_content_and_names(tmp_path):
    def digest(name: str, content: str) -> str:
        folder = tmp_path / f"{name}-{content}"
        folder.mkdir()
        (folder / name).write_text(content)
        return folder_digest(folder)

    assert len({digest("model", "x"), digest("model", "y"), digest("config", "x")}) == 3
