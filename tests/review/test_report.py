"""The report stands alone, in one file, with whatever sections there are."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from film_recovery.images.drawing import display
from film_recovery.review import plots
from film_recovery.review.report import build_report, render_report
from film_recovery.review.report_data import BeforeAfter, Chart, ElementFigures, PairLine, Picture, ReportData, ScoreTable
from film_recovery.review.verdict import MethodScore

FloatArray = npt.NDArray[np.float32]
VOID = {"meta", "img", "input", "br", "link"}


class _Balanced(HTMLParser):
    """Fails on tags that are not closed in order, and gathers every address and section heading."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def _parsed(html: str) -> _Balanced:
    parser = _Balanced()
    parser.feed(html)
    assert parser.open == []
    return parser


@pytest.fixture(scope="module")
def full(photograph: FloatArray) -> ReportData:
    shown = display(photograph, "display")
    scores = [
        MethodScore("16 mm print", "element", 5.7, 9.0, 28.0, 0.8, 0.4, 0.5),
        MethodScore("free 33³ LUT", "baseline", 3.7, 8.0, 30.0, 0.9, 0.9),
        MethodScore("recovered", "result", 2.1, 5.0, 33.0, 0.95, 0.9, luma_identity=2e-7),
    ]
    curve = plots.Curve("recovered", [1, 2, 3], [2.0, 2.2, 2.1], "result")
    return ReportData(
        title='Big "Buck" <Bunny> & Söhne', subtitle="Combined recovery", summary="One gave, one lost.",
        facts=[("Frames", "1–48")],
        hero=Picture(shown, "hero"), source=Picture(shown, "source"), source_note="faded",
        elements=[ElementFigures("16 mm print", "reference", [("Grain", "0.04 D")])],
        element_charts=[Chart(plots.power_curves([curve]), "power")],
        pairs=[PairLine(3, "training", "skin", 0.21), PairLine(5, "held out")], contact_sheet=Picture(shown, "sheet"),
        training_facts=[("Steps", "100")],
        training_charts=[Chart(plots.training_curves([(1, 0.1), (2, 0.05)], [(1, 30.0), (2, 31.0)], 29.5, {"LUT": 30.5}), "")],
        warnings=["The held-out figure fell."], before_after=[BeforeAfter(shown, shown, "before", "after", "wipe")],
        comparisons=[Picture(np.asarray(shown * 255, np.uint8), "crop", lossless=True)],
        tables=[ScoreTable("Where it exists", scores, "12 frames")],
        shot_charts=[Chart(plots.per_frame([curve], "ΔE", "ΔE2000", [1]), "per frame")],
        not_judged=["Sound."], provenance=[("Model", "chroma.onnx")], made_with="film-recovery",
    )  # fmt: skip


@pytest.fixture(scope="module")
def html(full: ReportData, tmp_path_factory: pytest.TempPathFactory) -> str:
    return build_report(full, tmp_path_factory.mktemp("report") / "report ü.html").read_text(encoding="utf-8")


def test_full_report_is_one_well_formed_file_without_outside_links(html: str) -> None:
    parser = _parsed(html)
    assert len(parser.headings) == 10
    assert len(parser.addresses) == 9
    assert all(address.startswith("data:image/") for address in parser.addresses)
    assert not re.search(r"//[a-z]|@import|url\(", re.sub(r"data:[^\"]*", "", html))


def test_text_is_escaped_and_the_verdict_is_in_it(html: str) -> None:
    assert "<h1>Big &#34;Buck&#34; &lt;Bunny&gt; &amp; Söhne</h1>" in html
    assert "The recovery is closest to the truth" in html
    assert '<td class="best">2.10</td>' in html
    assert "43\u00a0% less" in html


def test_only_what_is_given_is_printed() -> None:
    parser = _parsed(render_report(ReportData("A title alone")))
    assert parser.headings == [] and parser.addresses == []


def test_a_table_without_a_result_has_no_verdict() -> None:
    table = ScoreTable("Elements", [MethodScore("16 mm print", "element", 5.7)], "all frames", "the reference")
    html = render_report(ReportData("t", tables=[table]))
    assert 'class="verdict' not in html and "PSNR" not in html


def test_equal_figures_as_written_are_both_best() -> None:
    scores = [MethodScore("a", "baseline", 2.101), MethodScore("r", "result", 2.099), MethodScore("b", "baseline", 4.0)]
    html = render_report(ReportData("t", tables=[ScoreTable("x", scores, "y")]))
    assert html.count('<td class="best">2.10</td>') == 2


def test_lossless_pictures_come_back_bit_for_bit_and_jpeg_keeps_full_chroma(full: ReportData, html: str) -> None:
    addresses = _parsed(html).addresses
    png = [address for address in addresses if address.startswith("data:image/png")]
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(png[0].split(",")[1]))))
    assert np.array_equal(pixels, full.comparisons[0].pixels)
    jpeg = next(address for address in addresses if address.startswith("data:image/jpeg"))
    picture = Image.open(io.BytesIO(base64.b64decode(jpeg.split(",")[1])))
    assert [layer[1:3] for layer in picture.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]


def test_the_same_data_gives_the_same_file(full: ReportData, html: str) -> None:
    assert render_report(full) == html


def test_charts_are_written_as_png_too(full: ReportData, tmp_path: Path) -> None:
    path = plots.save_chart(tmp_path / "loss.png", full.training_charts[0].figure)
    assert Image.open(path).size[0] > 800
    assert plots.to_svg(plots.training_curves([], [])).startswith("<svg")
