"""Who speaks over the music? Seven speakers over the same backings, which none of the ears may use.

    python benchmarks/voice.py --library DIR          # a library of real_music.py; needs Debian or Ubuntu
    python benchmarks/voice.py --library DIR --keep   # results go to results/ and into README.md here

No package holds songs with vocals by several artists, so telephone prompts stand for singers: each speaker's are laid
over the same twelve backings, at three levels. Their spectra are matched, so that no microphone gives a speaker away.
Models are trained on some backings and tested on others, and no utterance occurs twice.
"""

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import page
import pandas as pd
from joblib import Parallel, delayed
from real_music import fetch
from tqdm import tqdm

from soundalike import cli
from soundalike.audio.decoding import CLIP_SAMPLES, FULL_SCALE, SAMPLE_RATE, ffmpeg, is_silent
from soundalike.dataset import segments, splits
from soundalike.dataset.splits import Fold
from soundalike.dataset.windows import Windows
from soundalike.evaluation import crossval, metrics
from soundalike.evaluation.study import Study
from soundalike.features.extraction import clip_features
from soundalike.features.networks import NETWORKS, clips_of_file, describe_windows
from soundalike.features.table import CLIP_COLUMNS
from soundalike.library.catalogue import good_songs, songs_folder
from soundalike.library.errors import UserError
from soundalike.models import specs

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
SPACINGS = {name: network.every for name, network in NETWORKS.items()}
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
            raise UserError(f"Debian's package {package} cannot be had: {error}. Is apt-get update done?") from None
        found = [path for path in Path(folder).rglob("*.gsm") if path.is_file()]
        files = {hashlib.blake2b(path.read_bytes()).hexdigest(): path for path in found}  # some are there twice
        parts: list[np.ndarray] = []
        for _, path in sorted(files.items()):
            y = decode(path)
            pieces = y[: len(y) // 2205 * 2205].reshape(-1, 2205)  # a tenth of a second each
            parts += list(pieces[10 * np.log10(np.mean(pieces**2, axis=1) + 1e-12) > LOUD])
            if 0.1 * len(parts) > seconds:
                return np.concatenate(parts)[: seconds * SAMPLE_RATE]
    raise UserError(f"Debian's package {package} holds {0.1 * len(parts):.0f} s of speech; {seconds} s are needed.")


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


def describe(voice: np.ndarray, backing: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray, dict]:
    """Lay a voice over a backing, and describe the clips by our features and by the networks."""
    y = backing / np.sqrt(np.mean(backing**2)) + 10 ** (level / 20) * voice
    clips = (0.9 * y / np.abs(y).max()).astype(np.float32).reshape(-1, CLIP_SAMPLES)
    windows = {name: table.to_pandas() for name, table in describe_windows(SPACINGS, clips).items()}
    return clip_features(clips), is_silent(clips), windows


class Given(Windows):
    """Windows that are in memory, see `windows.Windows`."""

    def __init__(self, tables: dict[str, dict[str, pd.DataFrame]]) -> None:
        self.names, self.tables = list(NETWORKS), tables

    def read(self, name: str, songs: list[str]) -> dict[str, pd.DataFrame]:
        """Return the windows of some songs."""
        return {song: self.tables[song][name] for song in songs}


def prepare(voices: dict[str, np.ndarray], backings: list[np.ndarray], level: float) -> tuple[pd.DataFrame, Study]:
    """Make the songs of one level: each speaker over each backing."""
    length = CLIPS * CLIP_SAMPLES
    asked = [(speaker, n) for speaker in voices for n in range(len(backings))]
    made = Parallel(n_jobs=-1)(
        delayed(describe)(voices[speaker][n * length : (n + 1) * length], backings[n], level)
        for speaker, n in tqdm(asked, desc=f"Describing {level} dB", unit=" songs")
    )
    frames, tables = [], {}
    for (speaker, n), (values, silent, windows) in zip(asked, made, strict=True):
        labels = {"artist": speaker, "album": f"{n:02d}", "song": f"{speaker}/{n:02d}", "silent": silent}
        clips = {"clip": np.arange(CLIPS), "start": 2.0 * np.arange(CLIPS)}
        frames.append(pd.DataFrame(values, columns=CLIP_COLUMNS).assign(**labels, **clips))
        tables[labels["song"]] = windows
    frame = pd.concat(frames, ignore_index=True)
    songs, _ = splits.song_table(frame)
    return songs, Study(songs, segments.gather([frame], songs, CLIP_COLUMNS, windows=Given(tables)))


def by_backing(songs: pd.DataFrame) -> list[Fold]:
    """Split songs so that backings are unseen."""
    number = songs["album"].astype(int) % FOLDS
    return [(np.flatnonzero(number != n), np.flatnonzero(number == n)) for n in range(FOLDS)]


def measure(root: Path) -> dict:
    """Score each ear alone, and all together, at each level."""
    seconds = BACKINGS * CLIPS * CLIP_SAMPLES // SAMPLE_RATE
    voices = match_spectra({name: read_speaker(package, seconds) for name, package in tqdm(SPEAKERS.items())})
    good = good_songs(root).sort_values("song")
    first = good[good["clips"] >= CLIPS].drop_duplicates("artist").head(BACKINGS)
    backings = [
        np.concatenate([clip for clip, _ in zip(clips_of_file(songs_folder(root) / song), range(CLIPS), strict=False)])
        for song in first["song"]
    ]
    ears = specs.ears(list(NETWORKS))
    known = specs.specs(list(NETWORKS))
    rows = []
    for level in LEVELS:
        songs, study = prepare(voices, backings, level)
        ways = {ear: {ear: names} for ear, names in ears.items()} | {"fused": ears}
        row: dict = {"level": level}
        for name, fused in ways.items():
            used = {member: known[member] for names in fused.values() for member in names}
            found = crossval.predict_held_out(used, fused, study, [by_backing(songs)], name)
            row[name] = metrics.score(found, songs)
        rows.append(row)
    return {"speakers": len(voices), "backings": len(backings), "levels": rows}


def table(figures: dict) -> str:
    """Write the page."""
    rows = [
        {"voice over backing": f"{row['level']} dB"}
        | {name: cli.with_interval(found) for name, found in row.items() if name != "level"}
        for row in figures["levels"]
    ]
    return (
        f"{figures['speakers']} speakers over the same {figures['backings']} backings, 40 s each; balanced accuracy on "
        f"unseen backings, chance level {1 / figures['speakers']:.2f}.\n\n{page.markdown(rows)}\n"
    )


@cli.script
def main(argv: list[str] | None = None) -> int:
    """Measure, keep the results and print the page."""
    parser = cli.parser(__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the results as those of README.md here")
    args = parser.parse_args(argv)
    figures = measure(args.library)
    return page.show("voice", figures, table(figures), kept=args.keep)


if __name__ == "__main__":
    sys.exit(main())
