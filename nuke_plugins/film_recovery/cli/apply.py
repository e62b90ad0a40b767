"""The command that recovers a sequence with a trained model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from film_recovery.cli.console import PATH, frames_option, stoppable


@click.command()
@click.argument("model", type=PATH)
@click.option("--input", "source", required=True, metavar="FILES", help="What to recover.")
@click.option("--output", required=True, metavar="PATTERN", help="Where to write, as out/shot.####.exr.")
@click.option("--frames", metavar="RANGE", help="Which frames, as 1001-1055x2,1060; default all.")
@click.option("--skip-existing", is_flag=True, help="Leave frames alone that are whole and come from this model and source.")
@click.option("--coded", is_flag=True, help="Floating-point files of the input hold coded values, not linear light.")
@click.option("--float", "as_float", is_flag=True, help="Write EXR as 32-bit float, also where half is enough.")
@click.option("--aces-from", metavar="SPACE", help="Write ACES2065-1; SPACE is the files' own, as OCIO names it.")
@click.option("--steady/--no-steady", default=None,
              help="Chroma: take flicker out of the colour; spatial: average the grain that is left.  [default: on]")
@click.option("--grain", type=click.Choice(["recovered", "source", "reference"]), default="recovered", show_default=True,
              help="Of a spatial recovery: as recovered, the source's own put back, or made up as the reference's.")
@click.option("--confidence", is_flag=True, help="Beside the colour a layer confidence.Y: how like the pairs' each pixel's is.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--precision", type=click.Choice(["auto", "fp32", "fp16"]), default="auto", show_default=True)
@click.option("--tile", type=int, help="Tile side in pixels; default: frames up to 4.9 megapixels whole.")
@click.option("--threads", type=int, help="Processor threads; default all.")
def apply(
    model: Path, source: str, output: str, frames: str | None, skip_existing: bool, coded: bool, as_float: bool,
    aces_from: str | None, steady: bool | None, grain: str, confidence: bool, device: str, precision: str, tile: int | None,
    threads: int | None,
) -> dict[str, Any]:  # fmt: skip
    """Recover a sequence with MODEL, a run's folder or a .onnx file.

    Reads and writes EXR, DPX, TIFF and PNG by suffix, and reads movies. Other channels, windows, timecode and metadata of
    stills are carried; each frame is whole or absent. Stopped or killed, run it again with --skip-existing.

    \b
    film-recovery apply runs/shot010 --input "neg.####.exr" --output "recovered/shot010.####.exr" --frames 1001-1055
    """
    wanted = frames_option(frames)
    from film_recovery.images.ranges import counted
    from film_recovery.images.sequence import open_sequence
    from film_recovery.inference.confidence import least_like
    from film_recovery.inference.sequence import apply_model
    from film_recovery.inference.session import InferenceOptions

    with stoppable() as reporter:
        report = apply_model(
            model,
            replace(open_sequence(source), holds_coded=coded),
            output,
            wanted,
            InferenceOptions(device, precision, tile, threads),
            pixel_type="float" if as_float else None,
            aces_from=aces_from,
            skip_existing=skip_existing,
            steady=steady,
            grain=grain,
            confidence=confidence,
            reporter=reporter,
        )
    speed = report.seconds * 1000.0 / report.megapixels if report.megapixels else 0.0
    skipped = f", {len(report.skipped)} were already there" if report.skipped else ""
    written = f"{counted(len(report.done), 'frame')} written{skipped}"
    click.echo(f"{written}; {report.seconds:.1f} s, {speed:.0f} ms per megapixel.", err=True)
    for frame in least_like(report.unlike):
        click.echo(
            f"{report.unlike[frame]:.0%} of frame {frame} is unlike the pairs, its colour a guess; a pair like it would help.",
            err=True,
        )
    return report.to_dict()
