"""The model card of an exported thinker: what opens the folder."""

CARD = """# A thinker of Qwen2.5-Omni, trained by rlaudio

`rlaudio evaluate FOLDER --data FILE` evaluates it, `-o model.path=FOLDER` trains it further. In transformers,
asked about a clip (mono, 16 kHz):

```python
import soundfile
from transformers import AutoFeatureExtractor, AutoTokenizer, Qwen2_5OmniThinkerForConditionalGeneration

folder = "FOLDER"
model = Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(folder)
tokenizer = AutoTokenizer.from_pretrained(folder)
feature_extractor = AutoFeatureExtractor.from_pretrained(folder)

samples, rate_hz = soundfile.read("CLIP.wav", dtype="float32")
heard = feature_extractor(
    samples, sampling_rate=rate_hz, padding="max_length", return_attention_mask=True, return_tensors="pt"
)
frames = int(heard.attention_mask.sum())
clip = "<|audio_bos|>" + (((frames - 1) // 2 + 1 - 2) // 2 + 1) * "<|AUDIO|>" + "<|audio_eos|>"

chat = [{"role": "user", "content": clip + "How many sounds are heard?"}]
prompt = tokenizer.apply_chat_template(
    chat, add_generation_prompt=True, return_dict=True, return_tensors="pt"
)
tokens = model.generate(
    **prompt,
    input_features=heard.input_features,
    feature_attention_mask=heard.attention_mask,
    max_new_tokens=8,
)
print(tokenizer.decode(tokens[0]).replace("<|AUDIO|>", ""))
```

`AutoProcessor`, which joins tokenizer and feature extractor, also opens image and video parts and needs
`pip install torchvision`. vLLM opens the folder as it is. There is no talker: the model answers in text.
"""
