"""The scripts of a page: as vendored, with their licenses, and unable to end the element they stand in."""

import hashlib
import json
from pathlib import Path

import rlaudio
from rlaudio.viewer.assets import assets

VENDORED = Path(rlaudio.__file__).parent / "viewer" / "vendored"
PACKAGES = json.loads((VENDORED / "PINNED.json").read_text(encoding="utf-8"))


def test_every_vendored_file_is_the_one_that_was_pinned():
    pinned = {file["to"]: file["sha256"] for package in PACKAGES for file in package["files"]}
    there = {path.name for path in VENDORED.iterdir()} - {"PINNED.json"}
    assert there == set(pinned)
    for name, digest in pinned.items():
        assert hashlib.sha256((VENDORED / name).read_bytes()).hexdigest() == digest, name


def test_every_license_and_version_goes_with_its_script():
    for package in PACKAGES:
        [licensed] = [file["to"] for file in package["files"] if file["to"].endswith("LICENSE")]
        assert (VENDORED / licensed).read_text(encoding="utf-8") in assets().scripts
        assert f"version {package['version']}" in assets().scripts
    assert {package["license"] for package in PACKAGES} <= {"MIT", "BSD-3-Clause"}


def test_the_scripts_are_small_and_ask_for_nothing_beside_them():
    assert len(assets().scripts) < 280_000
    assert "sourceMappingURL" not in assets().scripts
    assert assets().scripts.count("</script>") == assets().scripts.count("<script>") == 5
