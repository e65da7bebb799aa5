"""`unmask scan`: what it takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from unmask.cli.options import (
    DEFAULTS,
    Address,
    Budget,
    DetectClosely,
    DetectEvery,
    Detector,
    DetectSide,
    Device,
    EngineOption,
    FaceDetector,
    Inputs,
    Language,
    OnDevice,
    SampleFps,
    Seed,
    Selector,
    Smoothing,
    Threads,
    WorkerCpus,
    parse_methods,
)
from unmask.core.settings import Limits, ScanSettings
from unmask.report.language.translation import choose_language, language_of_environment

EXIT_CODES = (
    "Exit codes: 0 all analysed, nothing found; 1 some or substantial evidence of manipulation "
    "found, or substantial evidence in one face; 2 wrong use, or no input could be opened; 3 "
    "nothing found, but something could not be analysed (a face that only passes by is listed, and "
    "does not count) or written; 130 stopped with Ctrl-C, SIGTERM or SIGHUP, what was finished is "
    "written; 70 a fault of the program."
)


def scan(  # noqa: PLR0917 - the parameters are the options
    inputs: Inputs,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report.")] = None,
    json: Annotated[
        Path | None, typer.Option(help="Write the result as JSON; - prints it.")
    ] = None,
    detector: Detector = None,
    face_detector: FaceDetector = DEFAULTS.face_detector,
    selector: Selector = DEFAULTS.selector,
    budget: Budget = DEFAULTS.budget,
    sample_fps: SampleFps = DEFAULTS.sample_fps,
    smoothing_frames: Smoothing = DEFAULTS.smoothing_frames,
    detect_every_seconds: DetectEvery = DEFAULTS.detect_every_seconds,
    detect_closely_seconds: DetectClosely = DEFAULTS.detect_closely_seconds,
    detect_long_side_px: DetectSide = DEFAULTS.detect_long_side_px,
    explain: Annotated[
        str,
        typer.Option(
            help="Maps of where the model looked, separated by commas: gradcam, gradcam++, "
            "faster-scorecam, smoothgrad, occlusion; or none."
        ),
    ] = ",".join(DEFAULTS.explain),
    no_explain: Annotated[bool, typer.Option("--no-explain", help="Make no maps.")] = False,
    stress: Annotated[
        bool,
        typer.Option(
            "--stress", help="Tell whether the verdict survives compression and the like."
        ),
    ] = False,
    max_seconds: Annotated[
        float, typer.Option(help="Look at this much of a video; the rest is reported.")
    ] = DEFAULTS.limits.max_seconds,
    seed: Seed = DEFAULTS.seed,
    threads: Threads = 2,
    device: OnDevice = Device.AUTO,
    workers: Annotated[int, typer.Option(min=1, help="Files at a time.")] = 1,
    engine: EngineOption = "local",
    address: Address = None,
    worker_cpus: WorkerCpus = 1.0,
    timeout_seconds: Annotated[
        float | None,
        typer.Option(
            help="Give up a file that takes longer, and report it.", show_default="no limit"
        ),
    ] = None,
    triage: Annotated[
        bool,
        typer.Option(
            "--triage",
            help="Take a quick look: key frames of the encoder and a few others, without maps.",
        ),
    ] = False,
    then_full: Annotated[
        float | None,
        typer.Option(
            help="After a --triage, scan those in full whose probability is at least this.",
            show_default="none",
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick/--no-quick",
            help="Leave out frames of H.264 and HEVC that no other is decoded from: half of most "
            "films.",
        ),
    ] = DEFAULTS.quick,
    profile: Annotated[
        bool,
        typer.Option("--profile", help="Print how long each stage took, of a single file."),
    ] = False,
    store: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder or address of a result store: it goes on where it was, see `unmask "
            "results`.",
        ),
    ] = None,
    retry_failures: Annotated[
        bool,
        typer.Option(
            "--retry-failures",
            help="With -o: try those again that failed; else another version of unmask does.",
        ),
    ] = False,
    no_pages: Annotated[
        bool, typer.Option("--no-pages", help="With -o: keep no pictures for reports.")
    ] = False,
    ndjson: Annotated[
        Path | None,
        typer.Option(help="Write a line of JSON for each file when it is finished; - prints it."),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="Write a line of a table for each file when it is finished."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with --ndjson or --csv: skip files with a line."),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print errors only; see the exit code.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Tell each stage of each file.")
    ] = False,
    log_file: Annotated[
        Path | None, typer.Option(help="Add a line with the time for each file to this file.")
    ] = None,
    language: Language = None,
    embed_video: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Write films of up to this many megabytes into the report.",
            show_default="link to them",
        ),
    ] = None,
    overlay_films: Annotated[
        bool,
        typer.Option(
            "--overlay-films",
            help="With --report: a film of each video with boxes, scores and maps drawn in, which "
            "the report links to.",
        ),
    ] = False,
    case: Annotated[str | None, typer.Option(help="Name of the case, for the report.")] = None,
    analyst: Annotated[str | None, typer.Option(help="Who examines, for the report.")] = None,
    note: Annotated[str | None, typer.Option(help="Anything else, for the report.")] = None,
) -> None:
    """Scan videos and pictures: a verdict per face and file.

    Every verdict comes with its limits, and with what could not be analysed.
    """
    from unmask.cli.progress import Verbosity
    from unmask.cli.runs.scan import FullScan, profiled_scan, run_scan
    from unmask.cli.runs.scan_outputs import Outputs, examination
    from unmask.scanner.batch import Job
    from unmask.system.engines import Engine

    if device is Device.CUDA:
        from unmask.bundle.devices import choose_providers

        choose_providers("cuda")  # refused once, and not for each file
    choose_language(language or language_of_environment())
    settings = ScanSettings(
        face_detector=face_detector,
        selector=selector,
        budget=budget,
        sample_fps=sample_fps,
        smoothing_frames=smoothing_frames,
        detect_every_seconds=detect_every_seconds,
        detect_closely_seconds=detect_closely_seconds,
        detect_long_side_px=detect_long_side_px,
        explain=() if no_explain else parse_methods(explain),
        quick=quick,
        limits=Limits(max_seconds=max_seconds),
        seed=seed,
    )
    job = Job(detector, settings, threads, stress, timeout_seconds, device.value)
    outputs, full = (
        Outputs(
            report,
            json,
            ndjson,
            csv,
            store,
            resume=resume,
            retry_failures=retry_failures,
            pages=not no_pages,
            embed_bytes=None if embed_video is None else round(embed_video * 1e6),
            overlay_films=overlay_films,
            examination=examination(case, analyst, note),
        ),
        None,
    )
    verbosity = Verbosity(quiet, verbose, log_file)
    if then_full is not None:
        full = FullScan(job, then_full, triage=triage)
    if triage:
        job = replace(job, settings=settings.for_triage())
    if profile and full is not None:
        raise ValueError("--profile goes without --then-full")
    if profile:
        raise typer.Exit(profiled_scan(inputs, outputs, job))
    place = Engine(engine, workers, address, worker_cpus)  # type: ignore[arg-type]  # checked
    raise typer.Exit(run_scan(inputs, outputs, job, engine=place, full=full, verbosity=verbosity))
