"""From a question to the prompt that training and sampling both consume."""
