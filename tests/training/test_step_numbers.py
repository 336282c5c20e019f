"""What the terminal says of the steps since its last line."""

from rlaudio.training.step_numbers import StepNumbers


def test_means_are_over_the_steps_since_the_last_call():
    numbers = StepNumbers()
    numbers.add({"reward/total": 1.0, "rollout/length": 4.0, "loss/total": 9.0})
    numbers.add({"reward/total": 2.0, "rollout/length": 6.0, "loss/kl": 0.125})
    assert numbers.take() == "reward 1.5, length 5, kl 0.125"
    numbers.add({"reward/total": 3.0})
    assert numbers.take() == "reward 3"
    assert numbers.take() == ""


def test_of_sft_the_loss_is_shown():
    numbers = StepNumbers()
    numbers.add({"loss/total": 3.80168, "loss/entropy": 3.5})
    assert numbers.take() == "loss 3.8"
