"""The page that `rlaudio reward try --page` writes, as a reader has it."""

import pytest
from click.testing import CliRunner

from rlaudio.cli import main
from tests.browser import browser
from tests.lab.stored_runs import RIGHT, WRONG, learned, write_run

pytestmark = pytest.mark.slow

HOSTILE = "<answer>a cat</answer></script><script>alert('model')</script>"
LENGTHY = "def lengthy(question, completion):\n    return 0.1 * len(completion.text)\n"


@pytest.fixture
def page(tmp_path):
    (tmp_path / "lengthy.py").write_text(LENGTHY, encoding="utf-8")
    groups = [learned(f"q{number}", RIGHT, WRONG, HOSTILE, RIGHT) for number in range(3)]
    run = write_run(tmp_path / "run", {1: groups, 2: groups[:1]})
    page = tmp_path / "trial.html"
    words = ["reward", "try", str(tmp_path / "lengthy.py"), "--run", str(run), "--page", str(page)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    return page


def test_the_page_of_a_trial_shows_its_numbers_and_filters_its_completions(page, tmp_path):
    with browser(tmp_path / "profile") as tab:
        tab.open(page)

        def count():
            return tab.run("document.querySelector('.count').textContent")

        assert tab.run("document.querySelector('h1').textContent") == "lengthy on run"
        facts = tab.run("document.body.textContent")
        assert "groups with spread, lengthy" in facts and "4 before, 4 after, of 4" in facts
        assert count() == "16 completions of 16, in 4 groups"
        tab.run(
            "[...document.querySelectorAll('.flag-pick')].find(pick => pick.textContent.startsWith('right'))"
            ".querySelector('input').click()"
        )
        assert count() == "8 completions of 16, in 4 groups"
        tab.run(
            "(() => { const pick = [...document.querySelectorAll('.pick')]"
            ".find(node => node.textContent.startsWith('step')).querySelector('select');"
            "pick.selectedIndex = 2; pick.dispatchEvent(new Event('change')); })()"
        )
        assert count() == "2 completions of 16, in 1 group"
        tab.run("document.querySelector('.clear').click()")
        tab.run("document.querySelector('[data-sort=\"lengthy (tried)\"]').click()")
        highest = tab.run("document.querySelector('.listing tbody .text').textContent")
        assert highest == max((RIGHT, WRONG, HOSTILE), key=len)
        tab.run("document.querySelector('.listing tbody tr').click()")
        assert HOSTILE in tab.run("document.querySelector('.detail').textContent")
        assert tab.complaints == []
