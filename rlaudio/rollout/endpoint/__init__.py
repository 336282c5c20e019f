"""Models behind OpenAI-compatible servers: they answer questions for evaluations, labels and judges."""
