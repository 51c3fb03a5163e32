"""The programs that come with the server: the client in Python, and REAPER's script with the workstation played."""

import json
import runpy
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import latentstem
from latentstem import read_audio
from latentstem.ui.generator import Generator

uvicorn = pytest.importorskip("uvicorn")
pytest.importorskip("fastapi")

from latentstem.serve.api import create_api  # noqa: E402
from latentstem.serve.jobs import Jobs  # noqa: E402
from latentstem.ui.network import listen  # noqa: E402

ROOT = Path(latentstem.__file__).parents[1]
MIX = ROOT / "examples" / "audio" / "mix-1.flac"
SCRIPT = ROOT / "examples" / "reaper" / "latentstem.lua"

# A workstation of which the script sees what it asks for: a selection from 2 to 14 s at 100 beats a minute.
WORKSTATION = """
local project, said, waiting = {}, {}, {}
local function say(name) return function(...) table.insert(said, {name, ...}) end end
reaper = {
  GetOS = function() return "Other" end,
  GetProjectPath = function() return FOLDER end,
  time_precise = os.time,
  GetSet_LoopTimeRange = function() return 2.0, 14.0 end,
  GetSetProjectInfo = function(_, key, value, set) if set then project[key] = value end return project[key] or 0 end,
  GetSetProjectInfo_String = function(_, key, value, set)
    if set then project[key] = value end
    return true, project[key] or ""
  end,
  Main_OnCommand = function(command)
    assert(command == 42230 and project.RENDER_BOUNDSFLAG == 2)
    local to = project.RENDER_FILE .. "/" .. project.RENDER_PATTERN .. ".wav"
    assert(os.execute('cp "' .. RENDERED .. '" "' .. to .. '"'))
  end,
  ExecProcess = function(command)
    local process = io.popen(command .. "; echo; echo code=$?")
    local text = process:read("a")
    process:close()
    local answer, code = text:match("^(.*)\\ncode=(%d+)\\n$")
    return code .. "\\n" .. answer
  end,
  TimeMap_GetDividedBpmAtTime = function() return 100 end,
  TimeMap2_timeToBeats = function() return 1.0, 0 end,
  TimeMap2_beatsToTime = function(_, beats, measures) return 0.0 end,
  CountTracks = function() return 1 end,
  GetTrack = function() return "track" end,
  Undo_BeginBlock = function() end,
  Undo_EndBlock = function() end,
  InsertTrackAtIndex = say("track"),
  GetSetMediaTrackInfo_String = function() end,
  SetOnlyTrackSelected = function() end,
  SetEditCurPos = say("cursor"),
  InsertMedia = say("insert"),
  ShowMessageBox = say("message"),
  defer = function(work) table.insert(waiting, work) end,
}
dofile(SCRIPT)
while #waiting > 0 do table.remove(waiting, 1)() os.execute("sleep 0.1") end
for _, each in ipairs(said) do print(table.concat({each[1], tostring(each[2])}, "\\t")) end
assert(project.RENDER_BOUNDSFLAG == 0) -- the project's own settings are back
"""


@pytest.fixture(scope="module")
def server(build_pipeline, tmp_path_factory):
    generator = Generator(build_pipeline(carriers=8), max_duration=60.0, previews=False)
    jobs = Jobs(generator, tmp_path_factory.mktemp("jobs"))
    with listen("127.0.0.1", 0) as listener:
        own = uvicorn.Server(uvicorn.Config(create_api(generator, jobs), log_level="warning"))
        thread = threading.Thread(target=own.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", jobs
        own.should_exit = True
        thread.join()


def test_the_client_writes_a_stem_and_leaves_no_job(server, tmp_path):
    url, jobs = server
    words = [MIX, "-o", tmp_path / "bass.wav", "--url", url, "--quality", "fast", "--seed", "3", "--style", MIX]
    command = [sys.executable, ROOT / "examples" / "serve_client.py", *words]
    run = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True)
    assert "seed 3, 12.00 s" in run.stdout
    assert read_audio(tmp_path / "bass.wav")[0].shape[1] == read_audio(MIX)[0].shape[1]
    assert jobs.all() == []
    wrong = subprocess.run([*map(str, command), "--density", "3"], capture_output=True, text=True)
    assert wrong.returncode == 1 and wrong.stderr.strip().endswith("do not know density")


@pytest.fixture(scope="module")
def bridge():
    """The module of the bridge of Pure Data."""
    return runpy.run_path(str(ROOT / "examples" / "puredata" / "bridge.py"))


@given(
    words=st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Z"]) | st.just(" "), min_size=1)
    )
)
def test_messages_of_pure_data_are_read_as_they_are_written(bridge, words):
    written = bridge["write_message"](*words).decode()
    assert written.endswith(";\n") and bridge["read_message"](written[:-2]) == words


@pytest.mark.skipif(shutil.which("pd") is None, reason="needs Pure Data")
def test_the_patch_of_pure_data_gets_a_stem(server, bridge, tmp_path):
    url, jobs = server
    mix = tmp_path / "my mix.flac"
    shutil.copy(MIX, mix)
    between = bridge["Bridge"](0, url, None)
    thread = threading.Thread(target=between.serve_forever)
    thread.start()
    patch = (ROOT / "examples" / "puredata" / "latentstem.pd").read_text()
    (own := tmp_path / "patch.pd").write_text(patch.replace("7862", str(between.server_address[1])))
    asked = f"latentstem-mix symbol {mix}".replace("my mix", "my\\ mix")
    try:
        with subprocess.Popen(
            ["pd", "-nogui", "-noaudio", "-stderr", "-open", str(own), "-send", asked],
            stderr=subprocess.PIPE,
            text=True,
        ) as pd:
            said = next(line for line in pd.stderr if line.startswith(("latentstem-done", "latentstem-error")))
            pd.kill()
    finally:
        between.shutdown()
        between.server_close()
        thread.join()
    assert said.startswith("latentstem-done: symbol ")
    (stem,) = tmp_path.glob("my mix-bass-*.wav")
    assert said.strip().endswith(stem.name.replace(" ", "\\ "))
    assert read_audio(stem)[0].shape[1] == read_audio(MIX)[0].shape[1] and jobs.all() == []


@pytest.mark.skipif(not (shutil.which("lua5.4") and shutil.which("curl")), reason="needs lua5.4 and curl")
def test_the_script_of_reaper_places_a_stem_at_the_selection(tmp_path, build_pipeline, tmp_path_factory):
    pipe_folder = ROOT / "latentstem" / "weights" / "bass"
    pipe = latentstem.StemAccompanimentPipeline.from_pretrained(pipe_folder)  # one that knows beats
    generator = Generator(pipe, previews=False)
    jobs = Jobs(generator, tmp_path_factory.mktemp("jobs"))
    mix, rate = read_audio(MIX)
    latentstem.write_audio(tmp_path / "rendered.wav", mix, rate)
    (project := tmp_path / "it's a project").mkdir()
    with listen("127.0.0.1", 0) as listener:
        own = uvicorn.Server(uvicorn.Config(create_api(generator, jobs), log_level="warning"))
        thread = threading.Thread(target=own.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            script = tmp_path / "latentstem.lua"
            script.write_text(SCRIPT.read_text().replace("http://127.0.0.1:7861", url))
            names = {"FOLDER": str(project), "RENDERED": str(tmp_path / "rendered.wav"), "SCRIPT": str(script)}
            prelude = "".join(f"{name} = {json.dumps(value)}\n" for name, value in names.items())
            (played := tmp_path / "played.lua").write_text(prelude + WORKSTATION)
            run = subprocess.run(["lua5.4", str(played)], capture_output=True, text=True, timeout=60)
        finally:
            own.should_exit = True
            thread.join()
    assert run.returncode == 0, run.stderr
    said = dict(line.split("\t") for line in run.stdout.splitlines())
    assert "message" not in said, said
    assert said["cursor"] == "2.0"
    stem, stem_rate = read_audio(said["insert"])
    assert (stem_rate, stem.shape[1]) == (rate, mix.shape[1]) and stem.abs().max() > 0.01
    assert jobs.all() == [] and Path(said["insert"]).parent == project
