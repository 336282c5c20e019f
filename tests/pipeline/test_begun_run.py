"""What a resumed run goes on from."""

import pytest

from rlaudio.pipeline.begun_run import reopened
from rlaudio.runs.folder import RunFolder


def test_a_run_whose_digests_were_removed_is_not_resumed(tmp_path):
    with RunFolder.create(tmp_path, "name: made_up\n") as folder:
        for name, content in (
            ("inputs.json", {"recipe": {}}),
            ("data.json", {"train": {}}),
            ("labels.json", {}),
        ):
            folder.write_json(name, content)
    reopened(tmp_path).close()
    (tmp_path / "digests.json").unlink()
    with pytest.raises(ValueError, match=r"digests\.json missing or emptied"):
        reopened(tmp_path)


def test_a_run_that_was_killed_as_it_began_keeps_digests_from_its_resume_on(tmp_path):
    RunFolder.create(tmp_path, "name: made_up\n").close()
    (tmp_path / "digests.json").unlink()
    reopened(tmp_path).close()
    assert (tmp_path / "digests.json").read_text() == "{}\n"
