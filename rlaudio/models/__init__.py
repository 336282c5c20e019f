"""Model families, one file each: from a question to token ids and features, and on to hidden states."""
