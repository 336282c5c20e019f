"""What libmpg123 prints does not reach the terminal, and what others print does."""

from __future__ import annotations

import os

from rlaudio.audio.decoder_output import decoder_output

ERROR = b"[src/libmpg123/layer3.c:INT123_do_layer3():1804] error: dequantization failed!\n"
WARNING = (
    b"Warning: Xing stream size off by more than 1%, fuzzy seeking may be even more fuzzy than by design!\n"
)


def test_lines_of_the_decoder_are_kept_and_other_lines_are_passed_on(capfd):
    with decoder_output() as said:
        os.write(2, b"loss 0.3\n" + ERROR + b"loss 0.2\n" + WARNING)
    assert capfd.readouterr().err == "loss 0.3\nloss 0.2\n"
    assert said.lines == [ERROR, WARNING] and said.damage


def test_a_warning_is_no_damage_and_a_line_of_another_program_neither(capfd):
    with decoder_output() as said:
        os.write(2, WARNING + b"Warning: error: something else\n")
    assert not said.damage
    assert capfd.readouterr().err == "Warning: error: something else\n"


def test_the_terminal_comes_back_after_an_error(capfd):
    try:
        with decoder_output():
            raise ValueError
    except ValueError:
        os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
