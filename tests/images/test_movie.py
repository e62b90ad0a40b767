from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import OpenEXR
import pytest

from film_recovery.contract.errors import InputError, MissingFrameError, StorageError, UnreadableImageError
from film_recovery.images.colour import rgb_to_ycbcr
from film_recovery.images.io import write_frame
from film_recovery.images.movie import Movie, write_movie
from film_recovery.images.sequence import open_sequence

COUNT = 60
KINDS = [
    ("long_gop.mp4", "libx264", "yuv420p", {"bf": "3", "g": "30"}),
    ("open_gop.mp4", "libx264", "yuv420p", {"bf": "3", "g": "10", "x264-params": "open-gop=1:log-level=none"}),
    ("ten_bit.mov", "prores_ks", "yuv422p10le", {"profile": "3"}),
    ("lossless.mkv", "ffv1", "gbrp16le", {}),
    ("dvd.mpg", "mpeg2video", "yuv420p", {"bf": "2", "g": "12"}),
    ("air.ts", "libx264", "yuv420p", {"bf": "3", "g": "25"}),
    ("old.avi", "mpeg4", "yuv420p", {"bf": "2"}),
    ("server.mxf", "mpeg2video", "yuv422p", {"bf": "2"}),
]


def numbered(frame: int) -> np.ndarray:
    """A picture that tells its number: one of six blocks, white for every set bit."""
    bits = [frame >> place & 1 for place in range(6)]
    return np.repeat(np.array(bits, np.uint8) * 180 + 40, 16)[None, :, None].repeat(48, axis=0).repeat(3, axis=2)


def test_a_name_with_a_colon_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_movie(Path("reel:1.mp4"), [numbered(frame) for frame in (1, 2, 3)], 24.0)
    movie = Movie(Path("reel:1.mp4"))
    assert [number_of(movie.read(frame).rgb) for frame in (3, 1)] == [3, 1]


def number_of(rgb: np.ndarray) -> int:
    blocks = rgb[:, :, 1].reshape(48, 6, 16).mean(axis=(0, 2))
    return sum(1 << place for place, value in enumerate(blocks) if value > 0.5)


def encode(path: Path, codec: str, layout: str, frames: list[Any], options: dict[str, str] | None = None, **tags: int) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(24000, 1001) if path.suffix != ".mxf" else 25, options=options or {})
        first = frames[0]
        height, width = (first.height, first.width) if isinstance(first, av.VideoFrame) else first.shape[:2]
        stream.width, stream.height, stream.pix_fmt = width, height, layout
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        for picture in frames:
            if not isinstance(picture, av.VideoFrame):
                picture = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def ycbcr_frame(codes: tuple[int, int, int], layout: str, size: tuple[int, int] = (64, 48)) -> av.VideoFrame:
    picture = av.VideoFrame(*size, layout)
    for plane, code in zip(picture.planes, codes, strict=True):
        dtype = np.uint8 if plane.line_size < 2 * plane.width else np.dtype("<u2")
        plane.update(np.full(plane.buffer_size // np.dtype(dtype).itemsize, code, dtype).tobytes())
    return picture


@pytest.mark.parametrize(("name", "codec", "layout", "options"), KINDS, ids=[kind[0] for kind in KINDS])
def test_any_frame_of_any_movie_is_the_one_asked_for(
    name: str, codec: str, layout: str, options: dict[str, str], tmp_path: Path
) -> None:
    movie = Movie(encode(tmp_path / name, codec, layout, [numbered(frame) for frame in range(1, COUNT + 1)], options))
    assert movie.count == COUNT
    assert movie.fps == pytest.approx(25 if name.endswith("mxf") else 24000 / 1001)
    order = [1, COUNT, 31, 2, 59, 30, 29, 3, *np.random.default_rng(0).integers(1, COUNT + 1, 12).tolist()]
    assert [number_of(movie.read(frame).rgb) for frame in order] == order
    with pytest.raises(MissingFrameError, match="no frame 61; it holds 1-60"):
        movie.read(61)
    with pytest.raises(MissingFrameError, match="no frame 0"):
        movie.read(0)


def test_frames_are_the_same_in_any_order_and_from_any_thread(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", "libx264", "yuv420p", [numbered(n) for n in range(1, COUNT + 1)], {"bf": "3", "g": "30"})
    forward = [Movie(path).read(frame).rgb for frame in (40, 7, 41)]
    movie = Movie(path)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda frame: movie.read(frame).rgb, [40, 7, 41] * 4))
    assert all(np.array_equal(result, forward[index % 3]) for index, result in enumerate(results))


def test_ten_bits_stay_ten_bits(tmp_path: Path) -> None:
    picture = av.VideoFrame(1024, 16, "yuv444p10le")
    ramp = np.arange(1024, dtype="<u2")
    for plane, row in zip(picture.planes, (ramp, np.full(1024, 512, "<u2"), np.full(1024, 512, "<u2")), strict=True):
        padded = np.zeros(plane.line_size // 2, "<u2")
        padded[:1024] = row
        plane.update(np.tile(padded, 16).tobytes())
    frame = Movie(encode(tmp_path / "ramp.mkv", "ffv1", "yuv444p10le", [picture])).read(1)
    assert frame.pixel_type == "uint10"
    assert frame.is_coded
    assert np.abs(frame.rgb - ((ramp - 64.0) / 876.0)[None, :, None]).max() < 1e-6  # legal range, below black and above white


@pytest.mark.parametrize(
    ("tag", "size", "matrix"),
    [(1, (64, 48), "709"), (5, (1280, 720), "601"), (9, (64, 48), "2020"), (2, (64, 48), "601"), (2, (1280, 720), "709")],
)
@pytest.mark.parametrize("full", [False, True])
def test_colour_follows_the_matrix_and_range_of_the_file(
    tag: int, size: tuple[int, int], matrix: str, full: bool, tmp_path: Path
) -> None:
    codes = (90, 60, 200)
    picture = ycbcr_frame(codes, "yuv420p", size)
    path = encode(tmp_path / "a.mkv", "ffv1", "yuv420p", [picture], colorspace=tag, color_range=2 if full else 1)
    rgb = Movie(path).read(1).rgb
    offset, scale = ((0, 128, 128), (255, 255, 255)) if full else ((16, 128, 128), (219, 224, 224))
    expected = (np.array(codes) - offset) / scale
    assert np.abs(rgb_to_ycbcr(rgb[8, 8], matrix) - expected).max() < 1e-6


@pytest.mark.parametrize("layout", ["yuvj420p", "yuvj422p", "yuvj444p"])
def test_white_of_a_full_range_is_one_in_any_layout(layout: str, tmp_path: Path) -> None:
    path = encode(tmp_path / "a.avi", "mjpeg", layout, [ycbcr_frame((255, 128, 128), layout)], {"qmin": "1", "qmax": "1"})
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).format.name == layout
    assert np.abs(Movie(path).read(1).rgb - 1.0).max() < 1e-6


def test_colours_of_digital_cinema_are_those_of_a_display(tmp_path: Path) -> None:
    """X'Y'Z' as in SMPTE ST 428-1: gamma 2.6, 52.37 cd/m² at the highest code, white at 48."""
    to_xyz = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]])
    light, picture = np.array([0.1, 0.6, 0.1]) * 48.0 / 52.37, av.VideoFrame(1280, 720, "xyz12le")
    codes = np.rint(4095 * (to_xyz @ light) ** (1 / 2.6)).astype("<u2") << 4
    plane = picture.planes[0]
    rows = np.zeros((plane.height, plane.line_size // 2), "<u2")
    rows[:, : 3 * plane.width] = np.tile(codes, plane.width)
    plane.update(rows.tobytes())
    movie = Movie(encode(tmp_path / "a.nut", "rawvideo", "xyz12le", [picture]))
    assert np.abs(movie.read(1).rgb[8, 8] - light ** (1 / 2.2)).max() < 2e-3


def test_a_review_movie_shows_the_colours_it_was_given(tmp_path: Path) -> None:
    colours = [(200, 30, 40), (20, 180, 60), (40, 60, 220), (128, 128, 128), (255, 255, 255), (0, 0, 0)]
    write_movie(tmp_path / "a.mp4", (np.full((49, 65, 3), colour, np.uint8) for colour in colours), 23.976)
    sequence = open_sequence(tmp_path / "a.mp4")
    assert sequence.frames == list(range(1, 7))
    assert sequence.fps == pytest.approx(24000 / 1001)
    assert sequence.path(1) is None
    for frame, colour in enumerate(colours, start=1):
        rgb = sequence.read(frame).rgb
        assert rgb.shape == (48, 64, 3)
        assert np.abs(rgb[24, 32] * 255 - colour).max() < 4


def test_a_movie_that_lost_its_end_is_refused(tmp_path: Path) -> None:
    write_movie(tmp_path / "a.mp4", [numbered(frame) for frame in range(40)], 24)
    content = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(UnreadableImageError, match=r"cut\.mp4 holds only \d+ of its 40 frames; copy the movie again"):
        Movie(tmp_path / "cut.mp4")
    (tmp_path / "sound.mp4").write_bytes(content[: len(content) // 50])
    with pytest.raises(UnreadableImageError, match="cannot be read as a movie"):
        Movie(tmp_path / "sound.mp4")


def test_a_movie_of_which_the_edit_list_shows_a_part_holds_that_part(tmp_path: Path) -> None:
    """As a player's trimming leaves it: all the pictures, and an edit list that shows the first of them."""
    write_movie(tmp_path / "a.mp4", [numbered(frame) for frame in range(1, 41)], 24)
    content = bytearray((tmp_path / "a.mp4").read_bytes())
    at = content.index(b"elst") + 4
    assert content[at : at + 8] == bytes(4) + (1).to_bytes(4, "big")  # version 0, one edit
    length = int.from_bytes(content[at + 8 : at + 12], "big")
    content[at + 8 : at + 12] = (length // 4).to_bytes(4, "big")
    (tmp_path / "trimmed.mp4").write_bytes(content)
    movie = Movie(tmp_path / "trimmed.mp4")
    assert movie.count == 10
    assert [number_of(movie.read(frame).rgb) for frame in (1, 10, 5)] == [1, 10, 5]


@pytest.mark.parametrize(("name", "codec"), [("a.mov", "prores_ks"), ("a.mkv", "ffv1")])
def test_chroma_of_every_other_pixel_stands_on_it(name: str, codec: str, tmp_path: Path) -> None:
    """4:2:2 as in ITU-R BT.601 and 709; half a pixel to the side, colour would not lie on its luma."""
    picture, places = ycbcr_frame((512, 512, 512), "yuv422p10le", (256, 64)), np.arange(128) * 2
    plane = np.zeros((64, picture.planes[1].line_size // 2), np.uint16)
    plane[:, :128] = 256 + 2 * places
    picture.planes[1].update(plane.tobytes())
    movie = Movie(encode(tmp_path / name, codec, "yuv422p10le", [picture]))
    found = rgb_to_ycbcr(movie.read(1).rgb, "601")[32, 40:200, 1] * 896 + 512  # codes, of BT.601 below 720 lines
    shift = float(np.mean(found - (256 + 2 * np.arange(40, 200)))) / 2
    assert abs(shift) < 0.1


def test_a_matrix_that_a_recorder_left_open_is_not_taken_for_rgb(tmp_path: Path) -> None:
    """ProRes, RDD 36: the matrix is a byte of every frame's header, and 0 says nothing of it."""
    path = encode(tmp_path / "a.mov", "prores_ks", "yuv422p10le", [ycbcr_frame((600, 400, 700), "yuv422p10le")])
    content, named = bytearray(path.read_bytes()), Movie(path).read(1).rgb
    content[content.index(b"icpf") + 4 + 16] = 0
    (tmp_path / "open.mov").write_bytes(content)
    np.testing.assert_array_equal(Movie(tmp_path / "open.mov").read(1).rgb, named)


def test_a_full_disk_while_writing_a_movie_is_told(
    full_disk_after: Callable[[int], AbstractContextManager[None]], tmp_path: Path
) -> None:
    noise = [np.random.default_rng(seed).integers(0, 255, (96, 96, 3), np.uint8) for seed in range(12)]
    with full_disk_after(4000), pytest.raises(StorageError, match=r"Cannot write .*a\.mp4.*free some space"):
        write_movie(tmp_path / "a.mp4", noise, 24)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "codec", "rate", "start", "second", "drops"),
    [
        ("scan.mov", "prores_ks", Fraction(24), "01:00:59:23", (1, 1, 0, 0), False),
        ("scan.mp4", "libx264", Fraction(24000, 1001), "23:59:59:23", (0, 0, 0, 0), False),
        ("tape.mov", "prores_ks", Fraction(30000, 1001), "01:00:59;29", (1, 1, 0, 2), True),
        ("tape.mov", "prores_ks", Fraction(30000, 1001), "01:09:59;29", (1, 10, 0, 0), True),
        ("server.mxf", "mpeg2video", Fraction(25), "10:00:00:24", (10, 0, 1, 0), False),
    ],
)
def test_every_frame_of_a_movie_has_its_time_code(
    name: str, codec: str, rate: Fraction, start: str, second: tuple[int, ...], drops: bool, tmp_path: Path
) -> None:
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 96, 48, "yuv420p" if codec == "libx264" else "yuv422p"
        if codec == "prores_ks":
            stream.pix_fmt = "yuv422p10le"
        stream.metadata["timecode"] = start
        for frame in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(numbered(frame), format="rgb24")))
        container.mux(stream.encode())
    sequence = open_sequence(tmp_path / name)
    codes = []
    for frame in (1, 2):
        write_frame(tmp_path / f"{frame}.exr", sequence.read(frame))
        codes.append(OpenEXR.File(str(tmp_path / f"{frame}.exr")).header()["timeCode"])
    told = [(code.hours, code.minutes, code.seconds, code.frame) for code in codes]
    assert told == [tuple(int(part) for part in start.replace(";", ":").split(":")), second]
    assert [bool(code.dropFrame) for code in codes] == [drops, drops]


def test_a_movie_without_a_time_code_has_none(tmp_path: Path) -> None:
    encode(tmp_path / "plain.mov", "prores_ks", "yuv422p10le", [numbered(1)])
    assert "smpte:TimeCode" not in Movie(tmp_path / "plain.mov").read(1).metadata


def test_no_frames_make_no_movie(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No frames to write"):
        write_movie(tmp_path / "a.mp4", [], 24)
    assert not list(tmp_path.iterdir())
