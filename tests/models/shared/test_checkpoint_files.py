"""Models named as on the hub: found in its local cache at a commit, or told of with all places looked at."""

import json
import shutil
from pathlib import Path

import huggingface_hub.constants
import pytest

from rlaudio.config.plugins import load
from rlaudio.models.shared.checkpoint_files import check_config, described_folder, has_weights, local_folder
from rlaudio.models.shared.describing import model_size
from rlaudio.models.shared.model_paths import resolve_model_path
from tests.hub_cache import cached_model

NAME = "Somebody/Omni-Tiny"
OLD, NEW = "a" * 40, "b" * 40
TINY = Path(resolve_model_path("tiny/base"))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The hub's cache on this machine, empty, and no network."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_a_name_is_the_latest_snapshot_and_a_pinned_name_that_of_its_commit(cache):
    old = cached_model(cache, NAME, TINY, commit=OLD)
    new = cached_model(cache, NAME, TINY, commit=NEW)  # now the latest
    assert local_folder(NAME) == str(new)
    assert local_folder(f"{NAME}@{OLD}") == described_folder(f"{NAME}@{OLD}") == str(old)


def test_plans_read_the_config_of_the_pinned_commit(cache):
    old = cached_model(cache, NAME, TINY, commit=OLD)
    cached_model(cache, NAME, TINY, commit=NEW)
    config = json.loads((old / "config.json").read_text())
    config["thinker_config"]["text_config"]["intermediate_size"] = 700
    (old / "config.json").write_text(json.dumps(config))
    named, pinned = (model_size("qwen2_5_omni", {"path": path}) for path in (NAME, f"{NAME}@{OLD}"))
    assert (named.decoder.feed_forward, pinned.decoder.feed_forward) == (384, 700)


def test_a_commit_that_is_not_here_is_told_with_all_places(cache):
    cached_model(cache, NAME, TINY, commit=NEW)
    with pytest.raises(FileNotFoundError) as error:
        local_folder(f"{NAME}@{OLD}")
    said = str(error.value)
    assert "looked for config.json, tokenizer.json, preprocessor_config.json and weights in " in said
    assert f"{cache}/models--Somebody--Omni-Tiny/snapshots/{OLD}; expected" in said
    with pytest.raises(FileNotFoundError, match=f"looked in .*/snapshots/{OLD}; expected a folder with"):
        model_size("qwen2_5_omni", {"path": f"{NAME}@{OLD}", "dtype": "bfloat16"})  # not described above


def test_a_family_opens_a_pinned_name(cache):
    folder = cached_model(cache, NAME, TINY, commit=OLD)
    family = load("model", "qwen2_5_omni")(path=f"{NAME}@{OLD}", device="cpu")
    assert family.path == str(folder)
    assert sum(p.numel() for p in family.blank().parameters()) > 1e6


def test_without_its_weights_a_model_of_the_hub_has_the_names_and_shapes_of_its_config(cache):
    folder = cached_model(cache, NAME, TINY, commit=OLD, weights=False)
    whole = load("model", "qwen2_5_omni")(path="tiny/base", device="cpu", dtype="bfloat16", lora_rank=2)
    family = load("model", "qwen2_5_omni")(path=NAME, device="cpu", dtype="bfloat16", lora_rank=2)
    assert not has_weights(str(folder))
    described, real = (
        {n: (p.shape, p.dtype, p.requires_grad) for n, p in f.blank().named_parameters()}
        for f in (family, whole)
    )
    assert described == real
    with pytest.raises(ValueError, match="its weights cannot be read"):
        _ = family.model


def test_weights_are_all_the_files_that_their_index_names(tmp_path):
    (tmp_path / "model-1.safetensors").touch()
    assert has_weights(str(tmp_path))
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert not has_weights(str(tmp_path))
    (tmp_path / "model-2.safetensors").touch()
    assert has_weights(str(tmp_path))


OWN_TOKENIZER = """
from pathlib import Path
from transformers import Qwen2TokenizerFast

Path(__file__).with_name("ran").touch()

class Own(Qwen2TokenizerFast):
    pass
"""


def test_a_tokenizer_of_its_own_code_runs_only_where_the_recipe_says_so(tmp_path, monkeypatch):
    import transformers.dynamic_module_utils as modules

    monkeypatch.setattr(modules, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    folder = shutil.copytree(TINY, tmp_path / "model")
    (folder / "own.py").write_text(OWN_TOKENIZER)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config |= {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": ["own.Own", "own.Own"]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))

    def ran() -> bool:
        return any(tmp_path.rglob("ran"))

    open_family = load("model", "qwen2_5_omni")
    assert type(open_family(path=str(folder), device="cpu").tokenizer).__name__ != "Own"
    assert not ran()
    family = open_family(path=str(folder), device="cpu", trust_remote_code=True)
    assert ran() and type(family.tokenizer).__name__ == "Own"


@pytest.mark.parametrize(
    "config", ['{"model_type": "gemma4", "audio_config": null}', '{"model_type": "gemma4"}']
)
def test_a_model_of_a_family_that_does_not_hear_is_refused(config):
    with pytest.raises(ValueError, match=r"config.json has no audio_config: .* or name a model that hears$"):
        check_config("config.json", config.encode(), ("gemma4",))
