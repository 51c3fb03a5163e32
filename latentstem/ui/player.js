// Runs once, with `element`, `trigger` and `watch` from the page. The HTML in `element` changes under it whenever a take
// is finished or changed. The pad has this player too, with one take and without the buttons of takes.
const state = { take: null, view: "both", loop: false, region: null };
const LEAST = 0.1; // seconds of a marked part
let heard = null;
let known = new Set();
let lasting = { seconds: 0, playing: false };
let emptied = false; // another file has come into the element that is heard, and its beginning is not known yet
let wanted = null; // the file that is being written, to be downloaded then

const takes = () => [...element.querySelectorAll(".take")];
const nameOf = (take) => take.dataset.name ?? take.dataset.take;
const find = (name) => takes().find((take) => nameOf(take) === name);
const audioOf = (name, view) => find(name)?.querySelector(`audio[data-view=${view}]`) ?? null;
const lengthOf = (name) => Number(find(name)?.querySelector(".picture").getAttribute("aria-valuemax") ?? 0);
const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

function show() {
  const playing = heard !== null && !heard.paused;
  takes().forEach((take) => {
    const chosen = nameOf(take) === state.take;
    take.classList.toggle("chosen", chosen);
    take.querySelectorAll(".pick").forEach((pick) => pick.setAttribute("aria-pressed", String(chosen)));
    take.querySelectorAll(".region").forEach((region) => {
      const marked = chosen && state.region;
      region.style.display = marked ? "block" : "none";
      if (!marked) return;
      const length = lengthOf(state.take);
      region.style.left = `${(100 * state.region.start) / length}%`;
      region.style.width = `${(100 * (state.region.end - state.region.start)) / length}%`;
    });
  });
  element.querySelectorAll(".views button").forEach((button) => {
    button.setAttribute("aria-pressed", String(button.dataset.view === state.view));
  });
  element.querySelectorAll(".picture [data-view]").forEach((picture) => {
    picture.classList.toggle("hidden", picture.dataset.view !== state.view);
  });
  const play = element.querySelector(".play");
  if (play) {
    play.textContent = playing ? "❚❚" : "▶";
    play.setAttribute("aria-label", playing ? "Pause" : "Play");
  }
  element.querySelector(".loop")?.setAttribute("aria-pressed", String(state.loop));
  element.querySelector(".regions")?.classList.toggle("hidden", state.region === null);
  const marked = element.querySelector(".marked");
  if (marked && state.region) {
    marked.textContent = `${state.region.start.toFixed(1)} to ${state.region.end.toFixed(1)} s`;
  }
}

function place() {
  if (!heard || !heard.duration) return;
  if (!emptied) lasting = { seconds: heard.currentTime, playing: !heard.paused };
  const share = heard.currentTime / heard.duration;
  element.querySelector(".clock").textContent = `${clock(heard.currentTime)} / ${clock(heard.duration)}`;
  element.querySelectorAll(".playhead").forEach((line) => (line.style.left = `${100 * share}%`));
  element.querySelectorAll(".picture").forEach((picture) => {
    picture.setAttribute("aria-valuenow", heard.currentTime.toFixed(1));
  });
}

function follow() {
  if (heard && state.loop && !heard.paused) {
    const { start, end } = state.region ?? { start: 0, end: Infinity };
    if (heard.currentTime >= end || heard.currentTime < start - LEAST) heard.currentTime = start;
  }
  place();
  if (heard && !heard.paused) requestAnimationFrame(follow);
}

// The same moment of another recording: it starts before the first one stops, so there is no gap.
function switchTo(take, view) {
  if (take !== state.take) state.region = null;
  Object.assign(state, { take, view });
  const next = audioOf(take, view);
  if (next && next !== heard) {
    const before = heard;
    heard = next;
    emptied = false;
    if (before) {
      next.currentTime = before.currentTime;
      if (!before.paused) next.play().then(() => before.pause(), () => before.pause());
    }
    next.preload = "auto";
  }
  show();
  place();
}

// The promise is broken when another file comes before the first sound.
const start = () => heard.play().catch(() => {});

function toggle() {
  if (!heard) return;
  if (!heard.paused) {
    heard.pause();
    return;
  }
  if (state.region && (heard.currentTime < state.region.start || heard.currentTime >= state.region.end)) {
    heard.currentTime = state.region.start;
  }
  start();
}

function seek(seconds) {
  if (!heard) return;
  heard.currentTime = Math.max(0, Math.min(seconds, lengthOf(state.take)));
  place();
}

function mark(from, to) {
  const [first, last] = [Math.min(from, to), Math.max(from, to)];
  state.region = last - first < LEAST ? null : { start: Math.max(0, first), end: Math.min(last, lengthOf(state.take)) };
  show();
}

// What the page does with a take; `trigger` hands it to the server.
function act(button) {
  const take = button.closest(".take");
  const { action, ...data } = button.dataset;
  const name = take ? nameOf(take) : state.take;
  if (action === "write") wanted = { name, label: button.textContent };
  if (action === "delete" && take.querySelector("[data-action=star]").ariaPressed === "true") {
    if (!confirm("This take has a star. Delete it?")) return;
  }
  trigger("click", { action, name, ...data, ...(take ? {} : state.region) });
}

element.addEventListener("click", (event) => {
  const take = event.target.closest(".take");
  const view = event.target.closest(".views button");
  const button = event.target.closest("[data-action]");
  if (event.target.closest("a, label")) return;
  if (button) act(button);
  else if (event.target.closest(".play")) toggle();
  else if (event.target.closest(".loop")) state.loop = !state.loop;
  else if (event.target.closest(".unmark")) state.region = null;
  else if (view) switchTo(state.take, view.dataset.view);
  else if (take && !event.target.closest(".picture")) switchTo(nameOf(take), state.view);
  show();
});

element.addEventListener("input", (event) => {
  if (event.target.name !== "level") return;
  const value = Number(event.target.value);
  event.target.parentNode.querySelector("output").textContent = `${value > 0 ? "+" : ""}${value} dB`;
});

element.addEventListener("change", (event) => {
  if (event.target.name !== "level") return;
  trigger("click", { action: "level", name: nameOf(event.target.closest(".take")), decibels: Number(event.target.value) });
});

// A click on a picture leads there; a drag marks a part.
element.addEventListener("pointerdown", (event) => {
  const picture = event.target.closest(".picture");
  if (!picture || event.button !== 0) return;
  switchTo(nameOf(picture.closest(".take")), state.view);
  const box = picture.getBoundingClientRect();
  const at = (moved) => (Math.max(0, Math.min(1, (moved.clientX - box.left) / box.width)) * lengthOf(state.take));
  const from = at(event);
  const marks = element.querySelector(".regions") !== null;
  let dragged = false;
  const move = (moved) => {
    if (!marks || (!dragged && Math.abs(moved.clientX - event.clientX) < 6)) return;
    dragged = true;
    mark(from, at(moved));
  };
  const end = () => {
    document.removeEventListener("pointermove", move);
    document.removeEventListener("pointerup", end);
    document.removeEventListener("pointercancel", end);
    if (!dragged) seek(from);
    else if (state.region) seek(state.region.start);
  };
  document.addEventListener("pointermove", move);
  document.addEventListener("pointerup", end);
  document.addEventListener("pointercancel", end);
});

element.addEventListener("keydown", (event) => {
  const number = Number(event.key);
  const onPicture = event.target.closest(".picture");
  const now = heard?.currentTime ?? 0;
  if (event.target.closest("input")) return;
  if (number > 0 && takes()[number - 1]) switchTo(nameOf(takes()[number - 1]), state.view);
  else if (!onPicture) return;
  else if (event.key === " ") toggle();
  else if (event.key === "ArrowLeft") seek(now - 2);
  else if (event.key === "ArrowRight") seek(now + 2);
  else if (event.key === "[") mark(now, state.region?.end ?? lengthOf(state.take));
  else if (event.key === "]") mark(state.region?.start ?? 0, now);
  else if (event.key === "Escape") (state.region = null), show();
  else return;
  event.preventDefault();
});

// A link that is dragged to a folder or a workstation is dropped as the file.
element.addEventListener("dragstart", (event) => {
  const link = event.target.closest?.("a[download]");
  if (link) event.dataTransfer.setData("DownloadURL", `application/octet-stream:${link.download}:${link.href}`);
});

// Media events do not bubble, but they can be caught on their way down.
["play", "pause"].forEach((name) => element.addEventListener(name, () => (show(), follow()), true));
element.addEventListener(
  "ended",
  (event) => {
    if (event.target === heard && state.loop) {
      heard.currentTime = state.region?.start ?? 0;
      start();
    }
    show();
    place();
    if (event.target === heard && heard.paused) lasting = { seconds: 0, playing: false }; // the next file begins anew
  },
  true,
);

element.addEventListener("emptied", (event) => (emptied ||= event.target === heard), true);

// Another file in the same element, such as the next line of a mix, begins at 0 and is still: it goes on where the last
// one was.
element.addEventListener(
  "loadedmetadata",
  (event) => {
    if (event.target === heard && lasting.seconds > 0 && heard.currentTime === 0) {
      heard.currentTime = Math.min(lasting.seconds, heard.duration);
      if (lasting.playing) start();
    }
    if (event.target === heard) emptied = false;
    place();
    show();
  },
  true,
);

function download() {
  const links = wanted ? [...(find(wanted.name)?.querySelectorAll(".downloads a") ?? [])] : [];
  const link = links.find((link) => link.textContent.endsWith(wanted.label));
  if (!link) return;
  wanted = null;
  link.click();
}

function refresh() {
  const names = takes().map(nameOf);
  const fresh = names.filter((name) => !known.has(name));
  known = new Set(names);
  if (names.length === 0) {
    if (heard) heard.pause();
    heard = null;
    lasting = { seconds: 0, playing: false };
    Object.assign(state, { take: null, region: null });
    return;
  }
  const playing = heard !== null && heard.isConnected && !heard.paused;
  // The takes of a press share its copy of the mix; the newest press comes last.
  const pressOf = (name) => audioOf(name, "mix")?.getAttribute("src");
  const newest = names.find((name) => pressOf(name) === pressOf(names[names.length - 1]));
  if (fresh.includes(newest) && !playing) switchTo(newest, state.view);
  else if (!names.includes(state.take)) switchTo(names[names.length - 1], state.view);
  else heard = audioOf(state.take, state.view) ?? heard;
  download();
  show();
  place();
}

watch("value", refresh);
refresh();
