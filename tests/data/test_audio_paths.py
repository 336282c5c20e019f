"""Audio paths of data files: below the audio root, or allowed to leave it."""

from __future__ import annotations

from pathlib import Path

import pytest

from rlaudio.data.audio_paths import AudioRoot
from rlaudio.utils.cache_root import cache_root


@pytest.fixture
def root(tmp_path) -> Path:
    """A folder `root` with a clip, beside a secret that it does not hold."""
    (tmp_path / "root" / "clips").mkdir(parents=True)
    (tmp_path / "root" / "clips" / "a.wav").touch()
    (tmp_path / "secret.wav").touch()
    return tmp_path / "root"


@pytest.mark.parametrize("stated", ["clips/a.wav", "./clips/a.wav", "clips/../clips/a.wav", "gone.wav"])
def test_a_path_below_the_root_is_one_path_however_it_is_written(root, stated):
    name = "gone.wav" if stated == "gone.wav" else "clips/a.wav"
    assert AudioRoot(root).path(stated) == root / name


def test_an_absolute_path_below_the_root_is_taken(root):
    assert AudioRoot(root).path(str(root / "clips" / "a.wav")) == root / "clips" / "a.wav"


@pytest.mark.parametrize("stated", ["../secret.wav", "clips/../../secret.wav", "/etc/hostname", ".."])
def test_a_path_that_leaves_the_root_is_refused(root, stated):
    with pytest.raises(ValueError, match=r"a file below .*root, and it leads to .*outside_root"):
        AudioRoot(root).path(stated)


def test_a_wider_root_is_advised_for_absolute_paths_alone(root):
    with pytest.raises(ValueError, match="set audio_root to a folder above all files"):
        AudioRoot(root).path("/etc/hostname")
    with pytest.raises(ValueError, match=r"secret\.wav; set outside_root to true"):
        AudioRoot(root).path("../secret.wav")


@pytest.mark.parametrize("link", ["link.wav", "folder"])
def test_a_link_that_leaves_the_root_is_refused(root, link):
    (root / link).symlink_to(root.parent / "secret.wav" if link == "link.wav" else root.parent)
    stated = link if link == "link.wav" else f"{link}/secret.wav"
    with pytest.raises(ValueError, match=r"leads to .*secret\.wav"):
        AudioRoot(root).path(stated)


def test_a_link_within_the_root_and_a_root_that_is_a_link_are_fine(root):
    (root / "b.wav").symlink_to(root / "clips" / "a.wav")
    (root.parent / "other").symlink_to(root)
    other = root.parent / "other"
    assert AudioRoot(other).path("b.wav") == other / "b.wav"


def test_links_in_a_circle_are_refused(root):
    (root / "loop.wav").symlink_to(root / "loop.wav")
    with pytest.raises(ValueError, match="a path, not: "):
        AudioRoot(root).path("loop.wav/a.wav")


def test_paths_may_leave_a_root_where_the_data_is_trusted(root):
    assert AudioRoot(root, outside=True).path("/etc/a.wav") == Path("/etc/a.wav")


def test_generated_clips_may_be_named_from_anywhere(root):
    clip = cache_root() / "synthetic" / "clips" / "1.wav"
    assert AudioRoot(root).path(str(clip)) == clip


@pytest.mark.parametrize("before", ["", "below.wav"])
def test_a_file_at_the_root_of_the_disk_is_not_one_at_the_audio_root(root, before):
    paths = AudioRoot(root)
    if before:
        assert paths.path(before) == root / before
    with pytest.raises(ValueError, match=r"leads to /below\.wav; set audio_root"):
        paths.path("/below.wav")
