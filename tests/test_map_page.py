"""The map page: what Python writes, and, where there is Chromium with its driver, what a real browser makes of it."""

import json
import re
import shutil
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import RATE, likeness, made_index, sine, write_song

from soundalike import map_page, messages, playlists, similarity
from soundalike.library import keep_songs_folder
from soundalike.playlist_files import Entry
from soundalike.playlists import Rules
from soundalike.seeds import Seed, of_library
from soundalike.similarity import Index, distances
from soundalike.wording import how_alike

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
in_browser = pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no Chromium here: apt-get install chromium-driver")

HOSTILE = [
    "</script><script>document.title='ran'</script>",
    "<img src=x onerror=\"document.title='ran'\">",
    "a'b\"c&amp;",
]
TITLES = [*HOSTILE, "夜空 👩‍🎤", "x" * 1000, "#1 100% ?\\"]
ODD_FILES = {3: "é &#%?", 4: "..%2f..%2f..%2fetc%2fpasswd"}
SONGS = 60


def library(root: Path, count: int = SONGS) -> Index:
    """Make songs of six artists around six places, two of them one recording; the first six have files."""
    draw = np.random.default_rng(0)
    points = draw.standard_normal((6, 8))[np.arange(count) % 6] + 0.7 * draw.standard_normal((count, 8))
    names = [f"{n % 6}/{ODD_FILES.get(n, n)}.wav" for n in range(count)]
    titles = [TITLES[n] if n < len(TITLES) else f"Song {n}" for n in range(count)]
    sound = [f"{8 if n == 9 else n}" for n in range(count)]
    means = likeness(0.1, 0.3, np.linspace(0.2, 1.8, 101))
    artists = [f"Artist {'<b>' if n % 6 == 0 else n % 6}" for n in range(count)]
    songs = root / "songs"
    for name in names[:6]:
        write_song(songs / name, sine(440, 3))
    keep_songs_folder(root, songs)
    index = made_index(points, means, artist=artists, sound=sound, title=titles, song=names, album="Album")
    tags = [["rock" if n % 2 else "jazz", *["loud"] * (n % 3 == 0)] for n in range(count)]
    index = index._replace(songs=index.songs.assign(tempo=np.arange(count, dtype=float), tags=tags, kind="sung"))
    # In half precision, as the page has them, so that there is one order.
    return index._replace(points=index.points.astype(np.float16).astype(np.float32))


def songs_on(path: Path) -> list[dict]:
    columns, rows = data_of(path)["songs"].values()
    return [dict(zip(columns, row, strict=True)) for row in rows]


def data_of(path: Path) -> dict:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', path.read_text(), re.DOTALL)
    return json.loads(text)


def test_names_cannot_end_the_script_and_nothing_is_fetched(tmp_path):
    map_page.write_map(library(tmp_path), tmp_path, tmp_path / "report/map.html")
    text = (tmp_path / "report/map.html").read_text(encoding="utf-8")
    assert len(re.findall("<script", text)) == 2
    assert set(re.findall(r"https?://[^\"]*", text)) <= {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert "default-src 'none'; script-src 'sha256-" in text
    songs = songs_on(tmp_path / "report/map.html")
    assert [song["title"] for song in songs[:4]] == TITLES[:4]
    assert songs[3]["file"].endswith("/songs/3/%C3%A9%20%26%23%25%3F.wav")
    assert songs[8]["recording"] == songs[9]["recording"]


def test_few_songs_and_many_songs_have_places(tmp_path, monkeypatch):
    for count in (1, 2, 5):
        map_page.write_map(library(tmp_path, count), tmp_path, tmp_path / "map.html")
        assert len(songs_on(tmp_path / "map.html")) == count
    index = library(tmp_path)
    laid_out = similarity.map_positions(index, most=30)
    monkeypatch.setattr(similarity, "map_positions", lambda index: laid_out)
    places = map_page.places_of(index, tmp_path)
    assert np.isfinite(places).all()
    np.testing.assert_allclose(places[laid_out.index], laid_out[["x", "y"]])
    middles = np.array([places[n::6].mean(axis=0) for n in range(6)])
    own = np.linalg.norm(places[:, None] - middles, axis=2).argmin(axis=1) == np.arange(SONGS) % 6
    assert own.mean() > 0.8  # songs that were not laid out lie by their likes


def test_songs_stay_where_they_lay_and_new_ones_come_beside_their_likes(tmp_path, monkeypatch):
    whole, notes = library(tmp_path), []
    monkeypatch.setattr(messages, "listener", messages.Listener())
    monkeypatch.setattr(messages.listener, "note", notes.append)
    fewer = whole._replace(songs=whole.songs[:50], described=whole.described[:50], points=whole.points[:50])
    before = map_page.places_of(fewer, tmp_path)
    after = map_page.places_of(whole, tmp_path)
    np.testing.assert_allclose(after[:50], before, atol=1e-3)
    middles = np.array([before[n::6].mean(axis=0) for n in range(6)])
    beside = np.linalg.norm(after[50:, None] - middles, axis=2).argmin(axis=1)
    assert (beside == np.arange(50, 60) % 6).mean() >= 0.6  # by chance a sixth
    assert not notes
    few = whole._replace(songs=whole.songs[:30], described=whole.described[:30], points=whole.points[:30])
    map_page.places_of(few, tmp_path)
    again = map_page.places_of(whole, tmp_path)  # half is new
    assert len(notes) == 1
    assert not np.allclose(again, after)
    np.testing.assert_allclose(map_page.places_of(whole, tmp_path, anew=True), again)  # t-SNE comes out the same
    (tmp_path / map_page.PLACES).write_text("[]")
    np.testing.assert_allclose(map_page.places_of(whole, tmp_path), again)


# --- in a browser ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--window-size=1200,800",
        "--mute-audio",
        "--autoplay-policy=no-user-gesture-required",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.add_experimental_option("prefs", {"download.default_directory": str(tmp_path_factory.mktemp("saved"))})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    started.saved = Path(options.experimental_options["prefs"]["download.default_directory"])
    yield started
    started.quit()


@pytest.fixture
def page(browser, tmp_path):
    """The page, freshly opened; at its end nothing was complained of, and nothing fetched but from disk."""
    page = Opened(browser, library(tmp_path), tmp_path)
    browser.get((tmp_path / "map.html").as_uri())
    yield page
    asked = browser.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert [url for url in asked if not url.startswith((f"{(tmp_path / 'songs').as_uri()}/", "blob:"))] == []
    assert [line["message"] for line in browser.get_log("browser") if "file:///" not in line["message"][:8]] == []
    assert browser.title == "Songs that sound alike"


class Opened:
    """The page and what it shows."""

    def __init__(self, browser, index: Index, root: Path) -> None:
        self.browser, self.index, self.root = browser, index, root
        map_page.write_map(index, root, root / "map.html")

    def run(self, script: str):
        return self.browser.execute_script(script)

    def text(self, name: str) -> str:
        return self.run(f"return element('{name}').textContent")

    def click(self, song: int) -> None:
        from selenium.webdriver import ActionChains

        at, to = self.run(f"return [across({song}), down({song})]")
        canvas = self.run("return canvas")
        size = canvas.size
        moved = ActionChains(self.browser).move_to_element_with_offset(
            canvas, at - size["width"] / 2, to - size["height"] / 2
        )
        moved.click().perform()

    def seed(self, place: int) -> Seed:
        return of_library(place, self.index, self.root)


def until(met, seconds: float = 10.0) -> bool:
    """Wait for something to be so."""
    end = time.monotonic() + seconds
    while not met() and time.monotonic() < end:
        time.sleep(0.05)
    return met()


@in_browser
def test_a_click_plays_the_song_and_names_those_alike(page):
    front = next(song for song in range(6) if page.run(f"return songAt(across({song}), down({song}), 1)") == song)
    page.click(front)
    assert page.run("return state.song") == front
    assert page.text("title") == page.index.songs["title"][front]
    assert until(lambda: page.run("return audio.currentTime") > 0.2)
    assert page.run("return element('near').children.length") == 10
    assert page.run("return element('trouble').hidden") is not True or page.run("return audio.error") is None


@in_browser
def test_a_file_that_is_gone_is_said_to_be(page):
    page.run("choose(20)")
    assert until(lambda: not page.run("return element('trouble').hidden"))
    assert f"or it is no longer there: {page.root}/songs/2/20.wav (if your songs have moved" in page.text("trouble")
    page.browser.get_log("browser")  # the browser says so, too


@in_browser
def test_lists_are_those_of_python(page):
    for place in range(0, SONGS, 7):
        seeds = [page.seed(place), page.seed((place + 13) % SONGS)]
        for some in (seeds[:1], seeds):
            barred = np.any([seed.itself for seed in some], axis=0)
            per_artist = 1 + place % 2
            expected, why = playlists.fill(page.index, some, [], barred, Rules(12, per_artist))
            asked = [place, (place + 13) % SONGS][: len(some)]
            fill = f"const found = fill({asked}, 12, {per_artist});"
            found = page.run(f"{fill} return [found.songs, found.why, Array.from(found.apart)]")
            assert found[:2] == [list(expected.index), why.name.lower()]
            np.testing.assert_allclose([found[2][song] for song in found[0]], expected["distance"], atol=2e-3)
            words = page.run(f"return {found[0]}.map((song) => howAlike({found[2]}[song]))")
            assert words == [how_alike(found[2][song], page.index.likeness) for song in found[0]]


@in_browser
def test_what_songs_have_in_common_is_what_python_says(page):
    from soundalike.similarity import in_common, nearest_songs

    found = nearest_songs(page.index, page.index.described[7], np.arange(SONGS) == 7, 5)
    for other, row in found.iterrows():
        assert page.run(f"return inCommon(7, {other})") == in_common(row)


@in_browser
@pytest.mark.parametrize(("first", "last"), [(0, 1), (7, 30), (12, 41), (9, 50), (33, 2)])
def test_paths_are_those_of_python(page, first, last):
    ends = page.seed(first), page.seed(last)
    barred = ends[0].itself | ends[1].itself
    expected, _ = playlists.find_path(page.index, *ends, barred, Rules(6, 99), Counter())
    assert page.run(f"return findPath({first}, {last}, 6, 99)") == list(expected.index)
    assert len(expected) == 6
    # The last bits may decide which songs of an artist are left out, and a page has half of them.
    _, steps = playlists.find_path(page.index, *ends, barred, Rules(6, 1), Counter())
    way = page.run(f"return findPath({first}, {last}, 6, 1)")
    apart = [distances(page.index, page.index.described[place]) for place in (first, *way)]
    squares = [of_one[place] ** 2 for of_one, place in zip(apart, [*way, last], strict=True)]
    assert sum(squares) < 1.15 * np.square(steps).sum()
    assert page.index.songs["artist"].iloc[way].is_unique


@in_browser
@pytest.mark.parametrize("stops", [(0, 20, 1), (7, 41, 30, 12), (53, 19, 30)])
def test_ways_over_stops_are_those_of_python(page, stops):
    barred = np.logical_or.reduce([page.seed(stop).itself for stop in stops])
    legs = playlists.find_ways(page.index, [page.seed(stop) for stop in stops], barred, Rules(12, 99))
    expected = [stops[0]]
    for stop, (songs, _) in zip(stops[1:], legs, strict=True):
        expected += [*songs.index, stop]
    assert page.run(f"return findWay({list(stops)}, 12, 99, () => true)") == expected
    assert len(set(expected)) == len(expected) > len(stops) + 4
    way = page.run(f"return findWay({list(stops)}, 7, 1, () => true)")
    between = [song for song in way if song not in stops]
    assert between
    assert page.index.songs["artist"].iloc[between].is_unique


@in_browser
def test_a_way_keeps_all_songs_of_the_playlist_in_their_order(page):
    page.run("state.list = [7, 41, 30]; element('most').value = 8; element('each').value = 99; element('path').click()")
    way = page.run("return state.list")
    assert len(way) == 8
    assert [song for song in way if song in (7, 41, 30)] == [7, 41, 30]
    page.run("element('path').click()")
    assert "ask for more" in page.text("news")
    assert page.run("return state.list") == way


@in_browser
def test_a_playlist_is_filled_ordered_and_saved(page):
    page.run("choose(3, {play: false}); element('add').click()")
    page.run("element('most').value = 5; element('fill').click()")
    songs = page.run("return state.list")
    assert songs[0] == 3
    assert len(songs) == 5
    page.run("element('list').children[1].querySelector('[aria-label^=\"Move up\"]').click()")
    assert page.run("return state.list")[:2] == [songs[1], 3]
    page.run("element('list').children[0].querySelector('[aria-label^=Remove]').click()")
    page.run("add(3)")
    assert "in the playlist already" in page.text("news")
    page.run("element('save').click()")
    saved = page.browser.saved / "playlist.m3u8"
    assert until(saved.exists)
    lines = saved.read_text(encoding="utf-8").splitlines()
    assert lines[:3] == ["#EXTM3U", "#EXTINF:1,Artist 3 - 夜空 👩‍🎤", f"{page.root}/songs/3/é &#%?.wav"]
    assert Path(lines[2]).is_file()
    assert len(lines) == 1 + 2 * 4
    saved.unlink()


@in_browser
def test_search_and_keys_lead_through_the_songs(page):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    page.browser.find_element(By.ID, "search").send_keys("song 17")
    (found,) = page.browser.find_elements(By.CSS_SELECTOR, "#found button")
    found.click()
    assert page.run("return state.song") == 17
    second = page.run("return state.near[1]")
    body = page.browser.find_element(By.TAG_NAME, "body")
    body.send_keys(Keys.ARROW_DOWN, Keys.ARROW_RIGHT)
    assert page.run("return state.song") == second
    body.send_keys(Keys.ARROW_LEFT)
    assert page.run("return state.song") == 17
    page.run("document.activeElement.blur()")
    body.send_keys(Keys.ESCAPE)
    assert page.run("return [state.song, element('chosen').hidden]") == [None, True]
    page.browser.find_element(By.ID, "search").send_keys("no such song")
    assert "No song, artist or album is called so" in page.text("status")
    page.browser.get_log("browser")  # files that are not there


@in_browser
def test_keys_that_are_the_browsers_are_left_to_it(page):
    page.run("choose(3, {play: false}); choose(4, {play: false})")
    keys = "const event = (key, more) => new KeyboardEvent('keydown', {key, bubbles: true, ...more});"
    keys += "const press = (key, more) => document.body.dispatchEvent(event(key, more));"
    page.run(keys + "press('ArrowLeft', {altKey: true}); press('Escape', {ctrlKey: true})")
    assert page.run("return state.song") == 4
    page.run("element('search').dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape', bubbles: true}))")
    assert page.run("return state.song") == 4
    assert page.run(keys + "press(' '); return audio.paused") is False
    assert page.run(keys + "press(' ', {repeat: true}); return audio.paused") is False
    assert page.run(keys + "press(' '); return audio.paused") is True


@in_browser
def test_the_focus_stays_where_one_works(page):
    page.run("choose(3, {play: false}); element('near').querySelector('button').click()")
    assert page.run("return document.activeElement.id") == "title"
    page.run("add(1); add(2); add(4); element('list').children[0].children[2].click()")
    assert page.run("return state.list") == [2, 1, 4]
    assert page.run("return document.activeElement === element('list').children[1].children[2]")
    page.run("walk(1)")
    assert page.run("return document.activeElement === element('near').children[1].querySelector('button')")


@in_browser
def test_a_list_holds_no_more_of_an_artist_however_often_it_is_filled(page):
    page.run(
        "choose(3, {play: false}); add(3); element('most').value = 6; fillUp(); element('most').value = 12; fillUp()"
    )
    songs = page.run("return state.list")
    assert page.index.songs["artist"].iloc[songs].value_counts().max() <= 2
    for value in ("", "0", "1000", "2.5"):
        page.run(f"element('most').value = '{value}'; fillUp()")
        assert page.run("return state.list") == songs
        assert "A whole number from 2 to 100 is needed there" in page.text("news")
    page.run("element('most').value = 2; fillUp()")
    assert f"It has {len(songs)} songs already" in page.text("news")


@in_browser
def test_zoom_ends_and_the_whole_map_comes_back(page):
    whole = page.run("return [state.scale, state.left, state.top]")
    page.run("for (let n = 0; n < 5000; n++) zoom(1.5, 10, 10)")
    assert page.run("return state.scale / state.whole") == pytest.approx(50)
    page.run("choose(17, {play: false})")
    assert page.run("return across(17) > 0 && across(17) < state.wide && down(17) > 0 && down(17) < state.high")
    page.run("for (let n = 0; n < 5000; n++) zoom(0.5, 10, 10)")
    assert page.run("return state.scale / state.whole") == pytest.approx(0.5)
    page.run("element('whole').click()")
    assert page.run("return [state.scale, state.left, state.top]") == pytest.approx(whole)


@in_browser
def test_an_artist_is_picked_out_and_those_alike_can_still_be_clicked(page):
    page.run("choose(3, {play: false}); element('legend').children[1].click()")
    assert page.run("return element('artist').value") == "1"
    other = page.run("return state.near.find((song) => songs[song].artist !== 1)")
    assert page.run(f"return [shown({other}), shown(8)]") == [True, True]
    assert page.run("return songs.findIndex((_, song) => !shown(song))") >= 0
    page.run("element('legend').children[1].click()")
    assert page.run("return state.filters.artist.size") == 0
    assert page.run("return element('artist').value") == ""


@in_browser
def test_colours_sort_songs_and_their_legend_filters_lists(page):
    for by, expected in (("tempo", 5), ("singing", 2), ("nearness", 0), ("tag", 3)):
        page.run(f"element('colour').value = '{by}'; element('colour').dispatchEvent(new Event('change'))")
        assert page.run("return element('legend').children.length") == expected
    place = page.run("return colourings.tag.groups.findIndex(({name}) => name === 'loud')")
    page.run(f"element('legend').children[{place}].click()")
    assert page.text("unfilter") == "Show all (now 20 of 60)"  # all that have it, whatever their first tag is
    assert page.run("return document.activeElement === element('legend').children[" + str(place) + "]")
    page.run("element('unfilter').click()")
    page.run("element('colour').value = 'tempo'; element('colour').dispatchEvent(new Event('change'))")
    groups = [page.run(f"return groupOf({song})") for song in range(SONGS)]
    assert groups == [n * 5 // SONGS for n in range(SONGS)]  # the tempo is their number
    page.run("element('legend').children[4].click()")
    assert page.text("unfilter") == "Show all (now 12 of 60)"
    page.run("choose(50, {play: false}); element('add').click(); element('fill').click()")
    assert all(song >= 48 for song in page.run("return state.list"))
    page.run("element('undo').click()")
    assert page.run("return state.list") == [50]
    page.run("element('unfilter').click()")
    assert page.run("return everySong().every(shown)")


@in_browser
def test_nearness_is_what_the_words_say(page):
    page.run("choose(3, {play: false}); element('colour').value = 'nearness'; showFilter()")
    page.run("element('colour').dispatchEvent(new Event('change'))")
    for song in range(0, SONGS, 7):
        words, group = page.run(f"return [howAlike(state.apart[{song}]), groupOf({song})]")
        assert ("one album" in words, "one artist" in words, "no more alike" in words) == (
            group == 0,
            group == 1,
            group == 4,
        )


@in_browser
def test_a_lasso_takes_the_songs_inside(page):
    places = page.run("return everySong().map((song) => [across(song), down(song)])")
    corners = [[0, 0], [500, 0], [500, 900], [0, 900]]
    inside = [song for song, (at, _) in enumerate(places) if at < 500]
    found = page.run(f"return everySong().filter((song) => isInside([across(song), down(song)], {corners}))")
    assert found == inside
    from selenium.webdriver import ActionChains

    page.run("element('lasso').click()")
    canvas, size = page.run("return canvas"), page.run("return [canvas.clientWidth, canvas.clientHeight]")
    draw = ActionChains(page.browser).move_to_element_with_offset(canvas, 2 - size[0] / 2, 2 - size[1] / 2)
    draw.click_and_hold().move_by_offset(480, 0).move_by_offset(0, size[1] - 4).move_by_offset(-480, 0).release()
    draw.perform()
    taken = page.run("return state.list")
    assert len(taken) > 5
    assert all(places[song][0] <= 484 for song in taken)
    assert page.run("return element('lasso').getAttribute('aria-pressed')") == "false"


@in_browser
def test_the_reason_is_heard_in_both_songs(page):
    segments, starts = page.index.segments.copy(), page.index.starts
    index = page.index._replace(segments=segments)
    nearest = similarity.nearest_songs(index, index.described[1], np.arange(SONGS) == 1, 1).index[0]
    segments[[1, nearest]] *= 0.1
    segments[1, 4] *= 10
    segments[nearest, 2] *= 10
    map_page.write_map(index, page.root, page.root / "map.html")
    page.browser.refresh()
    assert page.run(f"return Array.from(momentsOf(1, {nearest}))") == [starts[1, 4], starts[nearest, 2]] == [8, 4]
    page.run("choose(1, {play: false})")
    place = page.run("return state.near").index(nearest)
    page.run(f"element('near').children[{place}].querySelector('[title^=Hear]').click()")
    assert page.text("status") == f"Now: {page.run('return name(1)')}, from 0:08."
    assert page.run("return preview.src").endswith("#t=8,16")
    page.run("choose(null)")
    assert page.run("return preview.paused")


@in_browser
def test_what_the_pointer_rests_on_is_played_if_asked_for(page):
    front = next(song for song in range(6) if page.run(f"return songAt(across({song}), down({song}), 1)") == song)
    move = "hover({{offsetX: across({0}), offsetY: down({0})}})"
    page.run(move.format(front))
    assert page.text("bubble") == page.run(f"return name({front})")
    time.sleep(0.8)
    assert page.run("return preview.paused")
    page.run("element('listen').checked = true; leave();" + move.format(front))
    assert until(lambda: page.run("return preview.currentTime") > 0.05)
    page.run("leave()")
    assert page.run("return preview.paused")


@in_browser
def test_names_of_artists_do_not_overlap_and_the_first_song_found_opens_on_enter(page):
    page.run("paint()")
    assert 1 <= page.run("return state.names") <= 12
    search = "const field = element('search'); field.value = 'album'; search();"
    press = "field.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}))"
    page.run(search + press)
    assert page.run("return state.song") == page.run("return state.found.length === 0 ? 0 : state.song")
    assert page.run("return songs[state.song].album") == "Album"


@in_browser
def test_the_page_follows_the_systems_choice_of_dark(page):
    light = page.run("return [ink(), styleOf('--paper')]")
    scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
    dark = page.run("return [ink(), styleOf('--paper')]")
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert [int(colour[1:3], 16) > 128 for colour in (*light, *dark)] == [False, True, True, False]


def test_regions_where_artists_mix_are_named_by_what_tells_their_songs(tmp_path):
    songs = library(tmp_path).songs.assign(tempo=100.0, kind="")
    places = np.stack([np.arange(SONGS) // 20 * 10.0, np.arange(SONGS) % 20 / 20], axis=1)  # three groups of twenty
    songs.loc[:19, "kind"] = "sung"
    songs.loc[20:39, "tempo"] = 180.0
    songs.loc[40:, ["artist", "kind"]] = "One", "instrumental"  # this is an artist, and no region
    named = {region["name"].split(", ")[0] for region in map_page.find_regions(songs, places)}
    assert named == {"sung", "fast"}
    assert map_page.find_regions(songs[:10], places[:10]) == []


@in_browser
def test_of_many_artists_it_is_said_that_colours_say_little(page):
    songs = page.index.songs.assign(artist=[f"Artist {n // 2}" for n in range(SONGS)])
    map_page.write_map(page.index._replace(songs=songs[:60]), page.root, page.root / "many.html")
    page.browser.get((page.root / "many.html").as_uri())
    assert page.run("return element('legend').children.length") == 30
    songs = songs.assign(artist=[f"Artist {n}" for n in range(SONGS)])
    map_page.write_map(page.index._replace(songs=songs), page.root, page.root / "many.html")
    page.browser.refresh()
    assert page.text("legend").startswith("Of so many artists colours do not show")
    page.run("showArtist('7')")
    assert page.run("return songs.filter((_, song) => shown(song)).length") == 1


@in_browser
def test_on_a_phone_nothing_is_cut_off_and_search_and_the_song_come_first(page):
    page.browser.set_window_size(500, 800)  # which is as narrow as it goes
    page.browser.refresh()
    page.run("choose(4, {play: false})")
    assert page.run("return document.documentElement.scrollWidth <= window.innerWidth")
    tops = page.run("return ['search', 'chosen', 'colour'].map((id) => element(id).getBoundingClientRect().top)")
    page.browser.set_window_size(1200, 800)
    assert tops == sorted(tops)


@in_browser
@pytest.mark.parametrize("count", [1, 2])
def test_one_song_and_two_songs_make_a_map(page, count):
    map_page.write_map(library(page.root, count), page.root, page.root / "few.html")
    page.browser.get((page.root / "few.html").as_uri())
    page.run("choose(0, {play: false}); add(0)")
    assert page.run("return state.near.length") == count - 1
    assert page.text("status") == ("There is no other song." if count == 1 else "")
    page.run("fillUp()")
    assert "There are no other songs" in page.text("news") or count == 2
    page.run("if (songs.length > 1) { state.list = [0, 1]; element('most').value = 9; fillPath(); }")
    assert count == 1 or page.text("news") == "No song lies between them."


@in_browser
def test_names_are_text_and_never_run(page):
    for song in range(len(TITLES)):
        page.run(f"choose({song}, {{play: false}}); add({song})")
        assert page.text("title") == TITLES[song]
    assert page.run("return document.querySelectorAll('aside img, aside b, aside script').length") == 0
    assert page.run("return document.documentElement.scrollWidth <= window.innerWidth")


@in_browser
def test_guests_stand_among_the_others_with_their_answer(page):
    song = write_song(page.root / "new <i>.wav", sine(300, 3), RATE)
    odd = b"bad\xff.wav".decode(errors="surrogateescape")
    copy = of_library(7, page.index, page.root)._replace(entry=Entry(str(song), "new <i>", 3.0), traits={})
    seed = copy._replace(itself=np.zeros(SONGS, bool))
    query = map_page.QuerySong(seed, "Nobody", "unknown artist? closest Nobody")
    not_unicode = query._replace(seed=seed._replace(entry=Entry(odd, odd)))
    queries = [query, query._replace(seed=copy), not_unicode]
    map_page.write_map(page.index, page.root, page.root / "queries.html", queries)
    page.browser.get((page.root / "queries.html").as_uri())
    assert page.text("title") == "new <i>"
    assert page.text("answer") == "unknown artist? closest Nobody"
    assert page.text("by") == "the song that was asked about"
    assert page.run("return element('found').children.length") == 3  # they are listed
    assert "bad\\udcff" in page.text("found")
    assert page.text("found").count("unknown artist? closest Nobody") == 3
    assert page.run("return state.near[0]") == 7
    assert page.run(f"return inCommon({SONGS}, 7).length") > 0
    heard = page.run(f"return Array.from(momentsOf({SONGS}, 7))")  # where it is most like itself
    assert heard[0] == heard[1]
    assert page.run("return document.querySelector('#near li').textContent").endswith("♫")
    assert page.run("return data.artists.some((artist) => artist.name === 'Nobody')") is False
    assert 7 not in page.run(f"choose({SONGS + 1}, {{play: false}}); return state.near")  # it is that song
    page.run(f"choose({SONGS}, {{play: false}})")
    page.run("audio.play()")
    assert until(lambda: page.run("return audio.currentTime") > 0.1)

    many = [query._replace(seed=seed._replace(entry=Entry(f"{n}.wav", str(n)))) for n in range(15)]
    map_page.write_map(page.index, page.root, page.root / "queries.html", many)
    page.browser.get((page.root / "queries.html").as_uri())
    assert page.run("return element('found').children.length") == 15  # all of them
