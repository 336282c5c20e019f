"""How much the audio contributes to an answer: voters, their answers in silence, labels."""
