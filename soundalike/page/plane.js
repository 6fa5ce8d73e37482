// --- the map ------------------------------------------------------------------------

const state = {
  song: null,
  near: [],
  apart: null,
  marked: 0,
  heard: null,
  past: [],
  list: [],
  undone: [],
  colouring: "artist",
  lasso: null,
  filters: {}, // the groups of each colouring that are wanted
  scale: 0,
  left: 0,
  top: 0,
  whole: 1,
  wide: 0,
  high: 0,
  untouched: true,
};
const canvas = element("map"),
  pen = canvas.getContext("2d"),
  audio = element("audio");
const artistOf = (song) => (songs[song].guest ? "" : data.artists[songs[song].artist].name);
const name = (song) => [artistOf(song), songs[song].title].filter(Boolean).join(" - ");
const styleOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const ink = () => styleOf("--ink");
const bounds = {
  left: x.reduce((a, b) => Math.min(a, b), Infinity),
  right: x.reduce((a, b) => Math.max(a, b), -Infinity),
  top: y.reduce((a, b) => Math.min(a, b), Infinity),
  bottom: y.reduce((a, b) => Math.max(a, b), -Infinity),
};

function showAll() {
  state.untouched = true; // so that it stays whole when the window changes
  state.scale = state.whole;
  state.left = state.wide / 2 - (state.scale * (bounds.left + bounds.right)) / 2;
  state.top = state.high / 2 - (state.scale * (bounds.top + bounds.bottom)) / 2;
  draw();
}

// Fit the canvas to its place; what is in the middle stays there.
function resize() {
  const wide = canvas.clientWidth,
    high = canvas.clientHeight,
    margin = 40,
    { wide: before, high: beforeHigh } = state;
  canvas.width = wide * devicePixelRatio;
  canvas.height = high * devicePixelRatio;
  const breadth = Math.max(bounds.right - bounds.left, 1e-6),
    height = Math.max(bounds.bottom - bounds.top, 1e-6);
  const whole = Math.min((wide - 2 * margin) / breadth, (high - 2 * margin) / height);
  Object.assign(state, { wide, high, whole: Math.max(1e-6, whole) });
  if (state.untouched) {
    showAll();
  } else {
    state.left += (wide - before) / 2;
    state.top += (high - beforeHigh) / 2;
  }
  paint(); // at once: a canvas of another size is empty
}

function bringIntoView(song) {
  const [at, to] = spot(song),
    margin = 20;
  if (at > margin && to > margin && at < state.wide - margin && to < state.high - margin) return;
  state.left += state.wide / 2 - at;
  state.top += state.high / 2 - to;
}

const across = (song) => state.left + state.scale * x[song];
const down = (song) => state.top + state.scale * y[song];
const spot = (song) => [across(song), down(song)];

const CORNERS = {
  "^": "0,-1.2 1.1,0.8 -1.1,0.8",
  v: "0,1.2 1.1,-0.8 -1.1,-0.8",
  s: "-0.9,-0.9 0.9,-0.9 0.9,0.9 -0.9,0.9",
  D: "0,-1.3 1.3,0 0,1.3 -1.3,0",
  P: "-0.4,-1.2 0.4,-1.2 0.4,-0.4 1.2,-0.4 1.2,0.4 0.4,0.4 0.4,1.2 -0.4,1.2 -0.4,0.4 -1.2,0.4 -1.2,-0.4 -0.4,-0.4",
};

const places = (text) => text.split(" ").map((corner) => corner.split(",").map(Number));
const PLACES = Object.fromEntries(
  Object.entries(CORNERS).map(([kind, text]) => [kind, places(text)]),
);

// The mark of an artist beside a name, as it is on the map.
function glyph(kind, colour) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"),
    corners = CORNERS[kind];
  const part = document.createElementNS(svg.namespaceURI, corners ? "polygon" : "circle");
  if (corners) part.setAttribute("points", corners);
  else part.setAttribute("r", "1");
  part.setAttribute("fill", colour);
  svg.setAttribute("viewBox", "-1.4 -1.4 2.8 2.8");
  svg.setAttribute("class", "dot");
  svg.setAttribute("aria-hidden", "true");
  svg.append(part);
  return svg;
}

function shape(kind, at, to, r) {
  pen.beginPath();
  for (const [a, b] of PLACES[kind] ?? []) pen.lineTo(at + a * r, to + b * r);
  if (!PLACES[kind]) pen.arc(at, to, r, 0, 2 * Math.PI);
  pen.closePath();
}

function paint() {
  const wide = canvas.clientWidth,
    high = canvas.clientHeight,
    r = count > 2000 ? 3 : 5;
  const marked = new Map(state.near.map((song, n) => [song, n + 1])),
    dark = ink(),
    rim = styleOf("--soft");
  pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  pen.clearRect(0, 0, wide, high);
  paintLines(dark);
  for (let song = 0; song < count; song++) {
    const [at, to] = spot(song);
    if (at < -20 || to < -20 || at > wide + 20 || to > high + 20) continue;
    const { guest, artist } = songs[song];
    pen.globalAlpha = shown(song) ? 1 : 0.12;
    pen.fillStyle = colourOf(song);
    const mark = guest ? "D" : state.colouring === "artist" ? data.artists[artist].marker : "o";
    shape(mark, at, to, guest ? 2 * r : r);
    pen.fill();
    Object.assign(pen, { strokeStyle: rim, lineWidth: 0.75 });
    pen.stroke();
    if (guest || song === state.song || marked.has(song)) {
      pen.globalAlpha = 1;
      pen.strokeStyle = dark;
      pen.lineWidth = song === state.song ? 3 : 1.5;
      shape(guest ? "D" : "o", at, to, song === state.song ? 2.4 * r : 1.8 * r);
      pen.stroke();
    }
    if (marked.has(song)) {
      pen.fillStyle = dark;
      pen.font = "12px system-ui, sans-serif";
      pen.fillText(String(marked.get(song)), at + 2 * r, to - 1.6 * r);
    }
  }
  pen.globalAlpha = 1;
  paintNames(dark);
}

// The songs most like the chosen one, by lines as thick as they are alike; the playlist as a way; the lasso.
function paintLines(dark) {
  if (state.song !== null) {
    state.near.forEach((other) => {
      const alike = Math.max(0, 1 - state.apart[other]);
      line([spot(state.song), spot(other)], styleOf("--line"), 0.5 + 7 * alike);
    });
    const other = state.near[state.marked],
      [why] = other === undefined ? [] : inCommon(state.song, other);
    if (why) {
      Object.assign(pen, { font: "12px system-ui, sans-serif", fillStyle: dark });
      const [at, to] = spot(state.song),
        [end, low] = spot(other);
      pen.fillText(why, (at + end) / 2 + 6, (to + low) / 2);
    }
  }
  const stops = state.list.map(spot);
  if (stops.length > 1) line(stops, styleOf("--way"), 2, [6, 4]);
  if (state.lasso?.length > 1) line([...state.lasso, state.lasso[0]], dark, 1.5, [3, 3]);
}

function line(places, colour, width, dash = []) {
  pen.beginPath();
  places.forEach(([at, to], n) => (n ? pen.lineTo(at, to) : pen.moveTo(at, to)));
  Object.assign(pen, { strokeStyle: colour, lineWidth: width });
  pen.setLineDash(dash);
  pen.stroke();
  pen.setLineDash([]);
}

const median = (values) => Float32Array.from(values).sort()[values.length >> 1];
const ARTISTS = data.artists
  .map(({ name }, artist) => {
    const own = everySong().filter((song) => songs[song].artist === artist && !songs[song].guest);
    return {
      name,
      artist,
      songs: own.length,
      x: median(own.map((song) => x[song])),
      y: median(own.map((song) => y[song])),
    };
  })
  .filter((one) => one.songs)
  .sort((a, b) => b.songs - a.songs);
const SHORT = 40; // characters of a name on the map
const NAMES = 60; // on the map, at most

// Names of songs that were asked about, of regions where artists mix, and of artists in the middle of their songs: those
// of most songs first, none over another.
function paintNames(dark) {
  const taken = [],
    halo = styleOf("--paper");
  const wanted = state.filters.artist;
  const asked = guests.map((song) => ({ name: songs[song].title, x: x[song], y: y[song] }));
  const regions = state.scale < 4 * state.whole ? data.regions : [];
  const artists = ARTISTS.filter(({ artist }) => !wanted.size || wanted.has(artist));
  const styled = (all, style, below) => all.map((one) => ({ ...one, style, below }));
  const all = [
    ...styled(asked, "", 10),
    ...styled(regions, "italic", -8),
    ...styled(artists, "600", -26),
  ];
  for (const { name, x: at, y: to, style, below } of all) {
    if (taken.length >= NAMES) break;
    const text = name.length > SHORT ? `${name.slice(0, SHORT - 1)}…` : name;
    pen.font = `${style} 13px system-ui, sans-serif`;
    const width = pen.measureText(text).width,
      middle = state.left + state.scale * at,
      top = state.top + state.scale * to + below;
    if (middle < 0 || middle > state.wide || top < 0 || top > state.high) continue;
    const left = Math.max(4, Math.min(middle - width / 2, state.wide - width - 4)),
      box = [left - 3, top - 2, left + width + 3, top + 18];
    if (
      taken.some(
        (other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1],
      )
    )
      continue;
    taken.push(box);
    Object.assign(pen, { strokeStyle: halo, lineWidth: 4, lineJoin: "round", fillStyle: dark });
    pen.strokeText(text, left, top + 13);
    pen.fillText(text, left, top + 13);
  }
  state.names = taken.length;
}

let waiting = false;
function draw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    paint();
  });
}

function songAt(at, to, reach) {
  let best = null,
    least = reach ** 2;
  for (let song = 0; song < count; song++) {
    const far = (across(song) - at) ** 2 + (down(song) - to) ** 2;
    if (far <= least && shown(song)) {
      best = song;
      least = far;
    }
  }
  return best;
}

const fingers = new Map();
let moved = 0;

function zoom(factor, at, to) {
  const by =
    Math.min(Math.max(state.scale * factor, state.whole / 2), state.whole * 50) / state.scale;
  state.untouched = false;
  state.left = at + (state.left - at) * by;
  state.top = to + (state.top - to) * by;
  state.scale *= by;
  draw();
}

canvas.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  canvas.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, [event.offsetX, event.offsetY]);
  if (fingers.size === 1) moved = 0;
  if (event.shiftKey || element("lasso").getAttribute("aria-pressed") === "true")
    state.lasso = [[event.offsetX, event.offsetY]];
});
canvas.addEventListener("pointermove", (event) => {
  const before = fingers.get(event.pointerId),
    here = [event.offsetX, event.offsetY];
  if (!before) return hover(event);
  if (state.lasso) {
    state.lasso.push(here);
    draw();
    return;
  }
  const others = [...fingers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
  if (others.length === 1) {
    const [other] = others,
      apart = (place) => Math.hypot(place[0] - other[0], place[1] - other[1]);
    zoom(
      apart(here) / Math.max(apart(before), 1),
      (here[0] + other[0]) / 2,
      (here[1] + other[1]) / 2,
    );
    moved = Infinity;
  } else {
    state.untouched = false;
    state.left += here[0] - before[0];
    state.top += here[1] - before[1];
    moved += Math.hypot(here[0] - before[0], here[1] - before[1]);
    draw();
  }
  fingers.set(event.pointerId, here);
});
for (const kind of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(kind, (event) => {
    if (state.lasso) {
      if (kind === "pointerup" && state.lasso.length > 2) takeInside(state.lasso);
      state.lasso = null;
      element("lasso").setAttribute("aria-pressed", "false");
      fingers.delete(event.pointerId);
      draw();
      return;
    }
    const clicked = kind === "pointerup" && fingers.delete(event.pointerId) && moved < 5;
    fingers.delete(event.pointerId);
    const song = clicked
      ? songAt(event.offsetX, event.offsetY, event.pointerType === "touch" ? 24 : 12)
      : null;
    if (song === null) return;
    choose(song);
    if (innerWidth <= 700) element("chosen").scrollIntoView({ block: "nearest" });
  });
}
canvas.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
  },
  { passive: false },
);

// Whether a place is inside a closed line: it is where a ray from it crosses the line an odd number of times.
function isInside([at, to], corners) {
  return corners.reduce((inside, [a, b], n) => {
    const [c, d] = corners[(n + 1) % corners.length];
    return b > to !== d > to && at < a + ((c - a) * (to - b)) / (d - b) ? !inside : inside;
  }, false);
}

function takeInside(corners) {
  const found = everySong().filter(
    (song) => passes(song) && !songs[song].guest && isInside(spot(song), corners),
  );
  addAll(found);
}
element("lasso").addEventListener("click", (event) => {
  const pressed = event.target.getAttribute("aria-pressed") !== "true";
  event.target.setAttribute("aria-pressed", String(pressed));
  say(pressed ? "Draw around songs: they go into the playlist." : "");
});

const preview = new Audio();
const REST = 600; // ms after which a song under the pointer is played, if that is switched on
let resting = null;

function hover(event) {
  const song = songAt(event.offsetX, event.offsetY, 8),
    bubble = element("bubble");
  bubble.hidden = song === null;
  canvas.style.cursor = song === null ? "" : "pointer";
  if (song === (resting?.song ?? null)) return;
  leave();
  if (song === null) return;
  bubble.hidden = false;
  bubble.textContent = name(song);
  bubble.style.left = `${Math.max(0, Math.min(event.offsetX + 14, canvas.clientWidth - 200))}px`;
  bubble.style.top = `${Math.min(event.offsetY + 14, canvas.clientHeight - 100)}px`;
  const play = () => {
    if (!audio.paused) return;
    preview.src = songs[song].file;
    preview.play().catch(() => {});
  };
  resting = { song, timer: element("listen").checked && audio.paused ? setTimeout(play, REST) : 0 };
}

function leave() {
  clearTimeout(resting?.timer);
  if (resting?.timer) preview.pause();
  resting = null;
  element("bubble").hidden = true;
}
canvas.addEventListener("pointerleave", leave);
