"""The server in this process: what a client sends, what comes of it, and what is refused."""

import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from latentstem import read_audio, write_audio
from latentstem.pipelines.quality import Quality
from latentstem.serve.settings import JobSettings, file_name, read_ranges
from latentstem.ui.generator import Generator

testclient = pytest.importorskip("starlette.testclient")
api = pytest.importorskip("latentstem.serve.api")
jobs_module = pytest.importorskip("latentstem.serve.jobs")

RATE = 44100


@pytest.fixture(scope="module")
def generator(build_pipeline):
    return Generator(build_pipeline(carriers=8, with_reranker=True), max_duration=5.0, previews=False)


@pytest.fixture(scope="module")
def mix(tmp_path_factory):
    path = tmp_path_factory.mktemp("mix") / "song.wav"
    write_audio(path, 0.5 * torch.rand(1, 30_000) - 0.25, RATE)
    return path


@pytest.fixture
def jobs(generator, tmp_path):
    jobs = jobs_module.Jobs(generator, tmp_path, most=25)
    yield jobs
    for job in jobs.all():
        jobs.cancel(job)
    wait_until(lambda: all(job.state.over for job in jobs.all()))


@pytest.fixture
def client(generator, jobs):
    return testclient.TestClient(api.create_api(generator, jobs))


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def submit(client, mix, files=(), **settings):
    parts = {"mix": (mix.name, mix.read_bytes()), **dict(files)}
    return client.post("/jobs", files=parts, data={"quality": "fast", **settings})


def finished(client, job):
    wait_until(lambda: client.get(f"/jobs/{job}").json()["state"] in ("done", "failed", "cancelled"))
    return client.get(f"/jobs/{job}").json()


def fetched(client, address, folder):
    answer = client.get(address)
    assert answer.status_code == 200
    path = folder / address.rsplit("/", 1)[1]
    path.write_bytes(answer.content)
    return read_audio(path)[0]


def test_a_job_gives_the_stems_of_its_seeds(client, generator, mix, tmp_path_factory):
    answer = submit(client, mix, seed=5, count=2, guidance_scale=2.0)
    assert answer.status_code == 202
    told = finished(client, answer.json()["job"])
    assert (told["state"], told["progress"], told["error"]) == ("done", 1.0, None)
    assert [stem["seed"] for stem in told["stems"]] == [5, 6]
    folder = tmp_path_factory.mktemp("fetched")
    Quality.FAST.apply_to(generator.pipe)
    for stem in told["stems"]:
        made = generator.pipe(
            read_audio(mix)[0], RATE, num_inference_steps=8, guidance_scale=2.0, generator=stem["seed"]
        ).audios[0]
        own = fetched(client, stem["stem"], folder)
        torch.testing.assert_close(own, made, rtol=0, atol=2**-20)
        both = read_audio(mix)[0] + own
        expected = both / both.abs().max().clamp(min=1)
        torch.testing.assert_close(fetched(client, stem["with_mix"], folder), expected, rtol=0, atol=2**-20)
        flac = fetched(client, stem["stem"].replace(".wav", ".flac"), folder)
        torch.testing.assert_close(flac, own, rtol=0, atol=2**-22)


def test_a_job_names_its_stem(build_pipeline, mix, tmp_path):
    generator = Generator(build_pipeline(carriers=8, targets=["bass", "drums"]), max_duration=5.0, previews=False)
    jobs = jobs_module.Jobs(generator, tmp_path, most=25)
    client = testclient.TestClient(api.create_api(generator, jobs))
    assert client.get("/").json()["targets"] == ["bass", "drums"]
    told = finished(client, submit(client, mix, target="drums").json()["job"])
    Quality.FAST.apply_to(generator.pipe)
    made = generator.pipe(read_audio(mix)[0], RATE, num_inference_steps=8, generator=0, target="drums").audios[0]
    torch.testing.assert_close(fetched(client, told["stems"][0]["stem"], tmp_path), made, rtol=0, atol=2**-20)
    failed = finished(client, submit(client, mix, target="../piano").json()["job"])
    assert failed["error"] == "got target '../piano', expected what the net generates: bass, drums"


def test_a_part_of_a_stem_is_made_anew(client, mix, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fetched")
    first = finished(client, submit(client, mix).json()["job"])
    stem = fetched(client, first["stems"][0]["stem"], folder)
    init = {"init": ("bass.wav", (folder / "0.wav").read_bytes())}
    again = finished(client, submit(client, mix, init, seed=1, keep="0:0.4").json()["job"])
    assert again["settings"]["keep"] == [[0.0, 0.4]] and again["settings"]["strength"] == 1.0
    changed = (fetched(client, again["stems"][0]["stem"], folder) - stem).abs()[0]
    assert changed[: round(0.37 * RATE)].max() < 1e-6 < 1e-3 < changed.max()


@pytest.mark.parametrize(
    ("settings", "status", "message"),
    [
        ({"quality": "splendid"}, 422, "quality: "),
        ({"colour": "red"}, 422, "colour: "),
        ({"count": "0"}, 422, "count: "),
        ({"count": "9"}, 422, "count: "),
        ({"seed": "-1"}, 422, "seed: "),
        ({"guidance_scale": "nan"}, 422, "guidance_scale: "),
        ({"blend": "1.5"}, 422, "blend: "),
        ({"bpm": "2"}, 400, "expected 4 to 1000"),
        ({"chords": "| C |"}, 400, "without a tempo"),
        ({"density": "3"}, 400, "do not know density"),
        ({"keep": "0:8"}, 400, "send it as init"),
        ({"strength": "0.5"}, 400, "send it as init"),
    ],
)
def test_wrong_settings_are_named(client, jobs, mix, tmp_path, settings, status, message):
    answer = submit(client, mix, **settings)
    assert answer.status_code == status and message in answer.json()["detail"]
    assert jobs.all() == [] and list(tmp_path.iterdir()) == []  # nothing is left


def test_wrong_files_are_named_without_the_folders_of_the_server(client, jobs, mix, tmp_path):
    (long := tmp_path / "long.wav").write_bytes(b"")
    write_audio(long, torch.zeros(1, 6 * 8000), 8000)
    cases = {
        "Field required": {},
        "ends in": {"mix": ("mix.exe", b"MZ")},
        "mix.wav: cannot be read as audio": {"mix": ("mix.wav", b"RIFF nonsense")},
        "long.wav: ": {"mix": ("long.wav", long.read_bytes())},
        "style: got a file": {"mix": (mix.name, mix.read_bytes()), "style": ("style", b"")},
    }
    for message, files in cases.items():
        answer = client.post("/jobs", files=files)
        assert answer.status_code in (400, 422) and message in answer.json()["detail"]
        assert str(tmp_path) not in answer.text
    assert jobs.all() == []


def test_silence_fails_when_its_turn_comes(client, tmp_path_factory):
    silence = tmp_path_factory.mktemp("silence") / "silence.wav"
    write_audio(silence, torch.zeros(1, 5000), RATE)
    told = finished(client, submit(client, silence).json()["job"])
    assert told["state"] == "failed" and told["error"].startswith("silence.wav: is silence")


def test_twenty_jobs_wait_for_each_other_and_one_is_cancelled(client, jobs, mix):
    names = [submit(client, mix, seed=seed).json()["job"] for seed in range(20)]
    waiting = client.get(f"/jobs/{names[-2]}").json()
    assert waiting["state"] == "queued" and 0 < waiting["ahead"] < 19
    assert client.post(f"/jobs/{names[-1]}/cancel").json()["state"] == "cancelled"
    told = [finished(client, name) for name in names]
    assert [each["state"] for each in told] == ["done"] * 19 + ["cancelled"]
    assert [each["settings"]["seed"] for each in told] == list(range(20))
    ended = [job.ended for job in jobs.all()[:-1]]
    assert ended == sorted(ended)  # in the order in which they were sent
    assert len(client.get("/jobs").json()) == 20


def test_a_running_job_is_cancelled_and_a_deleted_one_leaves_nothing(client, jobs, mix, tmp_path):
    name = submit(client, mix, quality="best", count=8).json()["job"]
    wait_until(lambda: client.get(f"/jobs/{name}").json()["progress"] > 0.1)
    client.post(f"/jobs/{name}/cancel")
    told = finished(client, name)
    assert told["state"] == "cancelled" and len(told["stems"]) < 8
    running = submit(client, mix, quality="best", count=8).json()["job"]
    wait_until(lambda: client.get(f"/jobs/{running}").json()["progress"] > 0.1)
    for job in (name, running):
        assert client.delete(f"/jobs/{job}").status_code == 204
        assert client.get(f"/jobs/{job}").status_code == 404
    wait_until(lambda: list(tmp_path.iterdir()) == [])
    assert finished(client, submit(client, mix).json()["job"])["state"] == "done"  # the model is free


def test_there_are_as_many_jobs_as_may_be(generator, mix, tmp_path):
    jobs = jobs_module.Jobs(generator, tmp_path, most=1)
    client = testclient.TestClient(api.create_api(generator, jobs))
    name = submit(client, mix).json()["job"]
    answer = submit(client, mix)
    assert answer.status_code == 429 and "1 jobs" in answer.json()["detail"]
    finished(client, name)
    jobs.sweep(keep=60.0)
    assert len(jobs.all()) == 1
    jobs.sweep(keep=0.0)
    assert jobs.all() == [] and list(tmp_path.iterdir()) == []
    assert submit(client, mix).status_code == 202


def test_what_is_larger_than_it_may_be_is_refused_with_and_without_its_size(generator, jobs):
    client = testclient.TestClient(api.create_api(generator, jobs))
    most = (1 << 20) + 4 * 2 * 48_000 * 4 * 5
    assert client.post("/jobs", files={"mix": ("mix.wav", bytes(most))}).status_code == 413

    def chunks():
        yield b'--b\r\nContent-Disposition: form-data; name="mix"; filename="mix.wav"\r\n\r\n'
        for _ in range(most // (1 << 20) + 1):
            yield bytes(1 << 20)
        yield b"\r\n--b--\r\n"

    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    assert client.post("/jobs", content=chunks(), headers=kind).status_code == 413
    assert jobs.all() == []


def test_without_the_token_or_from_another_site_nothing_is_answered(generator, jobs, mix):
    client = testclient.TestClient(api.create_api(generator, jobs, token="a long secret"))
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "a long secret"}):
        for method, address in (("GET", "/"), ("GET", "/jobs"), ("POST", "/jobs"), ("GET", "/openapi.json")):
            assert client.request(method, address, headers=headers).status_code == 401
    right = {"Authorization": "Bearer a long secret"}
    assert client.get("/", headers=right).json()["target"] == "bass"
    open_client = testclient.TestClient(api.create_api(generator, jobs))
    for origin in ("https://evil.example", "null", "http://127.0.0.1:7860"):
        assert submit(open_client, mix).status_code == 202
        answer = open_client.post("/jobs", headers={"Origin": origin}, files={"mix": (mix.name, mix.read_bytes())})
        assert answer.status_code == 403
    assert len(jobs.all()) == 3


@pytest.mark.parametrize(
    "address",
    [
        "/docs",
        "/redoc",
        "/jobs/x",
        "/jobs/x/stem/0.wav",
        "/jobs/../jobs",
        "/jobs/JOB/stem/9.wav",
        "/jobs/JOB/with-mix/0.mp3",
    ],
)
def test_what_is_not_there_is_not_found(client, mix, address):
    name = submit(client, mix).json()["job"]
    finished(client, name)
    assert client.get(address.replace("JOB", name)).status_code in (404, 200 if address == "/jobs/../jobs" else 404)


@given(
    name=st.text(max_size=80) | st.sampled_from(["../../etc/x.wav", "C:\\\\a\\\\b.wav", ".wav", "a/b.WAV", "\0.wav"])
)
def test_names_of_uploads_stay_in_their_folder(name):
    try:
        safe = file_name(name, "mix")
    except ValueError as error:
        assert "expected one that ends in" in str(error)
        return
    assert safe and not safe.startswith(".") and not set(safe) & set("/\\\0") and len(safe) < 80


@given(ranges=st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), min_size=1, max_size=4))
def test_ranges_are_read_as_they_are_written(ranges):
    pairs = [(float(start), float(start + length)) for start, length in ranges]
    assert read_ranges(",".join(f"{start:g}:{end:g}" for start, end in pairs)) == pairs


@pytest.mark.parametrize("text", ["", "3", "a:b", "3:2", "1:1", "-1:2", "1:2;3:4", "1:inf", ":5"])
def test_a_text_that_is_no_range_is_refused(text):
    with pytest.raises(ValueError, match="expected seconds"):
        read_ranges(text)


def test_settings_begin_as_those_of_the_command_line(mix):
    request = JobSettings().read({"mix": mix})
    assert (request.quality, request.count, request.seed, request.sketch) == (Quality.STANDARD, 1, 0, None)
    assert JobSettings().read({"mix": mix, "init": mix}).strength == 0.6
