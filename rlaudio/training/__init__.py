"""Training: packing groups into batches, log-probs of the policy, the optimizer step, checkpoints."""
