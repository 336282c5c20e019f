"""Where servers are, or are started."""

import pytest

from rlaudio.rollout.vllm.server_opening import Place, check_servers


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (
            Place(("http://a:1",), 2, None, 1),
            r"rollout\.urls names servers that run; leave rollout\.replicas",
        ),
        (
            Place(("http://a:1", "http://a:1"), 1, None, 1),
            r"names http://a:1 twice; expected every server once",
        ),
        (Place((), 0, None, 1), r"rollout\.replicas is 0; expected at least 1"),
        (Place((), 2, None, 2), r"rollout\.replicas is 2; name 4 GPUs for them in rollout\.gpus"),
        (Place((), 3, "4,5", 1), r"names 2, .* of 3 servers \(rollout\.replicas\); expected 3"),
        (Place((), 2, "5,5", 1), r"rollout\.gpus names GPU 5 twice"),
    ],
)
def test_places_that_servers_cannot_have_are_refused(place, said, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3,4,5")
    with pytest.raises(ValueError, match=said):
        check_servers(place, True, None)


def test_every_replica_gets_as_many_gpus_as_the_model_is_split_over():
    assert Place((), 2, "4, 5,6,7", 2).gpus_of_each == ["4,5", "6,7"]
    assert Place((), 2, None, 1).gpus_of_each == [None, None]
