"""Model families, one file or folder each: from questions to token ids, features and hidden states."""
