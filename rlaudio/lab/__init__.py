"""The reward lab: what a reward would have done to the completions of a run, and how it could be cheated.

stored.py        the completions of a run folder that rewards scored
rescoring.py     a reward's values for them: failures, prints and seconds told, not thrown
credit_again.py  the advantages that totals give under the run's algorithm
trial.py         one or two rewards on the same completions: the numbers
trial_text.py    these numbers as text
lints.py         a table of small functions that look for ways to cheat a reward
lint_silence.py  the one that asks what silence would have answered
probes.py        the made-up completions that lints try
examination.py   a reward on a corpus of strange completions, adversarial.py
new_reward.py    the file of a new reward and its test
"""
