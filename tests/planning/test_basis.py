"""A prompt's text is as long in a plan as in a run."""

from rlaudio.config.recipe import load_recipe
from rlaudio.planning.assumptions import Assumptions
from rlaudio.planning.basis import STAND_INS
from rlaudio.planning.hardware import GPUS
from rlaudio.planning.plan import plan
from rlaudio.prompts.builder import PromptBuilder
from tests.conftest import tone


def test_text_of_a_prompt_is_counted_as_the_family_encodes_it(shared_family):
    recipe = load_recipe("tiny_weak_to_strong")
    clip = tone(1.0, 1)
    prompts = PromptBuilder(shared_family, system=recipe.prompt.system)
    user = prompts.family.encode_prompt(STAND_INS[0], recipe.prompt.system, _user_text(recipe), [clip])
    planned = plan(recipe, GPUS["h100"], Assumptions(seconds=1.0))
    assert planned.stages[1].tokens.prompt == len(user.token_ids)


def _user_text(recipe):
    from rlaudio.prompts.wording import render_user_text

    return render_user_text(STAND_INS[0])
