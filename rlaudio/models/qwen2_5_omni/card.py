"""The model card of an exported thinker: what opens the folder."""

CARD = """# A thinker of Qwen2.5-Omni, trained by rlaudio

`rlaudio evaluate FOLDER --data FILE` evaluates it, `-o model.path=FOLDER` trains it further. In transformers:

```python
from transformers import AutoFeatureExtractor, AutoTokenizer, Qwen2_5OmniThinkerForConditionalGeneration

folder = "FOLDER"
model = Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(folder)
tokenizer = AutoTokenizer.from_pretrained(folder)
feature_extractor = AutoFeatureExtractor.from_pretrained(folder)

chat = [{"role": "user", "content": "How many sounds are heard?"}]
prompt = tokenizer.apply_chat_template(
    chat, add_generation_prompt=True, return_dict=True, return_tensors="pt"
)
tokens = model.generate(**prompt, max_new_tokens=8)
print(tokenizer.decode(tokens[0]))
```

`AutoProcessor`, which joins tokenizer and feature extractor, also opens image and video parts and needs
`pip install torchvision`. vLLM opens the folder as it is. There is no talker: the model answers in text.
"""
