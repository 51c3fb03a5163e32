// Runs once, with `element` and `watch` from the page. The HTML in `element` changes under it whenever a take is finished.
const state = { take: 0, view: "both" };
let heard = null;
let lasting = { seconds: 0, playing: false };

const wanted = () =>
  state.view === "mix"
    ? element.querySelector("audio[data-view=mix]")
    : element.querySelector(`.take[data-take="${state.take}"] audio[data-view=${state.view}]`);

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

function show() {
  const playing = heard !== null && !heard.paused;
  element.querySelectorAll(".take").forEach((take) => {
    take.classList.toggle("chosen", Number(take.dataset.take) === state.take);
  });
  element.querySelectorAll(".pick").forEach((pick, number) => {
    pick.setAttribute("aria-pressed", String(number === state.take));
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
}

function place() {
  if (!heard || !heard.duration) return;
  lasting = { seconds: heard.currentTime, playing: !heard.paused };
  const share = heard.currentTime / heard.duration;
  element.querySelector(".clock").textContent = `${clock(heard.currentTime)} / ${clock(heard.duration)}`;
  element.querySelectorAll(".playhead").forEach((line) => (line.style.left = `${100 * share}%`));
  element.querySelectorAll(".picture").forEach((picture) => {
    picture.setAttribute("aria-valuenow", heard.currentTime.toFixed(1));
  });
}

function follow() {
  place();
  if (heard && !heard.paused) requestAnimationFrame(follow);
}

// The same moment of another recording: it starts before the first one stops, so there is no gap.
function switchTo(take, view) {
  Object.assign(state, { take, view });
  const next = wanted();
  if (next && next !== heard) {
    const before = heard;
    heard = next;
    if (before) {
      next.currentTime = before.currentTime;
      if (!before.paused) next.play().then(() => before.pause(), () => before.pause());
    }
  }
  show();
  place();
}

// The promise is broken when another file comes before the first sound.
const start = () => heard.play().catch(() => {});

function toggle() {
  if (!heard) return;
  if (heard.paused) start();
  else heard.pause();
}

function seek(seconds) {
  if (!heard || !heard.duration) return;
  heard.currentTime = Math.max(0, Math.min(seconds, heard.duration));
  place();
}

element.addEventListener("click", (event) => {
  const take = event.target.closest(".take");
  const picture = event.target.closest(".picture");
  const view = event.target.closest(".views button");
  if (event.target.closest("a")) return;
  if (event.target.closest(".play")) toggle();
  else if (view) switchTo(state.take, view.dataset.view);
  else if (take) switchTo(Number(take.dataset.take), state.view);
  if (picture && heard) {
    const box = picture.getBoundingClientRect();
    seek(((event.clientX - box.left) / box.width) * heard.duration);
  }
});

element.addEventListener("keydown", (event) => {
  const number = Number(event.key) - 1;
  const onPicture = event.target.closest(".picture");
  if (element.querySelector(`.take[data-take="${number}"]`)) switchTo(number, state.view);
  else if (event.key === " " && onPicture) toggle();
  else if (event.key === "ArrowLeft" && onPicture) seek(heard.currentTime - 2);
  else if (event.key === "ArrowRight" && onPicture) seek(heard.currentTime + 2);
  else return;
  event.preventDefault();
});

// Media events do not bubble, but they can be caught on their way down.
["play", "pause", "ended"].forEach((name) => element.addEventListener(name, () => (show(), follow()), true));

// Another file in the same element, such as the next line of a mix, begins at 0 and is still: it goes on where the last
// one was.
element.addEventListener(
  "loadedmetadata",
  (event) => {
    if (event.target === heard && lasting.seconds > 0 && heard.currentTime === 0) {
      heard.currentTime = Math.min(lasting.seconds, heard.duration);
      if (lasting.playing) start();
    }
    place();
  },
  true,
);

function refresh() {
  const number = element.querySelectorAll(".take").length;
  if (number === 0) {
    if (heard) heard.pause();
    heard = null;
    lasting = { seconds: 0, playing: false };
    state.take = 0;
    return;
  }
  if (state.take >= number) state.take = 0;
  if (heard === null || !heard.isConnected) heard = wanted();
  show();
  place();
}

watch("value", refresh);
refresh();
