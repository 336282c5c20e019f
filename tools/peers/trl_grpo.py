"""A few GRPO steps of TRL on a text model. usage: trl_grpo.py MODEL PROMPTS.json STEPS NEW_TOKENS LR OUT"""

import json
import os
import sys
from pathlib import Path

from datasets import Dataset
from step_times import letter_share, watch
from transformers import AutoTokenizer
from trl import GRPOConfig, GRPOTrainer

model, prompts, steps, new_tokens, lr, out = sys.argv[1:]
task = json.loads(Path(prompts).read_text(encoding="utf-8"))
watch(GRPOTrainer, os.environ["STEP_TIMES"])
GRPOTrainer(
    model=model,
    reward_funcs=lambda completions, **_: [letter_share(text) for text in completions],
    args=GRPOConfig(
        output_dir=out,
        use_cpu=True,
        bf16=False,
        per_device_train_batch_size=len(task["prompts"]) // int(steps) * task["group"],
        num_generations=task["group"],
        max_completion_length=int(new_tokens),
        generation_kwargs={"suppress_tokens": task["forbidden"]},
        temperature=1.0,
        beta=0.0,
        learning_rate=float(lr),
        lr_scheduler_type="constant",
        max_steps=int(steps),
        gradient_checkpointing=False,
        save_strategy="no",
        report_to="none",
        logging_steps=1,
        model_init_kwargs={"dtype": "float32"},
    ),
    train_dataset=Dataset.from_list([{"prompt": text} for text in task["prompts"]]),
    processing_class=AutoTokenizer.from_pretrained(model, padding_side="left"),
).train()
