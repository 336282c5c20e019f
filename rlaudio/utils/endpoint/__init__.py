"""Asking OpenAI-compatible servers: for evaluations and labels, and for judges of open answers."""
