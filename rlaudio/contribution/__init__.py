"""How much the audio contributes to an answer: voters, their answers in silence, labels."""

THRESHOLD = 2  # voters right in silence that make a question weak; the paper's, arXiv:2509.21060
VOTE = "vote"  # the method that is the paper's
