"""rlaudio: post-training of large audio language models where listening matters."""

__version__ = "0.1.0"
