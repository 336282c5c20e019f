"""The chat format of Qwen's models: a system turn, the user's, and the opening of the assistant's."""

BEFORE_USER = "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n"
AFTER_USER = "<|im_end|>\n<|im_start|>assistant\n"
