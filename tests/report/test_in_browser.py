"""The viewer in Debian's Chromium: what a reader does, with hostile text in every place."""

import json

import numpy as np
import pytest

from rlaudio.report.page import write_report
from rlaudio.viewer.clips import encode
from rlaudio.viewer.records import ClipToHear, Column, Viewed, ViewedCompletion, ViewedGroup
from rlaudio.viewer.viewer_page import PageHead, PageTable, write_viewer_page
from tests.browser import browser
from tests.made_up_run import made_up_run

pytestmark = pytest.mark.slow

BAD = "<img src=x onerror=alert(1)></script><script>alert(2)</script>\"'&"


def beep(number: int):
    seconds = 20.0 if number == 0 else 0.5  # the first one still plays when a busy machine looks again
    time = np.arange(round(16_000 * seconds)) / 16_000
    return encode(0.3 * np.sin(2 * np.pi * (300 + 40 * number) * time), 16_000)


def completion(group: int, at: int) -> ViewedCompletion:
    return ViewedCompletion(
        f"<think>{BAD}</think><answer>number {group} {at}</answer>",
        {"total": float(10 * group + at), BAD: at / 4, "advantage": at - 1.5},
        frozenset({"right"} if at % 2 else {f"odd {BAD}"}),
        stop_reason="length" if at == 3 else "stop",
        title=BAD if at == 0 else "",
        pieces=("<think>", BAD, "</think>", f"<answer>number {group} {at}</answer>"),
        tints={f"log-prob {BAD}": np.array([-0.1, -2.0, 0.5, -9.0])},
    )


def question(number: int) -> ViewedGroup:
    return ViewedGroup(
        question_id=f"q{number % 3}{BAD}",
        question=f"Which sound is number {number}? {BAD}",
        completions=[completion(number, at) for at in range(4)],
        options=["a dog", BAD],
        gold=1,
        stage=f"rl {BAD}",
        step=number,
        facts={f"category {BAD}": f"{('sound', 'music')[number % 2]} {BAD}"},
        values={"contribution": number / 10},
        clips=[
            ClipToHear(f"clip {number} {BAD}", lambda: beep(number))
            if number != 5
            else ClipToHear(BAD, absent=f"gone {BAD}")
        ],
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "page.html"
    viewed = Viewed(
        [question(number) for number in range(30)],
        [
            Column("total", "total", BAD),
            Column(BAD, "reward", BAD),
            Column("advantage", "advantage"),
            Column("contribution", of_group=True),
        ],
        {"right": BAD, f"odd {BAD}": BAD},
        f"All of them {BAD}.",
        {f"log-prob {BAD}": BAD},
    )
    table = PageTable(BAD, [BAD, BAD], [[BAD, BAD]], BAD)
    head = PageHead(BAD, BAD, [(BAD, BAD)], [(BAD, BAD)], [table])
    return write_viewer_page(path, head, viewed)


@pytest.fixture(scope="module")
def shared_tab(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture
def tab(shared_tab, page):
    """The page just opened; whatever a test does, the browser has nothing to complain about."""
    shared_tab.complaints.clear()
    shared_tab.open(page)
    yield shared_tab
    shared_tab.run("1")
    assert shared_tab.complaints == []
    assert shared_tab.run("document.querySelectorAll('img, iframe, object').length") == 0


def press(tab, key):
    tab.run(f"document.body.dispatchEvent(new KeyboardEvent('keydown', {{key: {key!r}, bubbles: true}}))")


def texts(tab, selector):
    return tab.run(f"[...document.querySelectorAll({selector!r})].map(node => node.textContent)")


def totals(tab):
    return [float(text) for text in texts(tab, ".listing td.total")]


def count(tab):
    return tab.run("document.querySelector('.count').textContent")


def click(tab, selector):
    tab.run(f"document.querySelector({selector!r}).click()")


def test_every_text_is_shown_as_it_stands(tab):
    assert count(tab) == "120 completions of 120, in 30 groups"
    assert tab.run("document.querySelector('h1').textContent") == BAD
    click(tab, ".listing tbody tr")
    shown = tab.run("document.querySelector('.detail').textContent")
    assert shown.count(BAD) > 10
    assert texts(tab, ".detail .choices li") == ["a dog", f"{BAD} gold"]


def test_a_column_sorts_down_up_and_back(tab):
    for first in (293.0, 0.0, 0.0):
        click(tab, '[data-sort="total"]')
        shown = totals(tab)
        assert shown[0] == first
    assert len(shown) == 60
    click(tab, ".more")
    assert totals(tab) == [10.0 * group + at for group in range(30) for at in range(4)]


def test_filters_narrow_what_is_listed_and_exported(tab):
    click(tab, ".flag-pick input")
    assert count(tab) == "60 completions of 120, in 30 groups"
    tab.run(
        "(() => { const pick = [...document.querySelectorAll('.pick')]"
        ".find(node => node.textContent.startsWith('category')).querySelector('select');"
        "pick.selectedIndex = 1; pick.dispatchEvent(new Event('change')); })()"
    )
    assert count(tab) == "30 completions of 120, in 15 groups"
    tab.run("URL.createObjectURL = blob => { window.exported = blob; return 'blob:nothing'; }")
    tab.run("HTMLAnchorElement.prototype.click = () => {}")
    click(tab, ".export")
    rows = [json.loads(line) for line in tab.run("window.exported.text()").splitlines()]
    assert len(rows) == 30 and {row["step"] % 2 for row in rows} == {1}
    assert rows[0]["values"]["total"] == 11.0 and rows[0]["flags"] == ["right"]
    assert rows[0]["completion"] == f"<think>{BAD}</think><answer>number 1 1</answer>"
    click(tab, ".clear")
    assert count(tab) == "120 completions of 120, in 30 groups"


@pytest.mark.parametrize(("words", "listed"), [("number 17", 4), ('"number 17 2"', 1), ("nowhere", 0)])
def test_search_finds_words_and_quoted_text(tab, words, listed):
    tab.run(
        f"(() => {{ const field = document.querySelector('input[type=search]'); field.value = {words!r};"
        "field.dispatchEvent(new Event('input')); })()"
    )
    tab.wait(f"document.querySelector('.count').textContent.startsWith('{listed} completion')")


def test_a_link_opens_a_group_and_keys_go_on_from_there(tab, page):
    click(tab, ".listing tbody tr:nth-child(5)")
    view = tab.run("location.hash")
    assert "number 1?" in tab.run("document.querySelector('.detail h3').textContent")
    tab.open(page, view)
    assert "number 1?" in tab.run("document.querySelector('.detail h3').textContent")
    assert len(texts(tab, ".completion")) == 4
    for _ in range(4):
        press(tab, "j")
    assert "number 2?" in tab.run("document.querySelector('.detail h3').textContent")
    press(tab, "k")
    assert tab.run("document.querySelector('.completion.chosen').dataset.place") == "3"
    press(tab, "Escape")
    assert texts(tab, ".detail article") == []


def test_a_question_is_followed_over_steps_and_tokens_are_tinted(tab):
    click(tab, ".listing tbody tr")
    assert len(texts(tab, ".over button")) == 10
    click(tab, ".over button:nth-of-type(2)")
    assert "number 3?" in tab.run("document.querySelector('.detail h3').textContent")
    tab.run(
        "(() => { const pick = document.querySelector('.tinting select');"
        "pick.selectedIndex = 1; pick.dispatchEvent(new Event('change')); })()"
    )
    pieces = texts(tab, ".completion:first-child .answer span")
    assert pieces == ["<think>", BAD, "</think>", "<answer>number 3 0</answer>"]
    tints = tab.run("[...document.querySelectorAll('.answer span')].slice(0, 4).map(n => n.style.background)")
    assert len(set(tints)) == 4 and "mismatch" in tints[0] and "audio" in tints[2]


def test_groups_are_listed_with_bars_and_sorted_by_their_means(tab):
    tab.run(
        "(() => { const pick = [...document.querySelectorAll('.pick')]"
        ".find(node => node.textContent.startsWith('rows')).querySelector('select');"
        "pick.selectedIndex = 1; pick.dispatchEvent(new Event('change')); })()"
    )
    assert len(texts(tab, ".by-group tbody tr")) == 30 and len(texts(tab, ".by-group .group i")) == 120
    click(tab, '[data-sort="contribution"]')
    assert totals(tab)[:2] == [292.0, 282.0]


# Pointer events in one task: those that a busy browser makes of a mouse's come late, merged or not at all.
DRAG_OVER_WAVE = """(() => {
  const wave = document.querySelector('.wave'), box = wave.getBoundingClientRect();
  const place = (share) => ({
    clientX: box.x + share * box.width, clientY: box.y + box.height / 2,
    button: 0, pointerId: 1, pointerType: 'mouse', bubbles: true, composed: true,
  });
  const { clientX, clientY } = place(0.3);
  const above = document.elementFromPoint(clientX, clientY);
  if (above.closest('.wave') !== wave) throw Error('something is over the wave');
  const inside = wave.firstElementChild.shadowRoot.elementFromPoint(clientX, clientY);
  inside.dispatchEvent(new PointerEvent('pointerdown', place(0.3)));
  for (let step = 1; step <= 10; step += 1)
    inside.dispatchEvent(new PointerEvent('pointermove', place(0.3 + 0.02 * step)));
  inside.dispatchEvent(new PointerEvent('pointerup', place(0.5)));
})()"""


def test_a_clip_plays_and_a_stretch_of_it_is_played_in_a_circle(tab):
    click(tab, ".listing tbody tr")
    tab.wait("!!document.querySelector('.wave > div')?.shadowRoot.querySelector('canvas')")
    click(tab, ".play")
    tab.wait("!document.querySelector('.time').textContent.startsWith('0.0')")
    assert tab.run("document.querySelector('.play').getAttribute('aria-label')") == "pause"
    assert tab.run("document.querySelector('.time').textContent").endswith(" / 20.0 s")
    click(tab, ".play")
    tab.run(DRAG_OVER_WAVE)
    tab.wait("!document.querySelector('.whole').hidden")
    tab.run("new Promise(done => setTimeout(done, 500))")  # the drag is over
    click(tab, ".whole")
    tab.wait("document.querySelector('.whole').hidden")


def test_a_clip_goes_on_playing_while_tokens_are_tinted_otherwise(tab):
    click(tab, ".listing tbody tr")
    tab.wait("!!document.querySelector('.wave > div')?.shadowRoot.querySelector('canvas')")
    click(tab, ".play")
    tab.wait("!document.querySelector('.time').textContent.startsWith('0.0')")
    tab.run(
        "(() => { const pick = document.querySelector('.tinting select');"
        "pick.selectedIndex = 1; pick.dispatchEvent(new Event('change')); })()"
    )
    assert tab.run("document.querySelector('.play').getAttribute('aria-label')") == "pause"
    assert not tab.run("document.querySelector('.time').textContent.startsWith('0.0')")


def test_a_clip_that_is_not_there_says_why(tab):
    click(tab, ".listing tbody tr:nth-child(21)")
    assert tab.run("document.querySelector('.absent').textContent") == f"No audio. {BAD}: gone {BAD}"


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_nothing_is_cut(tab, page, dark):
    tab.open(page, width=390, dark=dark)
    click(tab, ".listing tbody tr")
    assert tab.run("document.documentElement.scrollWidth") <= 390
    beyond = (
        "[...document.querySelectorAll('#viewer *')].filter(node => {"
        "const box = node.getBoundingClientRect(); return box.width && box.right > innerWidth + 1 })"
        ".map(node => node.className || node.tagName)"
    )
    assert tab.run(beyond) == []


def test_the_curves_of_a_run_are_drawn_smoothed_and_read(shared_tab, tmp_path):
    shared_tab.complaints.clear()
    run = made_up_run(tmp_path / "run", sft_steps=3, rl_steps=20, questions=(20, 20, 8))
    shared_tab.open(write_report(run))
    shared_tab.run("dispatchEvent(new Event('beforeprint'))")
    charts = shared_tab.run("document.querySelectorAll('[data-chart]').length")
    assert charts > 15 and shared_tab.run("document.querySelectorAll('.uplot canvas').length") == charts
    legends = "document.querySelector('[data-chart] .u-legend').textContent"
    assert shared_tab.run(legends).startswith("step3entropy0.")  # the last values, for want of a pointer
    shared_tab.run(
        "(() => { const field = document.getElementById('smoothing'); field.value = 0.8;"
        "field.dispatchEvent(new Event('input')); })()"
    )
    assert shared_tab.run("document.querySelectorAll('.hidden-series').length") >= charts
    assert shared_tab.run("document.querySelector('.smoothing span').textContent") == "0.80"
    assert shared_tab.run("document.querySelectorAll('.listing tbody tr').length") == 60
    assert shared_tab.complaints == []
