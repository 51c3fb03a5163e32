// Runs once, with `element`, `props` and `trigger` from the page. The value is the control as JSON.
const REACH = 3;
const APART = 0.1; // distance of a drawn path's points: spread evenly over the mix, they make its time its length
const MOST = 1000;
const HELP = {
  point: "Drag the point, or move it with the arrow keys (with Shift in large steps).",
  path:
    "Draw: the path begins with the mix and ends with it. With keys: the arrows move, Enter adds a point, " +
    "Backspace removes the last one.",
};
const field = element.querySelector(".field");
const numbers = ["x", "y"].map((name) => element.querySelector(`input[name=${name}]`));
const pattern = element.querySelector("select[name=pattern]"); // null where the weights know no pattern
const state = { mode: "point", at: [0, 0], points: [[0, 0]] };
let drawing = null;
let timer = null;

const limit = (number) => Math.round(1000 * Math.max(-REACH, Math.min(REACH, number))) / 1000;

function show() {
  const path = state.mode === "path";
  element.querySelectorAll(".modes button").forEach((button) => {
    button.setAttribute("aria-pressed", String(button.dataset.mode === state.mode));
  });
  element.querySelector(".help").textContent = HELP[state.mode];
  element.querySelector(".path").setAttribute("points", path ? state.points.map(([x, y]) => `${x},${-y}`).join(" ") : "");
  const start = element.querySelector(".start");
  start.style.display = path ? "" : "none";
  [
    [start, state.points[0]],
    [element.querySelector(".handle"), state.at],
  ].forEach(([circle, [x, y]]) => {
    circle.setAttribute("cx", x);
    circle.setAttribute("cy", -y);
  });
  numbers.forEach((input, axis) => {
    if (input !== document.activeElement) input.value = state.at[axis].toFixed(2);
  });
  if (pattern && pattern.value && pattern.value.split(",").some((number, axis) => limit(number) !== state.at[axis])) {
    pattern.value = "";
  }
  element.querySelectorAll(".pattern").forEach((ellipse) => {
    ellipse.classList.toggle("chosen", ellipse.dataset.at === pattern.value);
  });
}

// A line is made when the hand rests: each request takes the place of the one before.
function send(delay) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    const value = JSON.stringify({ points: state.points });
    if (value === props.value) return;
    props.value = value;
    trigger("input");
  }, delay);
}

function say() {
  const where = `x ${state.at[0].toFixed(1)}, y ${state.at[1].toFixed(1)}`;
  const points = state.mode === "path" ? `, ${state.points.length} points` : "";
  element.querySelector(".said").textContent = where + points;
}

function move(x, y) {
  state.at = [limit(x), limit(y)];
  if (state.mode === "point") state.points = [state.at];
}

function place(event) {
  const box = field.getBoundingClientRect();
  move(
    REACH * ((2 * (event.clientX - box.left)) / box.width - 1),
    REACH * (1 - (2 * (event.clientY - box.top)) / box.height),
  );
}

function extend() {
  const last = state.points.at(-1);
  const way = [0, 1].map((axis) => state.at[axis] - last[axis]);
  const count = Math.floor(Math.hypot(...way) / APART);
  for (let step = 1; step <= count && state.points.length < MOST; step++) {
    state.points.push(last.map((number, axis) => limit(number + (way[axis] * step) / count)));
  }
}

field.addEventListener("pointerdown", (event) => {
  if (drawing !== null || event.button !== 0) return;
  drawing = event.pointerId;
  field.setPointerCapture(drawing);
  clearTimeout(timer);
  place(event);
  state.points = [state.at];
  show();
});

field.addEventListener("pointermove", (event) => {
  if (event.pointerId !== drawing) return;
  place(event);
  if (state.mode === "path") extend();
  else send(150);
  show();
});

["pointerup", "pointercancel"].forEach((name) =>
  field.addEventListener(name, (event) => {
    if (event.pointerId !== drawing) return;
    drawing = null;
    state.at = state.points.at(-1);
    show();
    send(0);
  }),
);

field.addEventListener("keydown", (event) => {
  const step = event.shiftKey ? 0.5 : 0.1;
  const [x, y] = state.at;
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] };
  const path = state.mode === "path";
  if (ways[event.key]) {
    const [right, up] = ways[event.key];
    move(x + step * right, y + step * up);
  } else if (event.key === "Enter" && path && state.points.length < MOST) state.points.push(state.at);
  else if (event.key === "Backspace" && path && state.points.length > 1) state.at = (state.points.pop(), state.points.at(-1));
  else return;
  event.preventDefault();
  show();
  say();
  if (!path || !ways[event.key]) send(300);
});

numbers.forEach((input, axis) =>
  input.addEventListener("change", () => {
    if (input.value !== "") move(...state.at.map((number, other) => (other === axis ? Number(input.value) : number)));
    input.value = state.at[axis].toFixed(2);
    show();
    if (state.mode === "point") send(0);
  }),
);

pattern?.addEventListener("change", () => {
  if (!pattern.value) return;
  move(...pattern.value.split(",").map(Number));
  show();
  say();
  if (state.mode === "point") send(0);
});

element.querySelector(".modes").addEventListener("click", (event) => {
  const mode = event.target.dataset.mode;
  if (!mode || mode === state.mode) return;
  state.mode = mode;
  state.points = [state.at];
  show();
  send(0);
});

show();
