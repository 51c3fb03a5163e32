-- latentstem for REAPER: a bass for the time selection, on a track of its own.
--
-- Start `latentstem serve` in a terminal, mute the bass if there is one, select the time that wants a bass, and run this
-- script (Actions > Show action list > New action > Load ReaScript). It renders the selection of the master, sends it to
-- the server with the tempo of the project, and places the stem at the start of the selection. curl must be on the path.

local SERVER = "http://127.0.0.1:7861"
local TOKEN = "" -- that of `latentstem serve --token`, if it has one

local json_value = function(text, name)
  return text:match('"' .. name .. '"%s*:%s*"([^"]*)"') or text:match('"' .. name .. '"%s*:%s*([%-%d%.]+)')
end

-- Double quotes are understood on all systems, whether REAPER asks a shell or not.
local quoted = function(text) return '"' .. text:gsub('"', "") .. '"' end

-- Run curl and return what it prints. REAPER puts the exit code on the first line.
local function curl(arguments)
  local command = "curl --silent --show-error --max-time 600 "
  if TOKEN ~= "" then command = command .. "-H " .. quoted("Authorization: Bearer " .. TOKEN) .. " " end
  local answer = reaper.ExecProcess(command .. arguments, 610000)
  if not answer then error("curl could not be started", 0) end
  local code, text = answer:match("^(%-?%d+)\r?\n(.*)$")
  if code ~= "0" then error("the server does not answer (" .. (text or answer) .. "); is `latentstem serve` running?", 0) end
  return text
end

local function render_selection(first, last)
  local folder = reaper.GetProjectPath("")
  local name = "latentstem-mix-" .. math.floor(1000 * reaper.time_precise())
  local numbers = { RENDER_SETTINGS = 0, RENDER_BOUNDSFLAG = 2, RENDER_ADDTOPROJ = 0, RENDER_STARTPOS = first, RENDER_ENDPOS = last }
  local texts = { RENDER_FILE = folder, RENDER_PATTERN = name, RENDER_FORMAT = "evaw" }
  local before = { numbers = {}, texts = {} }
  for key, value in pairs(numbers) do
    before.numbers[key] = reaper.GetSetProjectInfo(0, key, 0, false)
    reaper.GetSetProjectInfo(0, key, value, true)
  end
  for key, value in pairs(texts) do
    local _, old = reaper.GetSetProjectInfo_String(0, key, "", false)
    before.texts[key] = old
    reaper.GetSetProjectInfo_String(0, key, value, true)
  end
  reaper.Main_OnCommand(42230, 0) -- render with the settings above, and close the window
  for key, value in pairs(before.numbers) do reaper.GetSetProjectInfo(0, key, value, true) end
  for key, value in pairs(before.texts) do reaper.GetSetProjectInfo_String(0, key, value, true) end
  return folder .. "/" .. name .. ".wav"
end

local function submit(mix, first)
  local bpm = reaper.TimeMap_GetDividedBpmAtTime(first)
  local _, measures = reaper.TimeMap2_timeToBeats(0, first)
  local bar = reaper.TimeMap2_beatsToTime(0, 0, measures) -- where the bar of the selection's start begins
  local form = {
    "mix=@" .. mix,
    "quality=standard",
    "seed=" .. math.floor(1000 * reaper.time_precise()) % 1000000,
    string.format("bpm=%.3f", bpm),
    string.format("downbeat=%.4f", bar - first),
  }
  local arguments = ""
  for _, part in ipairs(form) do arguments = arguments .. "-F " .. quoted(part) .. " " end
  local answer = curl(arguments .. quoted(SERVER .. "/jobs"))
  return json_value(answer, "job") or error(json_value(answer, "detail") or answer, 0)
end

local function place(job, answer, mix, first)
  local stem = mix:gsub("%-mix%-", "-bass-")
  curl("-o " .. quoted(stem) .. " " .. quoted(SERVER .. json_value(answer, "stem")))
  curl("-X DELETE " .. quoted(SERVER .. "/jobs/" .. job))
  reaper.Undo_BeginBlock()
  reaper.InsertTrackAtIndex(reaper.CountTracks(0), true)
  local track = reaper.GetTrack(0, reaper.CountTracks(0) - 1)
  reaper.GetSetMediaTrackInfo_String(track, "P_NAME", "Bass (latentstem)", true)
  reaper.SetOnlyTrackSelected(track)
  reaper.SetEditCurPos(first, false, false)
  reaper.InsertMedia(stem, 0) -- on the selected track, at the cursor
  reaper.Undo_EndBlock("Bass by latentstem", -1)
end

local function guarded(work)
  local fine, message = pcall(work)
  if not fine then reaper.ShowMessageBox(tostring(message), "latentstem", 0) end
end

guarded(function()
  local first, last = reaper.GetSet_LoopTimeRange(false, false, 0, 0, false)
  if last - first < 1 then error("select at least a second of time that wants a bass", 0) end
  local mix = render_selection(first, last)
  local job = submit(mix, first)
  local asked = 0
  local function wait()
    guarded(function()
      if reaper.time_precise() - asked < 0.5 then return reaper.defer(wait) end
      asked = reaper.time_precise()
      local answer = curl(quoted(SERVER .. "/jobs/" .. job))
      local state = json_value(answer, "state")
      if state == "done" then return place(job, answer, mix, first) end
      if state == "queued" or state == "running" then return reaper.defer(wait) end
      error(json_value(answer, "error") or answer, 0)
    end)
  end
  wait()
end)
