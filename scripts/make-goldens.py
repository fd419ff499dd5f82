#!/usr/bin/env python3
"""Makes test/fixtures/golden: mel spectrograms and decibels by librosa of a synthesised sound, for test/features/goldens.test.ts.

    pip install librosa==0.11.0 && python scripts/make-goldens.py

The test makes the same sound again (a small linear congruential generator, a chirp, clicks), so only results are kept,
as float32 .npy files. Rerun only when a case is added: the files are small and change with librosa's version.
"""
import json
from pathlib import Path

import librosa
import numpy as np

OUT = Path(__file__).resolve().parent.parent / "test" / "fixtures" / "golden"

# name: samples, librosa's parameters, power_to_db's parameters
HEART = dict(sr=2000, n_fft=256, win_length=128, hop_length=32, n_mels=64, fmin=20, fmax=950, pad_mode="reflect")
ARTICLE = dict(sr=4000, n_fft=2048, win_length=2048, hop_length=512, n_mels=128, fmin=0, fmax=2000, pad_mode="constant")
CASES = {
    "heart": (2000, HEART, dict(ref=1.0, amin=1e-7, top_db=None)),
    "article": (8000, ARTICLE, dict(ref="max", amin=1e-10, top_db=80.0)),
    "htk": (2000, dict(HEART, n_mels=40, htk=True, norm=None, hop_length=50), dict(ref=1.0, amin=1e-10, top_db=60.0)),
    "magnitude": (2000, dict(HEART, power=1.0, n_mels=20), dict(ref=0.5, amin=1e-5, top_db=None)),
    "uncentred": (2000, dict(HEART, center=False, win_length=255, hop_length=77, n_mels=20), dict(ref="max", amin=1e-10, top_db=80.0)),
    "odd-window": (1500, dict(sr=1500, n_fft=512, win_length=301, hop_length=101, n_mels=32, fmin=10, fmax=700, pad_mode="reflect"), dict(ref=1.0, amin=1e-10, top_db=80.0)),
    "shorter-than-the-window": (100, dict(HEART, n_mels=20), dict(ref=1.0, amin=1e-7, top_db=None)),
    "one-sample": (1, dict(HEART, n_mels=20, pad_mode="constant"), dict(ref=1.0, amin=1e-7, top_db=None)),
    "silence-then-sound": (2000, dict(HEART, n_mels=20), dict(ref="max", amin=1e-10, top_db=80.0)),
}


def sound(samples: int, rate: int, silent: int = 0) -> np.ndarray:
    """Chirp from 30 Hz to 0.4 of the rate, a click every 0.21 s, noise; the first `silent` samples are zero."""
    state = 12345
    y = np.zeros(samples)
    for i in range(samples):
        state = (state * 1664525 + 1013904223) % 2**32
        t = i / rate
        chirp = 0.3 * np.sin(2 * np.pi * (30 * t + (0.4 * rate - 30) * t * t / (2 * samples / rate)))
        click = 0.8 if i % int(0.21 * rate) == 50 else 0.0
        y[i] = 0.0 if i < silent else chirp + click + 0.01 * (state / 2**32 - 0.5)
    return y.astype(np.float32)


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    index = {"librosa": librosa.__version__, "cases": []}
    for name, (samples, mel, db) in CASES.items():
        silent = 900 if name.startswith("silence") else 0
        y = sound(samples, mel["sr"], silent)
        power = librosa.feature.melspectrogram(y=y, **mel)
        decibels = librosa.power_to_db(power, ref=np.max if db["ref"] == "max" else db["ref"], amin=db["amin"], top_db=db["top_db"])
        for kind, values in (("mel", power), ("db", decibels)):
            np.save(OUT / f"{name}.{kind}.npy", np.ascontiguousarray(values, dtype=np.float32))
        index["cases"].append({"name": name, "samples": samples, "silent": silent, "mel": mel, "db": db})
    (OUT / "index.json").write_text(json.dumps(index, indent=1) + "\n")


if __name__ == "__main__":
    main()
