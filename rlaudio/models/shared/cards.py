"""Model cards of exported folders: what opens them and asks about a clip."""

from __future__ import annotations

_CARD = """# {name}, trained by rlaudio

`rlaudio evaluate FOLDER --data FILE` evaluates it, `-o model.path=FOLDER` trains it further. In transformers,
asked about a clip (mono, 16 kHz):

```python
{library}
from transformers import AutoProcessor, {model_class}

folder = "FOLDER"
model = {model_class}.from_pretrained(folder)
processor = AutoProcessor.from_pretrained(folder)

{reading}
asked = [{asked}]
inputs = processor.apply_chat_template(
    [{{"role": "user", "content": asked}}],
    tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt",
)
tokens = model.generate(**inputs, max_new_tokens=8)
print(processor.batch_decode(tokens[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)[0])
```
"""


_SAMPLES = {
    "library": "import soundfile",
    "reading": 'samples, rate_hz = soundfile.read("CLIP.wav", dtype="float32")',
    "clip": '"audio": samples',
}
_FILE = {
    "library": "import base64",
    "reading": 'encoded = base64.b64encode(open("CLIP.wav", "rb").read()).decode()',
    "clip": '"base64": encoded',
}


def processor_card(name: str, model_class: str, *, takes_files: bool = False, clip_last: bool = False) -> str:
    """The card of a model whose processor transformers opens from the folder.

    It takes samples, or files; the clip stands before the text, or behind it.
    """
    way = _FILE if takes_files else _SAMPLES
    parts = [f'{{"type": "audio", {way["clip"]}}}', '{"type": "text", "text": "How many sounds are heard?"}']
    asked = ", ".join(reversed(parts) if clip_last else parts)
    return _CARD.format(
        name=name, model_class=model_class, asked=asked, library=way["library"], reading=way["reading"]
    )
