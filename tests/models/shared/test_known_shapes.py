"""Plans of published models need neither their weights nor a network: shapes that the library knows."""

import huggingface_hub.constants
import pytest

from rlaudio.models.shared.describing import model_size
from rlaudio.models.shared.known_shapes import QWEN2_5_OMNI_3B

# Parameters of what is loaded here: without talker and vocoder.
PUBLISHED = [
    # Names and shapes of the checkpoint, counted in huggingface.co/Qwen/Qwen2.5-Omni-7B/discussions/17.
    ("qwen2_5_omni", "Qwen/Qwen2.5-Omni-7B", 8_931_813_888),
    # By hand from config.json: test_the_counts_of_3b_by_hand.
    ("qwen2_5_omni", "Qwen/Qwen2.5-Omni-3B", 4_703_464_448),
    # 16,794,189,824 bytes in bfloat16: total_size of model.safetensors.index.json.
    ("qwen2_audio", "Qwen/Qwen2-Audio-7B-Instruct", 8_397_094_912),
    ("audio_flamingo3", "nvidia/audio-flamingo-3-hf", 8_267_215_360),
    ("voxtral", "mistralai/Voxtral-Mini-3B-2507", 4_676_271_104),
    ("voxtral", "mistralai/Voxtral-Small-24B-2507", 24_261_800_960),
    ("qwen3_omni", "Qwen/Qwen3-Omni-30B-A3B-Instruct", 31_719_205_488),
    # Of the files' numbers those that are loaded: test_gemma_4_loads_what_its_layers_use.
    ("gemma4", "google/gemma-4-E2B-it", 5_104_297_504),
    ("gemma4", "google/gemma-4-E4B-it", 7_941_100_832),
]


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))


@pytest.mark.parametrize(("family", "path", "parameters"), PUBLISHED)
def test_a_published_model_has_the_parameters_of_its_config(family, path, parameters):
    size = model_size(family, {"path": path, "dtype": "bfloat16"})
    assert size.parameters == parameters
    assert size.source.startswith(f"the known shape of {path}:")


def test_a_pinned_revision_has_the_shape_of_its_name():
    pinned = model_size("qwen2_audio", {"path": "Qwen/Qwen2-Audio-7B@0123abc"})
    assert pinned.parameters == 8_397_094_912


def test_the_counts_of_3b_by_hand():
    """The language model is Qwen2.5-3B, 3.09 billion with embeddings (arXiv:2412.15115), and has a head."""
    text = QWEN2_5_OMNI_3B["text_config"]
    d, f, vocabulary = text["hidden_size"], text["intermediate_size"], text["vocab_size"]
    kv = d // text["num_attention_heads"] * text["num_key_value_heads"]
    attention = (d * d + d) + 2 * (d * kv + kv) + d * d
    layers = text["num_hidden_layers"] * (attention + 3 * d * f + 2 * d) + d
    size = model_size("qwen2_5_omni", {"path": "Qwen/Qwen2.5-Omni-3B"})
    assert (
        size.parameters_of("language model", "input embeddings") == layers + vocabulary * d == 3_085_938_688
    )
    assert size.parameters_of("output head") == vocabulary * d
    # The tower is Whisper large v3's encoder, with a projection to d.
    whole = model_size("qwen2_5_omni", {"path": "Qwen/Qwen2.5-Omni-7B"})
    same = "audio tower"
    assert size.parameters_of(same) == whole.parameters_of(same)


def test_of_the_experts_of_30b_a3b_a_token_meets_3_billion_parameters():
    """30.5 billion, 3.3 billion of them activated, as Qwen3-30B-A3B (arXiv:2505.09388, table 2)."""
    size = model_size("qwen3_omni", {"path": "Qwen/Qwen3-Omni-30B-A3B-Instruct"})
    d = size.decoder
    assert size.parameters_of("language model", "router", "input embeddings", "output head") == 30_532_646_912
    block = 2 * d.width * (d.query_width + d.kv_width) + 3 * d.width * d.feed_forward + d.router
    met = d.layers * block + 2 * d.vocabulary * d.width
    assert met == pytest.approx(3.3e9, rel=0.02)


@pytest.mark.parametrize(
    ("size", "in_files", "d", "kv_heads", "layers", "sharing", "full"),
    [("E2B", 5_123_178_051, 1536, 1, 35, 20, 4), ("E4B", 7_996_156_490, 2560, 2, 42, 18, 3)],
)
def test_gemma_4_loads_what_its_layers_use(size, in_files, d, kv_heads, layers, sharing, full):
    """The numbers in its files, as the hub counts them.

    Beside the parameters they hold keys and values of layers that take those of another, of which `full` have
    no window and heads of 512, and a factor of each layer that does not train.
    """
    widths = [256] * (sharing - full) + [512] * full
    unused = sum(2 * d * kv_heads * width + width for width in widths)  # two products, and the keys' norm
    loaded = model_size("gemma4", {"path": f"google/gemma-4-{size}-it"})
    assert loaded.parameters == in_files - unused - layers


def test_the_layers_of_gemma_4_by_hand():
    """E2B has 15 layers with keys and values of their own, 3 of them without a window."""
    size = model_size("gemma4", {"path": "google/gemma-4-E2B-it"})
    attention = 28 * 2 * 1536 * 8 * 256 + 7 * 2 * 1536 * 8 * 512 + 2 * 1536 * (12 * 256 + 3 * 512)
    feed_forward = 3 * 1536 * (15 * 6144 + 20 * 12_288)
    for_layers = 35 * 3 * 1536 * 256
    d = size.decoder
    counted = 2 * d.width * (d.query_width + d.kv_width) + 3 * d.width * d.feed_forward
    assert d.layers * counted == pytest.approx(attention + feed_forward + for_layers, rel=1e-3)
    assert size.parameters_of("per layer embeddings") == 262_144 * 35 * 256
