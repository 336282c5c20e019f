"""From 0 to 1, how good a judge finds the answer: for questions whose answer is a text of its own.

The judge, a model behind an endpoint or a function of yours, compares with the reference answer and gives 1
to 5. Thoughts are not shown to it. All answers of a step are asked about together. Where it fails, or its
verdict cannot be read, there is no value, never 0: `reward_failures` says how many of a step may have none.
"""

from rlaudio.answers import answer_text
from rlaudio.scorers.judging import HIGHEST, LOWEST, Judge, asked, awaited, naming, overall
from rlaudio.types import Completion, Question


async def judge(question: Question, completion: Completion, *, judge: Judge) -> float:
    """(score - 1) / 4 for the judge's overall score from 1 to 5."""
    with naming(question):
        score = overall(await awaited(judge, asked(question, answer_text(completion.text))), judge)
    return (score - LOWEST) / (HIGHEST - LOWEST)
