"""Questions about a folder of labelled recordings, from any words that people said into a microphone."""

from rlaudio.data.recordings.make import Made, make_questions

__all__ = ["Made", "make_questions"]
