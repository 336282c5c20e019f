"""What libraries print on their own account, and rlaudio does not want to pass on."""

from __future__ import annotations


def quiet_transformers() -> None:
    """Turn off transformers' progress bars, and its warnings about unused parts of Qwen2.5-Omni."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
