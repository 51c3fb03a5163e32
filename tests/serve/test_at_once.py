"""Clients who ask for the same thing at once, or remove what another is still reading."""

import asyncio
import io
import threading
import time
import zipfile

import pytest
import torch

from latentstem import write_audio
from latentstem.pipelines.quality import Quality
from latentstem.ui.generator import Generator
from latentstem.ui.requests import GenerationRequest
from latentstem.ui.results import Result
from latentstem.ui.take_files import Format, write_format

testclient = pytest.importorskip("starlette.testclient")
api = pytest.importorskip("latentstem.serve.api")
jobs_module = pytest.importorskip("latentstem.serve.jobs")


@pytest.fixture(scope="module")
def generator(build_pipeline):
    return Generator(build_pipeline(carriers=8), max_duration=5.0, previews=False)


@pytest.fixture(scope="module")
def request_of_a_stem(tmp_path_factory):
    path = tmp_path_factory.mktemp("mix") / "song.wav"
    write_audio(path, 0.5 * torch.rand(1, 20_000) - 0.25, 44100)
    return GenerationRequest(path, quality=Quality.FAST)


@pytest.fixture
def jobs(generator, tmp_path):
    return jobs_module.Jobs(generator, tmp_path, most=10)


def ended(job):
    until = time.monotonic() + 60
    while not job.state.over:
        assert time.monotonic() < until
        time.sleep(0.02)
    return job


def test_jobs_are_listed_in_the_order_in_which_they_work(jobs, request_of_a_stem):
    reading, read_on = threading.Event(), threading.Event()

    def read_slowly(folder):
        reading.set()
        assert read_on.wait(10)
        return request_of_a_stem

    slow = threading.Thread(target=jobs.add, args=(read_slowly,))
    slow.start()
    assert reading.wait(10)
    quick = jobs.add(lambda folder: request_of_a_stem)
    read_on.set()
    slow.join()
    assert jobs.all()[0] is quick and jobs.count_ahead(quick) == 0
    first, second = map(ended, jobs.all())
    assert first.ended < second.ended


def test_files_that_are_read_at_once_are_within_the_limit(jobs, request_of_a_stem):
    barrier = threading.Barrier(jobs.most + 2)
    refused = []

    def read(folder):
        (folder / "mix.wav").write_bytes(b"RIFF")
        barrier.wait(10)  # all were let in
        return request_of_a_stem

    def add():
        try:
            jobs.add(read)
        except jobs_module.TooManyJobs as error:
            refused.append(str(error))

    threads = [threading.Thread(target=add) for _ in range(jobs.most + 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(jobs.all()) == jobs.most and len(refused) == 2 and "10 jobs" in refused[0]
    assert {path.name for path in jobs.folder.iterdir()} == {job.name for job in jobs.all()}
    for job in jobs.all():
        jobs.cancel(job)
        ended(job)


def test_a_stem_is_sent_whole_although_its_job_is_deleted_meanwhile(generator, jobs, request_of_a_stem):
    job = ended(jobs.add(lambda folder: request_of_a_stem))
    expected = job.stems[0].stem.file.read_bytes()
    received = []

    async def send(message):
        if message["type"] == "http.response.start":
            assert message["status"] == 200
            jobs.remove(job)
        received.append(message.get("body", b""))

    async def receive():
        await asyncio.sleep(10)

    scope = {
        "type": "http",
        "method": "GET",
        "path": f"/jobs/{job.name}/stem/0.wav",
        "query_string": b"",
        "headers": [],
    }
    asyncio.run(api.create_api(generator, jobs)(scope, receive, send))
    assert b"".join(received) == expected
    assert not job.folder.exists()
    with pytest.raises(KeyError), jobs.hold(job):
        pass


def test_a_file_that_many_ask_for_at_once_is_whole_for_all(generator, request_of_a_stem, tmp_path):
    *_, result = generator.generate(request_of_a_stem, tmp_path)
    assert isinstance(result, Result)
    barrier, wrong = threading.Barrier(8), []

    def ask():
        barrier.wait(10)
        for _ in range(3):
            try:
                content = write_format(result, Format.ZIP).read_bytes()
                with zipfile.ZipFile(io.BytesIO(content)) as archive:
                    assert archive.testzip() is None and len(archive.namelist()) == 4
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
