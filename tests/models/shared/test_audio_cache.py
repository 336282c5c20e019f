"""Cached audio: its limit, and threads that read it while others add."""

import pytest
import torch

from rlaudio.models.qwen2_5_omni import Qwen2_5Omni
from rlaudio.models.shared.audio_cache import AudioCache
from rlaudio.models.shared.front_ends import clips_of
from tests.conftest import TINY, make_prompt


def test_the_oldest_go_first():
    cache = AudioCache(limit=8)
    cache.add({"a": torch.zeros(1), "b": torch.zeros(1)})
    cache.add({"c": torch.zeros(1)})
    assert list(cache) == ["b", "c"]


@pytest.fixture
def frozen():
    """A model whose audio is cached, of which no clip fits."""
    return Qwen2_5Omni(path=TINY, device="cpu", freeze=("audio_tower", "projector"), audio_cache_mb=0)


def test_a_clip_that_another_thread_pushes_out_is_still_there_for_who_has_seen_it(frozen, monkeypatch):
    held, new, others = (list(clips_of(make_prompt(frozen, seed))) for seed in range(3))
    expected = frozen._encode_audio([*held, *new])
    frozen._audio_cache.update({held[0].digest: frozen._encode_audio(held)})
    tower = frozen._run_tower

    def run_tower(clips):
        monkeypatch.setattr(frozen, "_run_tower", tower)
        frozen._encode_audio(others)  # as another thread would meanwhile
        assert held[0].digest not in frozen._audio_cache
        return tower(clips)

    monkeypatch.setattr(frozen, "_run_tower", run_tower)
    assert torch.equal(frozen._encode_audio([*held, *new]), expected)
