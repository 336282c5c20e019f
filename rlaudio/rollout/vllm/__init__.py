"""Rollouts by vLLM: an engine in this process or beside it, and a server."""
