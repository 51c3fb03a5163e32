"""The addresses of the server and what they answer (OpenAPI at `/openapi.json`)."""

import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Form, HTTPException, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel

import latentstem
from latentstem.pipelines.controls import known_controls, unknown_controls
from latentstem.serve.guard import Guard
from latentstem.serve.jobs import Job, Jobs, State, TooManyJobs
from latentstem.serve.settings import JobSettings, check_files, file_name
from latentstem.ui.access import Message, Receive, Send
from latentstem.ui.generator import Generator
from latentstem.ui.network import upload_limit
from latentstem.ui.requests import GenerationRequest
from latentstem.ui.results import Result
from latentstem.ui.status import explain
from latentstem.ui.take_files import Format, write_format

_MOST_FILES = 4
_TYPES = {"wav": "audio/wav", "flac": "audio/flac", "mp3": "audio/mpeg", "zip": "application/zip"}

Kind = Literal["stem", "with-mix"]
Suffix = Literal["wav", "flac", "mp3", "zip"]


class About(BaseModel):
    """What the server offers.

    Attributes:
        version: Version of latentstem.
        target: Name of the stem that it generates where a job names none.
        targets: Names of all stems that it generates.
        controls: Names of the musical controls that its weights know.
        sampling_rate: Rate of the weights in Hz; stems have the rate of their mix.
        max_duration: Longest file in seconds.
        max_jobs: Greatest number of jobs at a time.
    """

    version: str
    target: str
    targets: list[str]
    controls: list[str]
    sampling_rate: int
    max_duration: float
    max_jobs: int


class StemAnswer(BaseModel):
    """A finished stem.

    Attributes:
        seed: Its seed.
        seconds: Its length.
        score: How well it fits the mix, comparable with other stems of it.
        stem: Address of the stem as WAV; .flac, .mp3 and .zip in place of .wav give other formats.
        with_mix: Address of the mix with the stem in it, as WAV.
    """

    seed: int
    seconds: float
    score: float | None
    stem: str
    with_mix: str


class JobAnswer(BaseModel):
    """A job.

    Attributes:
        job: Its name.
        state: queued, running, done, failed or cancelled.
        ahead: Number of jobs before it.
        progress: How much is done, from 0 to 1.
        error: What went wrong, in one line.
        stems: Finished stems.
        settings: Settings of the stems.
    """

    job: str
    state: State
    ahead: int
    progress: float
    error: str | None
    stems: list[StemAnswer]
    settings: dict[str, Any]

    @classmethod
    def of(cls, job: Job, ahead: int) -> "JobAnswer":
        """Tell of a job.

        Args:
            job: The job.
            ahead: Number of jobs before it.
        """
        stems = [
            StemAnswer(
                seed=stem.seed,
                seconds=stem.seconds,
                score=stem.score,
                stem=f"/jobs/{job.name}/stem/{stem.seed}.wav",
                with_mix=f"/jobs/{job.name}/with-mix/{stem.seed}.wav",
            )
            for stem in [*job.stems]
        ]
        settings = {**job.request.describe(), "count": job.request.count}
        return cls(
            job=job.name,
            state=job.state,
            ahead=ahead,
            progress=job.progress,
            error=job.error,
            stems=stems,
            settings=settings,
        )


class _HeldFile(FileResponse):
    """A file that stays until it is sent."""

    def __init__(self, path: Path, media_type: str, held: ExitStack):
        super().__init__(path, media_type=media_type, filename=path.name)
        self.held = held

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        with self.held:
            await super().__call__(scope, receive, send)


class JobForm(JobSettings):
    """Files and settings of a job.

    Attributes:
        mix: The mix: wav, flac, mp3 or ogg, one or two channels, any rate.
        style: Recording whose sound the stem takes on.
        second_style: Recording whose sound is blended with that of the style.
        init: Stem to vary or to fill in, as long as the mix.
    """

    mix: UploadFile
    style: UploadFile | None = None
    second_style: UploadFile | None = None
    init: UploadFile | None = None


def create_api(generator: Generator, jobs: Jobs, token: str | None = None) -> Guard:
    """Build the ASGI app of the server.

    Args:
        generator: Generator of the stems.
        jobs: Jobs of the server.
        token: Token that each request must bring; None asks for none.

    Returns:
        The app.

    Example:
        >>> app = create_api(generator, Jobs(generator, Path("/tmp/jobs")))  # doctest: +SKIP
    """
    # Without FastAPI's pages of documentation, which load scripts from elsewhere.
    app = FastAPI(title="latentstem", version=latentstem.__version__, docs_url=None, redoc_url=None)
    pipe = generator.pipe

    def tell_of(job: Job) -> JobAnswer:
        return JobAnswer.of(job, jobs.count_ahead(job))

    @app.get("/")
    def about() -> About:
        """Tell what the server offers."""
        return About(
            version=latentstem.__version__,
            target=pipe.config["target"],
            targets=list(pipe.target_names),
            controls=sorted(known_controls(pipe)),
            sampling_rate=pipe.sampling_rate,
            max_duration=generator.max_duration,
            max_jobs=jobs.most,
        )

    @app.post("/jobs", status_code=202)
    def submit(form: Annotated[JobForm, Form(media_type="multipart/form-data")]) -> JobAnswer:
        """Ask for stems; they are made when the jobs before have ended."""
        uploads = {"mix": form.mix, "style": form.style, "second_style": form.second_style, "init": form.init}
        files: dict[str, Path] = {}

        def read(folder: Path) -> GenerationRequest:
            for role, upload in uploads.items():
                if upload is not None:
                    (own := folder / role).mkdir()
                    files[role] = own / file_name(upload.filename, role)
                    with files[role].open("wb") as file:
                        shutil.copyfileobj(upload.file, file)
            check_files(files, generator.max_duration)
            request = form.read(files)
            if unknown := unknown_controls(request.controls, pipe):
                raise ValueError(f"the weights of this server do not know {', '.join(sorted(unknown))}")
            return request

        try:
            return tell_of(jobs.add(read))
        except TooManyJobs as error:
            raise HTTPException(429, str(error)) from error
        except ValueError as error:
            raise HTTPException(400, explain(error, [*files.values()])) from error

    @app.get("/jobs")
    def list_jobs() -> list[JobAnswer]:
        """List the jobs, oldest first."""
        return [tell_of(job) for job in jobs.all()]

    @app.get("/jobs/{job}")
    def tell(job: str) -> JobAnswer:
        """Tell how far a job is."""
        return tell_of(_find(jobs, job))

    @app.post("/jobs/{job}/cancel")
    def cancel(job: str) -> JobAnswer:
        """End a job after its current step; its finished stems stay."""
        found = _find(jobs, job)
        jobs.cancel(found)
        return tell_of(found)

    @app.delete("/jobs/{job}", status_code=204)
    def delete(job: str) -> None:
        """Cancel a job, and remove it with its files."""
        jobs.remove(_find(jobs, job))

    @app.get("/jobs/{job}/{kind}/{seed}.{suffix}", response_class=FileResponse)
    def download(job: str, kind: Kind, seed: int, suffix: Suffix) -> FileResponse:
        """Send a finished stem, or the mix with it."""
        found = _find(jobs, job)
        with ExitStack() as held:
            try:
                held.enter_context(jobs.hold(found))
            except KeyError:
                raise _missing_job() from None
            for stem in found.stems:
                if stem.seed == seed and (kind == "stem" or suffix == "wav"):
                    return _HeldFile(_file(stem, kind, suffix), _TYPES[suffix], held.pop_all())
        raise HTTPException(404, f"the job has no {kind}/{seed}.{suffix}; it lists its finished stems")

    @app.exception_handler(RequestValidationError)
    def refuse(_: Request, error: RequestValidationError) -> JSONResponse:
        lines = (f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in error.errors())
        return JSONResponse({"detail": "; ".join(lines)[:500]}, 422)

    return Guard(app, token, upload_limit(_MOST_FILES, generator.max_duration))


def _find(jobs: Jobs, name: str) -> Job:
    try:
        return jobs.find(name)
    except KeyError:
        raise _missing_job() from None


def _missing_job() -> HTTPException:
    return HTTPException(404, "there is no such job; it was deleted, or it ended long ago")


def _file(stem: Result, kind: Kind, suffix: Suffix) -> Path:
    if suffix == "wav":
        return (stem.stem if kind == "stem" else stem.both).file
    return write_format(stem, Format(suffix))
