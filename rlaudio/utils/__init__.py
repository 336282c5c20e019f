"""Small things that know nothing of audio or training."""
