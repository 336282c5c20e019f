"""Files of a run folder that others wrote."""

import pytest

from rlaudio.runs import shapes
from rlaudio.runs.stored_files import StoredFiles


@pytest.mark.parametrize("name", ["../secret.json", "link.json", "folder/secret.json"])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path, name):
    (tmp_path / "secret.json").write_text("{}")
    run = tmp_path / "run"
    run.mkdir()
    (run / "link.json").symlink_to(tmp_path / "secret.json")
    (run / "folder").symlink_to(tmp_path)
    with pytest.raises(ValueError, match=r"leads to .*secret\.json, outside the run folder"):
        StoredFiles(run).json(name, shapes.MAP)


def test_a_run_folder_may_be_a_link_itself(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "x.json").write_text('{"a": 1}')
    (tmp_path / "run").symlink_to(tmp_path / "there")
    assert StoredFiles(tmp_path / "run").json("x.json", shapes.MAP) == {"a": 1}
