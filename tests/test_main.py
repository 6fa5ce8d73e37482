"""The whole path, both notebooks with it, and the notebooks as they are committed."""

import atexit
import contextlib
import json
import os
import re
import shutil
import signal
import threading
import time
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from conftest import NO_NETWORKS, RATE, ask, made_up, raises, tune, write_artists, write_library, write_song
from nbclient.exceptions import CellExecutionError, DeadKernelError

from benchmarks import refresh
from soundalike import __main__ as run
from soundalike import answer, demo, map_page, messages, notebooks, terminal, wording
from soundalike.audio import read_header
from soundalike.frame import current_notes
from soundalike.library import clip_paths, keep_songs_folder, read_note, read_songs
from soundalike.messages import Problem, UserError
from soundalike.model import load_model, read_left_out
from soundalike.song import decode

HERE = Path(__file__).resolve().parent.parent


def outputs(path: Path) -> list[dict]:
    return [out for cell in nbformat.read(path, as_version=4).cells for out in cell.get("outputs", [])]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A library through which `run` went, from songs that lie elsewhere, and as nasty as real ones are."""
    folder = tmp_path_factory.mktemp("run")
    songs = folder / "my music"
    write_artists(songs, albums=1)  # two artists of four songs, and one album by all
    # The longest song is by an artist with no other, whose name has everything in it.
    write_song(songs / "Joey <b>Bada$$ & $_$/Album 1/One.mp3", tune(2, 1, 30))
    write_song(songs / "Hush/Album 1/One.mp3", np.append(np.zeros(6 * RATE), tune(3, 1, 2)))  # silent but for a clip
    for artist, count in (("Two", 2), ("Three", 3)):
        for song in range(count):
            write_song(songs / f"{artist}/Album 1/{song}.mp3", tune(3 + count, song, 4))
    (songs / "Artist A/broken.mp3").write_text("no music")  # a reject stops nothing
    before = [(HERE / f"{name}.ipynb").read_bytes() for name in notebooks.NOTEBOOKS]
    status = run.main(["--library", str(folder / "root"), str(songs), *NO_NETWORKS])
    after = [(HERE / f"{name}.ipynb").read_bytes() for name in notebooks.NOTEBOOKS]
    return folder, status, before == after


def test_the_whole_path(finished, capfd):
    folder, status, notebooks_untouched = finished
    assert status == 0
    assert notebooks_untouched
    root = folder / "root"
    assert {path.name for path in (root / "report").iterdir()} == {
        *(f"{name}.{kind}" for name in notebooks.NOTEBOOKS for kind in ("ipynb", "html")),
        *("map.html", "map_places.json", "index.html"),
    }
    front = (root / "report/index.html").read_text(encoding="utf-8")
    assert all((root / "report" / name).exists() for name in re.findall(r'href="([^"#]+)"', front))
    assert "Joey &lt;b&gt;Bada$$" in front
    assert "Joey \\u003cb>Bada$$" in (root / "report/map.html").read_text(encoding="utf-8")
    info = json.loads((root / "model/model.json").read_text())
    assert info["held_out"] not in info["songs"]
    assert len(info["songs"]) == 12  # of artists with two songs or more, without the one held out
    assert info["scores"]["unseen_songs"]["balanced_accuracy"] >= 0.7  # of two artists; the chance level is 0.25
    assert set(pd.read_csv(root / "model/predictions.csv")["song"]) == set(info["songs"])
    assert terminal.LAST.read_text() == str(root)
    assert not list((folder / "my music").rglob("*.wav"))
    out = "\n".join(said_of(root, info))
    assert "16 songs, 1 left out" in out
    assert "61 clips" in out
    assert "No model learns from Hush: 1 song, " in out
    assert "No model learns from Joey <b>Bada$$ & $_$: 1 song, " in out
    assert set(pd.read_csv(root / "model/left_out.csv")["artist"]) >= {"Hush", "Joey <b>Bada$$ & $_$"}
    assert "Balanced accuracy on unseen songs" in out


def said_of(root: Path, info: dict) -> list[str]:
    """What is said of a run that took a minute."""
    lines = wording.summary_lines(root, info, current_notes(root), read_songs(root), read_left_out(root), 60)
    return [*lines, *wording.closing_lines(root, info)]


TITLES = pd.DataFrame({"song": ["A/1.mp3"], "artist": "A", "title": "One"})
KNOWN = {"songs": 50, "right": 0.7, "wrong": 0.1, "either": 0.0, "unknown": 0.2, "right_by_artist": 0.6}


def test_the_summary_tells_the_scores_apart(tmp_path, capsys):
    write_library(tmp_path, made_up(artists=2, songs=4))
    ways = {"unseen_songs": 0.5, "unseen_albums": 0.4}
    scores = {way: {"balanced_accuracy": p, "low": p - 0.1, "high": p + 0.1} for way, p in ways.items()}
    shipped = {"known": KNOWN, "unknown": {"songs": 50, "refused": 0.6, "called_sure": 0.1}}
    more = {"artist": "A1", "more": 5, "now": 0.6, "then": 0.8}
    info = {"classes": ["A0", "A1"], "scores": scores | {"chance": 0.25, "as_shipped": shipped}}
    info |= {"more_songs": more, "no_cohort": "it is old"}
    out = "\n".join(said_of(tmp_path, info))
    assert f"make lab LIBRARY={tmp_path}" in out
    assert "Of 50 songs held out of training 70% were named rightly (60% where every artist counts the same)" in out
    assert "Balanced accuracy on unseen songs: 0.50 (95% CI 0.40–0.60); chance level 0.25." in out
    assert "On unseen albums: 0.40 (95% CI 0.30–0.50)" in out
    assert "with 5 more by A1, about 0.80" in out
    assert "music by others: it is old." in out
    (line,) = wording.score_lines(info | {"scores": dict.fromkeys(ways) | {"chance": 0.25, "as_shipped": None}})
    assert "cannot be measured: that takes two artists with 4 songs or more" in line


@pytest.mark.parametrize(
    ("songs", "new", "seconds", "said"),
    [
        (57, 57, 238, "57 songs: about 4 minutes."),
        (57, 3, 80, "57 songs, 3 of them new: about a minute."),
        (1, 0, 7200, "1 song, 0 of them new: about 2 hours."),
    ],
)
def test_it_is_said_how_long_a_run_will_take(songs, new, seconds, said):
    assert wording.pace_line(songs, new, seconds) == said


def test_the_front_page_marks_songs_that_are_not_named_as_filed(tmp_path):
    answers = ["sure", "probably", "probably", "unknown", "either"]
    predicted = ["A", "A", "B", "A", "A"]
    songs = [f"A/{n}.mp3" for n in range(5)]
    predictions = pd.DataFrame({"artist": "A", "answer": answers, "predicted": predicted}, pd.Index(songs, name="song"))
    predictions["either"] = [["A", "B"]] * 5
    rows = wording.answer_rows(predictions, TITLES)
    assert [row[-1] for row in rows] == [True, True, False, False, False]
    assert rows[1][:2] == ("A", "One")
    map_page.write_front_page(tmp_path, "<b>", ["how & why"], rows)
    page = (tmp_path / "report/index.html").read_text(encoding="utf-8")
    assert page.count("<tr class=other>") == 3
    assert "<td>probably B</td>" in page
    assert "&lt;b&gt;" in page
    assert "how &amp; why" in page


def test_what_changed_since_the_last_run_is_said(capsys):
    songs = [f"A/{n}.mp3" for n in range(8)]
    known = {"answer": "probably", "predicted": "A", "either": ["A", "B"]}
    before = pd.DataFrame([known] * 8, pd.Index(songs, name="song"))
    after = before.assign(either=[["A", "C"]] * 8)  # which is not said
    after.at["A/1.mp3", "answer"] = "either"
    after.loc["A/2.mp3", "predicted"] = "B"
    assert wording.change_lines(before, after.drop(index="A/7.mp3"), TITLES) == [
        "Since the last run, 2 of 7 held-out answers changed.",
        "  A - One: probably A, now A or C",
        "  A/2.mp3: probably A, now probably B",
    ]
    assert wording.change_lines(before, after.assign(predicted="C"), TITLES)[-1] == "  … and 3 more"
    assert wording.change_lines(before[:0], after, TITLES) == []


def test_an_artist_who_is_renamed_changes_no_answer(tmp_path, capsys):
    table = tmp_path / "model" / "predictions.csv"
    table.parent.mkdir()
    first = "song,artist,artist_probability,answer,predicted,probability,either\nA/1.mp3,A,0.9,sure,A,0.9,[]\n"
    twice, no_word, cut = "A/1.mp3,A,0.1,probably,B,0.9,[]\n", "A/2.mp3,A,1,hardly,A,1,[]\n", "A/3.mp3,A\n"
    table.write_text(first + twice + no_word + cut)
    before = answer.read_predictions(tmp_path)
    assert list(before.index) == ["A/1.mp3"]
    assert before.iloc[0].to_dict() == dict(zip(answer.PREDICTION, ("A", "sure", "A", 0.9, 0.9, []), strict=True))
    table.write_text(first.replace(",A,0.9,sure", ",An A,0.9,sure"))
    (line,) = wording.change_lines(before, answer.read_predictions(tmp_path), TITLES)
    assert line == "Since the last run, 0 of 1 held-out answer changed."
    table.write_text("nothing of the kind")
    assert answer.read_predictions(tmp_path).empty


@pytest.mark.parametrize("name", notebooks.NOTEBOOKS)
def test_the_notebooks_ran_clean(finished, name):
    path = finished[0] / "root/report" / f"{name}.ipynb"
    found = outputs(path)
    assert not [out for out in found if out["output_type"] == "error" or out.get("name") == "stderr"]
    assert sum("image/png" in out.get("data", {}) for out in found) >= 3
    page = path.with_suffix(".html").read_text(encoding="utf-8")
    assert "<h1" in page
    assert "Joey <b>Bada" not in page
    assert 'src="http' not in page  # opens without a network


def test_predict_says_of_a_song_what_the_notebook_says(finished):
    folder = finished[0]
    model = load_model(folder / "root")
    song = folder / "my music" / model.info["held_out"]
    said = ask(folder / "root", song, decode(song, current_notes(folder / "root")["networks"]))
    book = nbformat.read(folder / "root/report/modeling.ipynb", as_version=4)
    (cell,) = (cell for cell in book.cells if cell.source.startswith("asked = "))
    shown = cell.outputs[-1]["data"]["text/plain"].split("\n")[1]
    assert shown.rsplit(maxsplit=1) == [said.probabilities.index[0], f"{said.probabilities.iloc[0]:.2f}"]


def test_web_pages_are_made_again_of_notebooks_as_they_stand(finished, tmp_path, capsys):
    report = shutil.copytree(finished[0] / "root/report", tmp_path / "report")
    for name in notebooks.NOTEBOOKS:
        book = nbformat.read(report / f"{name}.ipynb", as_version=4)
        book.cells[0].source = "# My own words"
        nbformat.write(book, report / f"{name}.ipynb")
    assert run.main(["--library", str(tmp_path), "--report"]) == 0
    for name in notebooks.NOTEBOOKS:
        page = report / f"{name}.html"
        assert "<title>My own words</title>" in page.read_text(encoding="utf-8")
        book.cells = book.cells[1:]
        nbformat.write(book, report / f"{name}.ipynb")
        notebooks.write_page(name, tmp_path)
        assert f"<title>{name}</title>" in page.read_text(encoding="utf-8")
        assert page.stat().st_size < 15_000_000
    with raises(Problem.NO_REPORT):
        run.main.__wrapped__(["--library", str(tmp_path / "nowhere"), "--report"])


def test_what_is_kept_has_pictures_and_no_players(finished, tmp_path):
    executed, kept = finished[0] / "root/report/visualizations.ipynb", tmp_path / "kept.ipynb"
    shutil.copy(HERE / "visualizations.ipynb", kept)
    refresh.keep_stills(executed, kept)
    assert "<audio" in executed.read_text(encoding="utf-8")
    assert "<audio" not in kept.read_text(encoding="utf-8")
    pictures = [sum("image/png" in out.get("data", {}) for out in outputs(path)) for path in (executed, kept)]
    assert pictures[0] == pictures[1] >= 7


def printed(root: Path, name: str) -> str:
    """What the cells of a notebook print and show as text; none of them fails."""
    found = outputs(root / "report" / f"{name}.ipynb")
    assert not [out for out in found if out["output_type"] == "error" or out.get("name") == "stderr"]
    return "\n".join(out.get("text", "") or str(out.get("data", {}).get("text/plain", "")) for out in found)


def test_one_artist_gets_pictures_and_a_sentence(tmp_path):
    write_library(tmp_path, made_up(artists=1, songs=4, clips=4))
    notebooks.run_notebook("visualizations", tmp_path)
    assert printed(tmp_path, "visualizations").count("Comparing takes two artists") == 2
    assert (tmp_path / "report/visualizations.html").exists()
    with raises(Problem.NOTEBOOK_FAILED):
        notebooks.run_notebook("modeling", tmp_path)


def test_thirty_artists_whose_clips_are_gone(tmp_path):
    frame = made_up(artists=30, songs=4, clips=4, artist_cue=0.6, song_cue=0.4)
    frame["artist"] = frame["artist"].map(lambda name: f"_The <i>Artist</i> with a name of its own {name}")
    frame["song"] = frame["artist"] + frame["song"].str[-6:]
    write_library(tmp_path, frame)
    notebooks.run_notebook("visualizations", tmp_path)
    assert printed(tmp_path, "visualizations").count("no longer there") == 1 + 4
    tables = [
        str(out.get("data", {}).get("text/html", "")) for out in outputs(tmp_path / "report/visualizations.ipynb")
    ]
    assert "<i>" not in "".join(tables)


def test_models_of_a_tiny_library_without_clips_and_without_a_pickle(tmp_path):
    write_library(tmp_path, made_up(artists=3, songs=2, clips=1, artist_cue=1.0))
    (tmp_path / "df_music.pkl").unlink()
    notebooks.run_notebook("modeling", tmp_path)
    text = printed(tmp_path, "modeling")
    assert text.startswith("Your own music.\n")
    assert text.count("too few clips here to compare clips") == 1
    book = nbformat.read(tmp_path / "report/modeling.ipynb", as_version=4)
    assert not [cell for cell in book.cells if notebooks.EXAMPLE in cell.metadata.get("tags", [])]


def test_too_few_artists_are_told_before_the_long_work(tmp_path, capfd):
    for number in range(4):
        write_song(tmp_path / f"songs/A/{number}.wav", tune(number, 1, 4))
    write_song(tmp_path / "songs/B/0.wav", tune(9, 1, 4))
    with raises(Problem.TOO_FEW):
        run.main.__wrapped__(["--library", str(tmp_path)])
    assert not (tmp_path / "clips").exists()
    for number in range(1, 2):
        (tmp_path / f"songs/B/{number}.wav").write_text("no music")  # which is known when they are cut
    with raises(Problem.TOO_FEW):
        run.main.__wrapped__(["--library", str(tmp_path)])
    assert clip_paths(tmp_path, "A/0.wav")  # what was done is kept
    before = [(tmp_path / name).read_bytes() for name in ("songs.csv", "songs.txt")]
    (tmp_path / "other/D").mkdir(parents=True)
    for number in range(2):
        write_song(tmp_path / f"other/C/{number}.wav", tune(number, 3, 4))
        (tmp_path / f"other/D/{number}.wav").write_text("no music")
    assert run.main(["--library", str(tmp_path), "--songs", str(tmp_path / "other")]) == 1
    capfd.readouterr()
    assert [(tmp_path / name).read_bytes() for name in ("songs.csv", "songs.txt")] == before
    assert not (tmp_path / "features").exists()


def test_labels_by_tag_are_asked_of_the_first_script(tmp_path, monkeypatch):
    asked = []

    def run_script(name: str, root: Path, *arguments: object) -> None:
        asked.append((name, *arguments[-2:]))
        raise SystemExit(1)

    monkeypatch.setattr(run, "run_script", run_script)
    (tmp_path / "songs/Party").mkdir(parents=True)
    (tmp_path / "songs/Party/x.mp3").touch()  # by its folder there is one artist, and it would be refused
    for arguments in (["--label-by", "tag"], []):
        with contextlib.suppress(SystemExit):
            run.main(["--library", str(tmp_path), *arguments])
    assert asked == [("mp3_split.py", "--label-by", "tag")]


def test_a_script_that_fails_ends_the_run(tmp_path, capfd):
    for song in ("A/x", "A/1", "A/2", "A/3", "B/1", "B/2", "B/3", "B/4"):
        (tmp_path / f"songs/{song}.mp3").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"songs/{song}.mp3").write_text("no music")
    with pytest.raises(SystemExit) as ended:
        run.main(["--library", str(tmp_path)])
    assert ended.value.code == 1
    assert "8 songs, such as A/1.mp3: rejected" in capfd.readouterr().out
    assert not (tmp_path / "features").exists()


def test_each_cell_of_a_notebook_is_a_step_of_its_bar(tmp_path, monkeypatch):
    cells = [nbformat.v4.new_code_cell(f"print({n})") for n in range(3)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "small.ipynb")
    monkeypatch.setattr(notebooks, "PROJECT", tmp_path)
    steps = []
    monkeypatch.setattr(messages, "listener", messages.Listener())
    monkeypatch.setattr(messages.listener, "update", lambda n=1: steps.append(n))
    notebooks.run_notebook("small", tmp_path)
    assert "".join(out["text"] for out in outputs(tmp_path / "report/small.ipynb")) == "0\n1\n2\n"
    assert sum(steps) == 3


def test_ctrl_c_while_a_kernel_starts_ends_at_once(tmp_path, monkeypatch):
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import time; time.sleep(60)")])
    nbformat.write(book, tmp_path / "small.ipynb")
    monkeypatch.setattr(notebooks, "PROJECT", tmp_path)
    at_exit: list = []  # what would be done, and fail with a traceback, when Python ends
    monkeypatch.setattr(atexit, "register", at_exit.append)
    monkeypatch.setattr(atexit, "unregister", lambda done: done in at_exit and at_exit.remove(done))
    started = time.monotonic()
    threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        notebooks.run_notebook("small", tmp_path)
    assert time.monotonic() - started < 30
    assert not [done for done in at_exit if done.__module__.startswith("nbclient")]


def test_ctrl_c_that_a_clean_up_swallows_still_ends_a_notebook(tmp_path, monkeypatch):
    def read(path, as_version):
        with contextlib.suppress(KeyboardInterrupt):  # as Python does while it collects garbage
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import time; time.sleep(60)")])

    monkeypatch.setattr(notebooks.nbformat, "read", read)
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        notebooks.run_notebook("small", tmp_path)
    assert time.monotonic() - started < 30


def test_a_notebook_that_is_killed_is_no_traceback(tmp_path, monkeypatch, capsys):
    def killed(self):
        raise DeadKernelError("Kernel died")

    monkeypatch.setattr(notebooks.NotebookClient, "execute", killed)
    with raises(Problem.NO_MEMORY):
        notebooks.run_notebook("modeling", tmp_path)


@pytest.mark.parametrize(
    ("ename", "evalue", "raised", "says"),
    [
        ("UserError", "Add songs.", UserError, r"modeling\.ipynb could not go on\. Add songs\."),
        ("MemoryError", "", UserError, "lost a process. Most likely no memory was left: close"),
        ("TerminatedWorkerError", "A worker process ...", UserError, "Most likely no memory was left"),
        ("OSError", "[Errno 28] No space left on device: '/data/folds'", OSError, "No space left on device: '/data/f"),
        ("PermissionError", "[Errno 13] Permission denied: '/data/model'", PermissionError, "denied: '/data/model'"),
        ("FileNotFoundError", "[Errno 2] No such file or directory: 'x'", CellExecutionError, "traceback"),
        ("ZeroDivisionError", "division by zero", CellExecutionError, "division by zero"),
    ],
)
def test_what_stops_a_notebook_is_told_in_words(tmp_path, monkeypatch, ename, evalue, raised, says):
    def stopped(self):
        raise CellExecutionError("the traceback: division by zero", ename, evalue)

    monkeypatch.setattr(notebooks.NotebookClient, "execute", stopped)
    with pytest.raises(raised, match=says):
        notebooks.run_notebook("modeling", tmp_path)


def test_without_music_it_is_the_demo_and_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(demo, "encode", lambda track, song: None)
    assert run.find_music(None, tmp_path) == (tmp_path / "demo", tmp_path / "demo/songs")
    out = capsys.readouterr().out
    assert "There is no music in" in out
    assert "made-up bands" in out
    (tmp_path / "songs/A").mkdir(parents=True)
    (tmp_path / "songs/A/x.mp3").touch()
    assert run.find_music(None, tmp_path) == (tmp_path, tmp_path / "songs")
    assert run.find_music(Path("elsewhere"), tmp_path) == (tmp_path, Path("elsewhere"))


def test_without_a_word_it_is_the_music_of_last_time(tmp_path, capsys):
    keep_songs_folder(tmp_path, tmp_path / "my music")
    assert run.find_music(None, tmp_path) == (tmp_path, tmp_path / "my music")
    assert "as last time" in capsys.readouterr().out


def test_demo_songs_are_of_three_bands(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(demo, "encode", lambda track, song: made.append(song.relative_to(tmp_path / "songs")))
    demo.make(tmp_path)
    assert pd.Series([song.parts[0] for song in made]).value_counts().to_dict() == {
        "Electronic": 13, "Lively Acoustic": 9, "Slow Acoustic": 6,
    }  # fmt: skip
    assert {song.parts[1] for song in made} == {"calm", "energetic", "happy", "nostalgic", "tender"}
    assert "made-up" in read_note(tmp_path)


def test_a_demo_song_is_an_mp3_with_tags(tmp_path, monkeypatch):
    song, encode = tmp_path / "songs/Slow Acoustic/calm/calm_acoustic_1.mp3", demo.encode
    monkeypatch.setattr(demo, "encode", lambda track, to: encode(track, to) if to == song else None)
    demo.make(tmp_path)
    header = read_header(song)
    assert (header["artist"], header["album"], header["codec"]) == ("Slow Acoustic", "calm", "MP3")
    assert header["announced"] > 25
    made = song.stat().st_mtime_ns
    demo.make(tmp_path)
    assert song.stat().st_mtime_ns == made  # not encoded again
    shutil.rmtree(tmp_path / "songs")


@pytest.mark.parametrize("name", notebooks.NOTEBOOKS)
def test_the_committed_notebook_is_one_clean_run_on_real_songs(name):
    path = HERE / f"{name}.ipynb"
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not [out for out in outputs(path) if out["output_type"] == "error" or out.get("name") == "stderr"]
    assert path.stat().st_size < 500_000
    assert str(HERE) not in path.read_text(encoding="utf-8")
    assert refresh.NOTE in path.read_text(encoding="utf-8")
    for cell in code:
        assert "def " not in cell.source
        assert len(cell.source.splitlines()) <= 15


def test_options_are_forwarded_to_the_steps_that_know_them(tmp_path, monkeypatch):
    asked = {}

    def run_script(name: str, root: Path, *arguments: object) -> None:
        asked[name] = [str(argument) for argument in arguments]
        if name == "feature_extraction.py":
            raise SystemExit(1)

    monkeypatch.setattr(run, "run_script", run_script)
    monkeypatch.setattr("soundalike.splits.check_folders", lambda songs: None)
    monkeypatch.setattr("soundalike.splits.check_enough", lambda *_: None)
    monkeypatch.setattr("soundalike.library.read_songs", lambda root: pd.DataFrame({"status": ["ok"]}))
    monkeypatch.setattr("soundalike.library.good_songs", lambda root: pd.DataFrame({"artist": ["A"], "song": ["x"]}))
    options = ["--jobs", "3", "--max-hours", "2", "--scheduler", "tcp://host:8786", "--networks", "voice"]
    (tmp_path / "music").mkdir()
    with pytest.raises(SystemExit):
        run.main(["--library", str(tmp_path), str(tmp_path / "music"), *options])
    workers = ["--jobs", "3", "--scheduler", "tcp://host:8786"]
    assert asked["mp3_split.py"] == [
        *("--songs", str(tmp_path / "music"), *workers, "--max-hours", "2.0", "--label-by", "folder")
    ]
    assert asked["feature_extraction.py"] == [*workers, "--networks", "voice"]


def test_a_folder_of_music_is_named_once(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        run.main([str(tmp_path), "--songs", str(tmp_path)])
    assert ended.value.code == 2
    assert "are the same option" in capsys.readouterr().err
