"""Audio files opened: which codec, how long, whole or not; what is wrong with one is said here.

What a header says is compared with what the file holds, since libsndfile hides most differences.
"""

from __future__ import annotations

import io
import os
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

import numpy as np
import soundfile

from rlaudio.audio.containers import find_audio
from rlaudio.audio.decoder_output import Said, decoder_output
from rlaudio.audio.flac import FlacHeader, is_joined, last_sample, without_length
from rlaudio.audio.foreign import behind_metadata, holds_another
from rlaudio.audio.mpeg import Stream, id3_size
from rlaudio.audio.ogg import Pages, last_page, streams
from rlaudio.audio.refusals import FORMATS, NamedClip, not_read, refuse_others, several_streams, unreadable
from rlaudio.utils.foreign_formats import HEAD

NOT_MARKED_AS_ENDED = "not marked as ended, perhaps cut off"
MORE_BEHIND = "more bytes behind the audio than its header explains"
INTERRUPTED = "bytes between its frames that are none of them; perhaps damaged, and parts of it lost"
PAGES_LOST = "pages missing between others; parts of it lost"
PAGES_DAMAGED = "pages whose checksum is wrong; damaged, and parts of it lost"
ODD_END = "another length stated at its end than its pages have: read to its end"
DAMAGED_FRAMES = "frames that its decoder could not read; damaged, and what is heard there is no recording"
FRAME_FEWER = "one frame fewer than its header states; perhaps cut off"
_RATES_HZ = range(1_000, 1_000_001)
_MOST_UNEXPLAINED = 1024  # bytes behind the audio that are not worth a word
_MPEG_CODECS = (0x50, 0x55)  # in a wav
_NOT_KNOWN = 2**62  # libsndfile's frames where a header does not say, or more
_BLOCK = 2**16  # frames decoded at a time, to count them
_SILENT_DECODERS = (b"RIFF", b"fLaC", b"OggS", b"FORM", b".snd")  # which print nothing
_BESIDE = ("._", ".AppleDouble")  # where macOS, and servers for it, keep what belongs to files
_CHECKED = {"WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "NIST"}  # by `find_audio`, for being whole


@dataclass(frozen=True)
class OpenAudio:
    """An audio file that is open for reading, with what its header says."""

    name: str  # in messages
    sound: soundfile.SoundFile
    frames: int  # of each channel, in the whole file
    notes: tuple[str, ...] = ()  # what is odd about it, though it can be read

    @property
    def rate_hz(self) -> int:
        """Frames a second."""
        return int(self.sound.samplerate)

    def read(self, most: int) -> tuple[np.ndarray, tuple[str, ...]]:
        """The next frames, `most` of them if there are as many, float32 [frames, channels], and what is odd.

        Raises ValueError where fewer than the whole file has can be decoded.
        """
        expected = min(self.frames, most)
        samples, is_damaged = _read(self.sound, expected, self.name)
        if len(samples) == 0:
            raise ValueError(_no_frames(self.name))
        if len(samples) < expected:
            raise ValueError(
                f"{self.name}: {len(samples)} frames decoded, {expected} or more promised by its header; "
                f"{_CUT_OFF}"
            )
        is_told = INTERRUPTED in self.notes  # of which damage is a part
        return samples, (DAMAGED_FRAMES,) if is_damaged and not is_told else ()


_CUT_OFF = "the file is cut off; fetch it again or remove the row"
_DAMAGED = "the file is damaged; fetch it again or remove the row"


@contextmanager
def open_audio(path: Path, name: str) -> Iterator[OpenAudio]:
    """An audio file, its length known without decoding it; `name` is put first in messages.

    Raises FileNotFoundError for a missing file and for what is no file; ValueError for one that is empty, no
    audio or not whole.
    """
    path = _existing(path, name)
    clip = NamedClip(path, name)
    with _open_file(path, name) as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise ValueError(f"{name}: 0 bytes; expected audio; fetch the file again or remove the row")
        with _open_stream(file, size, clip) as audio:
            if audio.rate_hz not in _RATES_HZ:
                raise ValueError(
                    f"{name}: {audio.rate_hz} Hz by its header; expected {_RATES_HZ[0]} to {_RATES_HZ[-1]} "
                    f"Hz; {_DAMAGED}"
                )
            if audio.frames == 0:
                raise ValueError(_no_frames(name))
            yield audio


# --- the file ------------------------------------------------------------------------------------


def _existing(path: Path, name: str) -> Path:
    """The path of the file, whose name may be stored in another Unicode form (macOS stores é as e and ´)."""
    for candidate in (path, *_in_other_forms(path)):
        try:
            mode = candidate.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, ValueError) as error:  # too long, a NUL in it, no permission
            what = error.strerror if isinstance(error, OSError) else str(error)
            raise FileNotFoundError(f"{name}: {what}; expected an audio file") from error
        if stat.S_ISREG(mode):
            return candidate
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe, socket or device"
        raise FileNotFoundError(f"{name}: {what}; expected an audio file; is audio_root right?")
    raise FileNotFoundError(f"{name}: no such file; expected an audio file; is audio_root right?")


def _in_other_forms(path: Path) -> Iterator[Path]:
    """The path with its parts as they are stored, where they differ by Unicode form alone."""
    if str(path).isascii():
        return
    stored = Path(path.anchor)
    for part in path.relative_to(path.anchor).parts:
        following = stored / part
        if not following.exists():
            wanted = unicodedata.normalize("NFC", part)
            entries = stored.iterdir() if stored.is_dir() else ()
            same = [entry for entry in entries if unicodedata.normalize("NFC", entry.name) == wanted]
            if not same:
                return
            following = min(same)
        stored = following
    yield stored


def _open_file(path: Path, name: str) -> BinaryIO:
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise ValueError(f"{name}: cannot be opened ({error.strerror}); expected a readable file") from error


# --- what is in it -------------------------------------------------------------------------------


class _Sound(soundfile.SoundFile):
    """Read forward only: soundfile would seek after every read, which fails where the length is not known."""

    def seekable(self) -> bool:
        return False


@contextmanager
def _open_stream(file: BinaryIO, size: int, clip: NamedClip) -> Iterator[OpenAudio]:
    start = _after_tags(file)
    file.seek(start)
    head = file.read(HEAD)
    refuse_others(head, clip)
    if head[:4] == b"fLaC":
        opened = _open_flac(file, start, size, clip)
    elif head[:4] == b"OggS":
        opened = _open_ogg(file, start, size, clip)
    else:
        opened = _open_other(file, start, size, clip)
    with opened.sound:
        yield opened


def _open_flac(file: BinaryIO, start: int, size: int, clip: NamedClip) -> OpenAudio:
    """A stream whose last frame says how long it is; where there is none, all of it is decoded."""
    header = FlacHeader.read(file, start)
    if header is None:
        raise ValueError(f"{clip}: {size} bytes of flac, without a whole header; {_CUT_OFF}")
    whole = _whole(file)
    if is_joined(whole, start) or holds_another(whole, behind_metadata(whole, start)):
        raise several_streams(clip)
    end = last_sample(file, header, size)
    promised = header.samples or 0
    if end is not None and end > promised:  # libsndfile would believe the header
        return OpenAudio(clip.name, _sound(io.BytesIO(without_length(_whole(file), start)), clip), end)
    frames = promised if end == promised else _count(_whole(file), clip, promised or _NOT_KNOWN)
    if frames < promised:
        raise ValueError(f"{clip}: {frames} frames, {promised} promised by its header; {_CUT_OFF}")
    return OpenAudio(clip.name, _sound(file, clip), frames)


def _open_ogg(file: BinaryIO, start: int, size: int, clip: NamedClip) -> OpenAudio:
    page = last_page(file, start, size)
    if page is None or page.bytes_missing:
        missing = page.bytes_missing if page else 1
        raise ValueError(f"{clip}: its last page lacks {missing} bytes or more; {_CUT_OFF}")
    if streams(_whole(file)) > 1:
        raise several_streams(clip)
    pages = Pages.of(_whole(file), start)
    odd = {
        NOT_MARKED_AS_ENDED: not page.is_marked,
        MORE_BEHIND: page.bytes_behind > _MOST_UNEXPLAINED,
        PAGES_LOST: pages.are_missing,
        PAGES_DAMAGED: pages.are_damaged,
        ODD_END: pages.states_odd_end,
    }
    notes = tuple(note for note, is_so in odd.items() if is_so)
    if ODD_END in notes:  # libsndfile would believe it
        whole = pages.with_open_end()
        return OpenAudio(clip.name, _sound(io.BytesIO(whole), clip), _count(whole, clip), notes)
    sound = _sound(file, clip)
    return OpenAudio(clip.name, sound, sound.frames, notes)


def _open_other(file: BinaryIO, start: int, size: int, clip: NamedClip) -> OpenAudio:
    audio = find_audio(file, start)
    if audio and audio.is_joined:
        raise several_streams(clip)
    missing = audio.missing(size) if audio else 0
    if missing > 1:  # one byte may be the padding of an odd chunk, which some writers leave out
        raise ValueError(f"{clip}: {size} bytes, {size + missing} promised by its header; {_CUT_OFF}")
    if audio and audio.codec in _MPEG_CODECS:
        end = None if audio.size is None else audio.start + audio.size
        return _open_mpeg(_whole(file)[audio.start : end], None, clip)
    source = file
    if audio and (audio.unfilled or audio.is_bw64):
        source = io.BytesIO(audio.filled_in(_whole(file)))
    sound = _sound(source, clip)
    if sound.format == "MP3":
        sound.close()
        return _open_mpeg(_whole(file), file, clip)
    if audio is None or sound.format not in _CHECKED:  # half of it would be read as if it were whole
        sound.close()
        raise not_read(sound.format_info, clip)
    frames = sound.frames if sound.frames < _NOT_KNOWN else _count(_whole(source), clip)
    has_more = audio.unexplained > _MOST_UNEXPLAINED
    return OpenAudio(clip.name, sound, frames, (MORE_BEHIND,) if has_more else ())


def _open_mpeg(data: bytes, file: BinaryIO | None, clip: NamedClip) -> OpenAudio:
    """An mp3 stream, from `file` itself where its index is right, else counted frame by frame."""
    stream = Stream.find(data)
    if stream is None:
        raise ValueError(f"{clip}: not two mp3 frames that follow each other; expected {FORMATS}")
    if stream.is_joined or holds_another(data, id3_size(data[:10])):
        raise several_streams(clip)
    if file is not None and stream.frames == stream.indexed_frames:
        sound = _sound(file, clip)
        return OpenAudio(clip.name, sound, sound.frames, _mpeg_notes(stream))
    if stream.bytes_missing:
        raise ValueError(f"{clip}: its last frame lacks {stream.bytes_missing} bytes; {_CUT_OFF}")
    if stream.lacks_frames:
        raise ValueError(
            f"{clip}: {stream.frames} mp3 frames, {stream.indexed_frames} promised by its header; {_CUT_OFF}"
        )
    sound = _sound(io.BytesIO(stream.extended(stream.frames)), clip)
    return OpenAudio(clip.name, sound, stream.samples, _mpeg_notes(stream))


def _mpeg_notes(stream: Stream) -> tuple[str, ...]:
    stated = stream.frames if stream.indexed_frames is None else stream.indexed_frames
    odd = {
        INTERRUPTED: stream.bytes_between > 0,
        MORE_BEHIND: stream.bytes_behind > _MOST_UNEXPLAINED,
        FRAME_FEWER: stream.frames < stated and not stream.has_its_bytes,
    }
    return tuple(note for note, is_so in odd.items() if is_so)


def _after_tags(file: BinaryIO) -> int:
    """Where the file begins behind ID3 tags."""
    start = 0
    while True:
        file.seek(start)
        size = id3_size(file.read(10))
        if not size:
            return start
        start += size


def _whole(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read()


def _sound(source: BinaryIO, clip: NamedClip) -> soundfile.SoundFile:
    """The stream in libsndfile, which would guess a codec from a path's ending, so it gets none."""
    source.seek(0)
    head = source.read(4)
    source.seek(0)
    try:
        with nullcontext() if head in _SILENT_DECODERS else decoder_output():
            if head not in _SILENT_DECODERS and any(map(os.path.lexists, _BESIDE)):
                return _sound_beside_nothing(source)
            return _Sound(source if isinstance(source, io.BytesIO) else source.fileno(), closefd=False)
    except soundfile.LibsndfileError as error:
        source.seek(_after_tags(source))
        raise unreadable(error.error_string, source.read(HEAD), clip) from error


def _sound_beside_nothing(source: BinaryIO) -> soundfile.SoundFile:
    """The stream by a path beside which nothing lies.

    Where libsndfile does not know a format by its first bytes, it looks beside the file for what macOS keeps
    about it: in the working folder, if the file has no path.
    """
    with TemporaryFile() as file:
        file.write(source.read())
        file.flush()
        file.seek(0)  # where a path to a descriptor shares its place
        return _Sound(f"/dev/fd/{file.fileno()}")


def _read(sound: soundfile.SoundFile, frames: int, name: str) -> tuple[np.ndarray, bool]:
    """Samples [frames, channels], and whether some of them could not be decoded."""
    try:
        with decoder_output() if sound.format == "MP3" else nullcontext(Said()) as said:
            samples = sound.read(frames, dtype="float32", always_2d=True)
        return samples, said.damage
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{name}: cannot be decoded ({error.error_string}); {_DAMAGED}") from error


def _count(data: bytes, clip: NamedClip, most: int = _NOT_KNOWN) -> int:
    """Frames of a stream up to `most`, by decoding it."""
    frames = 0
    with _sound(io.BytesIO(data), clip) as sound:
        while block := len(_read(sound, min(_BLOCK, most - frames), clip.name)[0]):
            frames += block
    return frames


def _no_frames(name: str) -> str:
    return f'{name}: 0 frames decoded; expected audio; run "rlaudio check" to list such rows'
