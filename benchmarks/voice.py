"""Who speaks over the music? Seven speakers over the same backings, which none of the ears may use.

    python benchmarks/voice.py --library DIR          # a library of real_music.py; needs Debian or Ubuntu
    python benchmarks/voice.py --library DIR --keep   # results go to results/ and into README.md here

No package holds songs with vocals by several artists, so telephone prompts stand for singers: each speaker's are laid
over the same twelve backings, at three levels. Their spectra are matched, so that no microphone gives a speaker away.
Models are trained on some backings and tested on others, and no utterance occurs twice. The songs go through the same
steps, and the same search for duplicates, as those of make run.
"""

import hashlib
import itertools
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import page
import pandas as pd
import soundfile
from real_music import fetch
from tqdm import tqdm

from soundalike import evaluation, splits, terminal, training
from soundalike.audio import CLIP_SAMPLES, FULL_SCALE, SAMPLE_RATE, Decoder, ffmpeg
from soundalike.embedding import Segments
from soundalike.frame import current_notes, read_library
from soundalike.library import PROJECT, good_songs, songs_folder
from soundalike.splits import Fold
from soundalike.wording import with_interval

# One speaker for each package of Debian's, all of one codec; asterisk-core-sounds-es has the speaker of -en.
SPEAKERS = {
    "English": "asterisk-core-sounds-en-gsm",
    "French (Canada)": "asterisk-core-sounds-fr-gsm",
    "French": "asterisk-prompt-fr-armelle",
    "Italian": "asterisk-core-sounds-it-gsm",
    "Italian, another": "asterisk-prompt-it-menardi-gsm",
    "Russian": "asterisk-core-sounds-ru-gsm",
    "Spanish (Colombia)": "asterisk-prompt-es-co",
}
BACKINGS = 12  # songs: the first of each artist in the library, in the order of their names
FOLDS = 4  # each holds three backings out
CLIPS = 20  # of each song: 40 s
LEVELS = (0, -6, -12)  # dB: the voice over the backing
LOUD = -35  # dBFS: what of a prompt is softer is cut out
TOP = 3400  # Hz: what telephones transmit


def decode(path: Path) -> np.ndarray:
    """Decode a prompt, as far as telephones go [shape=(samples,)]; nothing if it cannot be read."""
    sound = ["-ac", "1", "-ar", str(SAMPLE_RATE), "-af", f"lowpass=f={TOP}", "-f", "s16le", "-"]
    done = subprocess.run([ffmpeg(), "-v", "quiet", "-i", path, *sound], capture_output=True, check=False)
    return np.frombuffer(done.stdout, "<i2") / np.float32(FULL_SCALE)


def read_speaker(package: str, seconds: int) -> np.ndarray:
    """Read so much of a speaker's prompts, in an order by hash, without pauses."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            fetch(package, Path(folder))
        except (OSError, subprocess.CalledProcessError) as error:
            raise SystemExit(f"Debian's package {package} cannot be had: {error}. Is apt-get update done?") from None
        found = [path for path in Path(folder).rglob("*.gsm") if path.is_file()]
        files = {hashlib.blake2b(path.read_bytes()).hexdigest(): path for path in found}  # some are there twice
        parts: list[np.ndarray] = []
        for _, path in sorted(files.items()):
            y = decode(path)
            pieces = y[: len(y) // 2205 * 2205].reshape(-1, 2205)  # a tenth of a second each
            parts += list(pieces[10 * np.log10(np.mean(pieces**2, axis=1) + 1e-12) > LOUD])
            if 0.1 * len(parts) > seconds:
                return np.concatenate(parts)[: seconds * SAMPLE_RATE]
    raise SystemExit(f"Debian's package {package} holds {0.1 * len(parts):.0f} s of speech; {seconds} s are needed.")


def match_spectra(voices: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Filter voices so that all have the same power in each third of an octave, and the same as a whole."""
    edges = 100 * 2 ** np.arange(0, 5.34, 1 / 3)  # Hz
    spectra = {name: np.fft.rfft(y) for name, y in voices.items()}
    frequencies = np.fft.rfftfreq(len(next(iter(voices.values()))), 1 / SAMPLE_RATE)
    band = np.clip(np.digitize(frequencies, edges), 0, len(edges))
    power = {name: np.bincount(band, np.abs(of) ** 2, len(edges) + 1) for name, of in spectra.items()}
    wanted = np.exp(np.mean([np.log(of + 1e-9) for of in power.values()], axis=0))
    centres = np.sqrt(np.array([edges[0] / 2, *edges]) * np.array([*edges, SAMPLE_RATE / 2]))
    matched = {}
    for name, of in spectra.items():
        gain = np.interp(np.log(np.maximum(frequencies, 1)), np.log(centres), np.log(wanted / (power[name] + 1e-9)) / 2)
        y = np.fft.irfft(of * np.exp(gain), len(voices[name]))
        matched[name] = (y / np.sqrt(np.mean(y**2))).astype(np.float32)
    return matched


def mix(voice: np.ndarray, backing: np.ndarray, level: float) -> np.ndarray:
    """Lay a voice over a backing of the same length [shape=(samples,), dtype=float32]."""
    y = backing / np.sqrt(np.mean(backing**2)) + 10 ** (level / 20) * voice
    return (0.9 * y / np.abs(y).max()).astype(np.float32)


def read_material(root: Path) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """Read the voices, and the backings: songs of a library [shape=(samples,)]."""
    seconds = BACKINGS * CLIPS * CLIP_SAMPLES // SAMPLE_RATE
    voices = match_spectra({name: read_speaker(package, seconds) for name, package in tqdm(SPEAKERS.items())})
    good = good_songs(root).sort_values("song")
    first = good[good["clips"] >= CLIPS].drop_duplicates("artist").head(BACKINGS)
    paths = [songs_folder(root) / song for song in first["song"]]
    return voices, [np.concatenate(read_clips(path)[:CLIPS]) for path in paths]


def read_clips(path: Path) -> np.ndarray:
    """Decode a file [shape=(clips, CLIP_SAMPLES), dtype=float32]."""
    return np.stack(list(Decoder(path))) / np.float32(FULL_SCALE)


def make_library(voices: dict[str, np.ndarray], backings: list[np.ndarray], level: float, root: Path) -> None:
    """Write the songs of one level, each speaker over each backing, and run the three steps on them."""
    length = CLIPS * CLIP_SAMPLES
    for speaker, n in itertools.product(voices, range(len(backings))):
        path = root / "songs" / speaker / f"{n:02d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, mix(voices[speaker][n * length : (n + 1) * length], backings[n], level), SAMPLE_RATE)
    for script in ("mp3_split.py", "feature_extraction.py", "dataframe_creation.py"):
        subprocess.run([sys.executable, PROJECT / script, "--library", root], check=True)


def by_backing(songs: pd.DataFrame) -> list[Fold]:
    """Split songs so that backings are unseen."""
    number = songs.index.map(lambda song: int(Path(song).stem)) % FOLDS
    return [(np.flatnonzero(number != n), np.flatnonzero(number == n)) for n in range(FOLDS)]


def measure(root: Path) -> dict:
    """Score each ear alone, and all together, at each level."""
    voices, backings = read_material(root)
    rows = []
    for level in LEVELS:
        with tempfile.TemporaryDirectory() as room:
            make_library(voices, backings, level, Path(room))
            songs, left_out = splits.song_table(read_library(Path(room)))
            study, *_ = training.study_of(Path(room), songs, current_notes(Path(room))["networks"])
        ears, song = study.segments.rows, study.segments.song
        row: dict = {"level": level, "left out": len(left_out), "recordings": int(songs["recording"].nunique())}
        for name, used in ({ear: [ear] for ear in ears} | {"all": list(ears)}).items():
            own = evaluation.Study(songs, Segments({ear: ears[ear] for ear in used}, song))
            (parts,) = evaluation.ask_all(own, [by_backing(songs)], name)
            row[name] = evaluation.score(evaluation.answer_folds(parts, songs))
        rows.append(row)
    return {"speakers": len(voices), "backings": len(backings), "levels": rows}


def table(figures: dict) -> str:
    """Write the page."""
    rows = [
        {"voice over backing": f"{row['level']} dB", "songs left out": row["left out"], "recordings": row["recordings"]}
        | {name: with_interval(found) for name, found in row.items() if isinstance(found, dict)}
        for row in figures["levels"]
    ]
    return (
        f"{figures['speakers']} speakers over the same {figures['backings']} backings, 40 s each; balanced accuracy on "
        f"unseen backings, chance level {1 / figures['speakers']:.2f}.\n\n{page.markdown(rows)}\n"
    )


@terminal.script
def main(argv: list[str] | None = None) -> int:
    """Measure, keep the results and print the page."""
    return page.run("voice", __doc__, measure, table, argv)


if __name__ == "__main__":
    sys.exit(main())
