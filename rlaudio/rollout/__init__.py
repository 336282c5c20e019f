"""Rollout workers: engines that complete prompts with the policy's current weights."""
