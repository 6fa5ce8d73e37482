"use strict";
// The map page. Rules for lists and paths are those of soundalike/similarity/playlists.py, which a test compares.

const data = JSON.parse(document.getElementById("data").textContent);
const { title: titles, artist: artists, album: albums, albums: albumNames, seconds, recording, file, answers } = data.songs;
const songs = titles.map((title, n) => ({
  title, artist: artists[n], album: albumNames[albums[n]], seconds: seconds[n], recording: recording[n], file: file[n],
}));
for (const [song, answer] of answers) Object.assign(songs[song], { guest: true, answer });
const count = songs.length, dims = data.dims;
const element = (id) => document.getElementById(id);

// --- numbers ------------------------------------------------------------------------------

function bytes(text) {
  const plain = atob(text), found = new Uint8Array(plain.length);
  for (let n = 0; n < plain.length; n++) found[n] = plain.charCodeAt(n);
  return found;
}

function fromHalves(buffer) {
  const of = new Float32Array(65536);
  for (let n = 0; n < 65536; n++) {
    const sign = n & 0x8000 ? -1 : 1, exponent = (n >> 10) & 31, part = n & 1023;
    of[n] = sign * (exponent ? 2 ** (exponent - 15) * (1 + part / 1024) : 2 ** -14 * (part / 1024));
  }
  return Float32Array.from(new Uint16Array(buffer), (half) => of[half]);
}

const points = fromHalves(bytes(data.points).buffer);
const x = new Float32Array(bytes(data.x).buffer), y = new Float32Array(bytes(data.y).buffer);
const near = new (count <= 65536 ? Uint16Array : Uint32Array)(bytes(data.near).buffer), shares = bytes(data.shares);
const present = songs.map((_, song) => data.ears.map(([start]) => points[song * dims + start] !== 0));

// How far songs are from one, as nearest.distances has it: ears that do not describe both do not count.
function distance(song, other) {
  let cosine = 0, common = 1e-12;
  for (let n = 0, a = song * dims, b = other * dims; n < dims; n++) cosine += points[a + n] * points[b + n];
  data.ears.forEach(([, share], ear) => { if (present[song][ear] && present[other][ear]) common += share; });
  return 1 - cosine / common;
}

const distances = (song) => Float64Array.from(songs, (_, other) => distance(song, other));

function meanDistances(seeds) {
  const found = new Float64Array(count);
  for (const seed of seeds) distances(seed).forEach((far, song) => { found[song] += far / seeds.length; });
  return found;
}

function orderBy(keys, places) {
  return places.sort((a, b) => keys[a] - keys[b] || a - b);
}

const everySong = () => Array.from(songs.keys());

// --- what distances mean ------------------------------------------------------------------

const percentiles = data.likeness.different;
const isFar = (far) => percentiles.length > 0 && far >= percentiles[50];

function howAlike(far) {
  if (!percentiles.length) return "";
  for (const [name, most] of data.likeness.levels) if (most !== null && far <= most) return `as alike as songs of ${name}`;
  if (isFar(far)) return "no more alike than songs of different artists";
  return `more alike than ${100 - percentiles.findIndex((one) => one >= far)}% of songs by different artists`;
}

// What two songs have in common, where it was computed: for the songs nearest to each.
function inCommon(song, other) {
  const each = data.aspects.length, most = near.length / count;
  for (let n = song * most; n < (song + 1) * most; n++) {
    if (near[n] !== other) continue;
    const own = Array.from(shares.subarray(n * each, (n + 1) * each), (part, at) => [part / 255, data.aspects[at]]);
    return own.filter(([part]) => part >= data.worth).sort((a, b) => b[0] - a[0]).map(([, name]) => name);
  }
  return [];
}

// --- lists and paths ----------------------------------------------------------------------

// Songs that sound most like some songs: of copies one, of each artist a few.
function fill(seeds, most, perArtist, far = false, artists = new Map()) {
  const apart = meanDistances(seeds), chosen = [];
  const recordings = new Set(seeds.map((seed) => songs[seed].recording));
  let why = "all";
  for (const song of orderBy(apart, everySong())) {
    const { recording, artist, guest } = songs[song];
    if (recordings.has(recording) || guest) continue;
    if (chosen.length === most) { why = "full"; break; }
    if (!far && isFar(apart[song])) { why = "far"; break; }
    recordings.add(recording);
    if ((artists.get(artist) || 0) >= perArtist) { why = "artists"; continue; }
    chosen.push(song);
    artists.set(artist, (artists.get(artist) || 0) + 1);
  }
  return { songs: chosen, apart, why };
}

// The way of the least sum of squared steps over so many places, which are passed in their order.
function shortest(steps, usable, between) {
  const there = usable.flatMap((is, place) => (is ? [place] : [])), last = there.length - 1;
  const costs = there.map((to) => Float64Array.from(there, (from) => steps[from][to] ** 2));
  let least = Float64Array.from(there, (_, place) => (place ? costs[place][0] : Infinity));
  const before = [];
  for (let n = 0; n < Math.min(between, last - 1); n++) {
    const sums = new Float64Array(last + 1).fill(Infinity), from = new Uint16Array(last + 1);
    for (let to = 1; to <= last; to++) {
      const row = costs[to];
      for (let via = 1; via < to; via++) {
        const sum = least[via] + row[via];
        if (sum < sums[to]) { sums[to] = sum; from[to] = via; }
      }
    }
    least = sums;
    before.push(from);
  }
  const way = [last];
  for (const from of before.reverse()) way.push(from[way[way.length - 1]]);
  return [0, ...way.reverse()].map((place) => there[place]);
}

const length = (steps, way) => way.slice(1).reduce((sum, place, n) => sum + steps[way[n]][place] ** 2, 0);

function findPath(first, last, most, perArtist) {
  const toFirst = distances(first), toLast = distances(last), apart = toFirst[last];
  const ends = [songs[first].recording, songs[last].recording], seen = new Set(ends);
  let between = everySong().filter((song) => {
    const is = toFirst[song] < apart && toLast[song] < apart && !seen.has(songs[song].recording) && !songs[song].guest;
    if (is) seen.add(songs[song].recording);
    return is;
  });
  between = orderBy(toFirst.map((far, song) => far + toLast[song]), between).slice(0, data.onTheWay);
  between = orderBy(toFirst.map((far, song) => far - toLast[song]), between);
  const places = [first, ...between, last];
  const steps = places.map((place) => Float64Array.from(places, (other) => distance(place, other)));
  const usable = places.map(() => true), there = new Map();
  for (const song of between) there.set(songs[song].artist, (there.get(songs[song].artist) || 0) + 1);
  most = Math.min(most, [...there.values()].reduce((sum, own) => sum + Math.min(own, perArtist), 0));
  let way = shortest(steps, usable, most);
  for (;;) {
    const counts = new Map();
    for (const place of way.slice(1, -1)) {
      const { artist } = songs[places[place]];
      counts.set(artist, [...(counts.get(artist) || []), place]);
    }
    const [many] = [...counts.values()].sort((a, b) => b.length - a.length);
    if (!many || many.length <= perArtist) return way.slice(1, -1).map((place) => places[place]);
    const options = many.map((place) => {
      const without = usable.map((is, n) => is && n !== place), other = shortest(steps, without, most);
      return [length(steps, other), place, other];
    });
    const [, place, other] = options.reduce((best, one) => (one[0] < best[0] ? one : best));
    usable[place] = false;
    way = other;
  }
}

// --- what is shown ------------------------------------------------------------------------

const state = { song: null, near: [], marked: 0, past: [], list: [], artist: "", scale: 0, left: 0, top: 0, whole: 1, wide: 0, high: 0, untouched: true };
const canvas = element("map"), pen = canvas.getContext("2d"), audio = element("audio");
const artistOf = (song) => (songs[song].guest ? "" : data.artists[songs[song].artist].name);
const name = (song) => [artistOf(song), songs[song].title].filter(Boolean).join(" - ");
const colourOf = (song) => (songs[song].guest ? "#1a1a1a" : data.artists[songs[song].artist].colour);
const shown = (song) => state.artist === "" || songs[song].artist === Number(state.artist) || songs[song].guest
  || song === state.song || state.near.includes(song);
const bounds = {
  left: x.reduce((a, b) => Math.min(a, b), Infinity), right: x.reduce((a, b) => Math.max(a, b), -Infinity),
  top: y.reduce((a, b) => Math.min(a, b), Infinity), bottom: y.reduce((a, b) => Math.max(a, b), -Infinity),
};

function showAll() {
  state.scale = state.whole;
  state.left = state.wide / 2 - state.scale * (bounds.left + bounds.right) / 2;
  state.top = state.high / 2 - state.scale * (bounds.top + bounds.bottom) / 2;
  draw();
}

// Fit the canvas to its place; what is in the middle stays there.
function resize() {
  const wide = canvas.clientWidth, high = canvas.clientHeight, margin = 40, { wide: before, high: beforeHigh } = state;
  canvas.width = wide * devicePixelRatio;
  canvas.height = high * devicePixelRatio;
  const breadth = Math.max(bounds.right - bounds.left, 1e-6), height = Math.max(bounds.bottom - bounds.top, 1e-6);
  Object.assign(state, { wide, high });
  state.whole = Math.max(1e-6, Math.min((wide - 2 * margin) / breadth, (high - 2 * margin) / height));
  if (state.untouched) {
    showAll();
  } else {
    state.left += (wide - before) / 2;
    state.top += (high - beforeHigh) / 2;
  }
  paint(); // at once: a canvas of another size is empty
}

function bringIntoView(song) {
  const at = across(song), to = down(song), margin = 20;
  if (at > margin && to > margin && at < state.wide - margin && to < state.high - margin) return;
  state.left += state.wide / 2 - at;
  state.top += state.high / 2 - to;
}

const across = (song) => state.left + state.scale * x[song];
const down = (song) => state.top + state.scale * y[song];

const CORNERS = {
  "^": [[0, -1.2], [1.1, 0.8], [-1.1, 0.8]], "v": [[0, 1.2], [1.1, -0.8], [-1.1, -0.8]],
  "s": [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]], "D": [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]],
  "P": [[-0.4, -1.2], [0.4, -1.2], [0.4, -0.4], [1.2, -0.4], [1.2, 0.4], [0.4, 0.4], [0.4, 1.2], [-0.4, 1.2], [-0.4, 0.4],
    [-1.2, 0.4], [-1.2, -0.4], [-0.4, -0.4]],
};

// The mark of an artist beside a name, as it is on the map.
function glyph(kind, colour) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), corners = CORNERS[kind];
  const part = document.createElementNS(svg.namespaceURI, corners ? "polygon" : "circle");
  if (corners) part.setAttribute("points", corners.map(([a, b]) => `${a},${b}`).join(" ")); else part.setAttribute("r", "1");
  part.setAttribute("fill", colour);
  svg.setAttribute("viewBox", "-1.4 -1.4 2.8 2.8");
  svg.setAttribute("class", "dot");
  svg.setAttribute("aria-hidden", "true");
  svg.append(part);
  return svg;
}

function shape(kind, at, to, r) {
  pen.beginPath();
  const corners = CORNERS[kind];
  if (corners) corners.forEach(([a, b], n) => (n ? pen.lineTo(at + a * r, to + b * r) : pen.moveTo(at + a * r, to + b * r)));
  else pen.arc(at, to, r, 0, 2 * Math.PI);
  pen.closePath();
}

function paint() {
  const wide = canvas.clientWidth, high = canvas.clientHeight, r = count > 2000 ? 3 : 5;
  pen.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
  pen.clearRect(0, 0, wide, high);
  const marked = new Map(state.near.map((song, n) => [song, n + 1]));
  for (let song = 0; song < count; song++) {
    const at = across(song), to = down(song);
    if (at < -20 || to < -20 || at > wide + 20 || to > high + 20) continue;
    const { marker } = data.artists[songs[song].artist];
    pen.globalAlpha = shown(song) ? 1 : 0.12;
    pen.fillStyle = colourOf(song);
    shape(songs[song].guest ? "D" : marker, at, to, songs[song].guest ? 2 * r : r);
    pen.fill();
    if (songs[song].guest || song === state.song || marked.has(song)) {
      pen.globalAlpha = 1;
      pen.strokeStyle = "#000";
      pen.lineWidth = song === state.song ? 3 : 1.5;
      shape(songs[song].guest ? "D" : "o", at, to, song === state.song ? 2.4 * r : 1.8 * r);
      pen.stroke();
    }
    if (marked.has(song)) {
      pen.fillStyle = "#000";
      pen.font = "12px system-ui, sans-serif";
      pen.fillText(String(marked.get(song)), at + 2 * r, to - 1.6 * r);
    }
  }
  pen.globalAlpha = 1;
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
  let best = null, least = reach ** 2;
  for (let song = 0; song < count; song++) {
    const far = (across(song) - at) ** 2 + (down(song) - to) ** 2;
    if (far <= least && shown(song)) { best = song; least = far; }
  }
  return best;
}

function say(text) { element("status").textContent = text; }
function report(text) { element("news").textContent = text; } // of the playlist

function row(song, more, onClick, number = "") {
  const item = document.createElement("li"), button = document.createElement("button");
  button.type = "button";
  button.append(glyph(songs[song].guest ? "D" : data.artists[songs[song].artist].marker, colourOf(song)), `${number}${name(song)}`);
  if (more) {
    const small = document.createElement("small");
    small.textContent = more;
    button.append(small);
  }
  button.addEventListener("click", onClick);
  item.append(button);
  return item;
}

function choose(song, { remember = true, play = true } = {}) {
  if (remember && state.song !== null && song !== state.song) state.past.push(state.song);
  state.song = song;
  state.marked = 0;
  state.near = [];
  element("chosen").hidden = song === null;
  element("trouble").hidden = true;
  audio.pause();
  if (song !== null) show(song, play);
  draw();
}

// The same from a list, whose button may be gone after it: the title takes the focus.
function go(song, how) {
  choose(song, how);
  element("title").focus();
}

function show(song, play) {
  const { title, album, guest: isGuest, answer, file } = songs[song];
  element("title").textContent = title;
  element("by").textContent = isGuest ? "the song that was asked about" : [artistOf(song), album].filter(Boolean).join(" · ");
  element("answer").textContent = answer || "";
  element("answer").hidden = !answer;
  element("back").disabled = !state.past.length;
  const found = fill([song], 10, count, true);
  state.near = found.songs;
  element("near").replaceChildren(...found.songs.map((other, n) => {
    const words = [howAlike(found.apart[other]), inCommon(song, other).join(", ")].filter(Boolean).join(", in ");
    return row(other, words, () => go(other), `${n + 1}. `);
  }));
  mark(0);
  say(found.songs.length ? "" : "There is no other song.");
  bringIntoView(song);
  audio.src = file;
  if (play) audio.play().catch(() => {});
}

function mark(place) {
  state.marked = Math.max(0, Math.min(place, state.near.length - 1));
  Array.from(element("near").children).forEach((item, n) => item.setAttribute("aria-current", String(n === state.marked)));
}

function walk(by) {
  mark(state.marked + by);
  element("near").children[state.marked]?.querySelector("button").focus();
}

audio.addEventListener("error", () => {
  if (state.song === null) return;
  element("trouble").textContent = `This browser cannot play this file, or it is no longer there: `
    + `${pathOf(state.song) ?? songs[state.song].file} (if your songs have moved, make run SONGS=... makes this map again)`;
  element("trouble").hidden = false;
});

// --- the playlist -------------------------------------------------------------------------

// The path of a song's file; none if its name is not Unicode.
function pathOf(song) {
  try {
    const path = decodeURIComponent(songs[song].file.slice("file://".length));
    if (/^\/[A-Za-z]:\//.test(path)) return path.slice(1).replaceAll("/", "\\");
    return path.startsWith("/") ? path : `\\\\${path.replaceAll("/", "\\")}`; // on another machine, as Windows has it
  } catch {
    return null;
  }
}

function showList() {
  element("list").replaceChildren(...state.list.map((song, n) => {
    const item = row(song, "", () => go(song));
    const tools = [["↑", "Move up", () => move(n, n - 1)], ["↓", "Move down", () => move(n, n + 1)], ["×", "Remove", () => move(n, null)]];
    for (const [sign, label, act] of tools) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = sign;
      button.setAttribute("aria-label", `${label}: ${name(song)}`);
      button.addEventListener("click", act);
      item.append(button);
    }
    return item;
  }));
}

function move(from, to) {
  if (to !== null && (to < 0 || to >= state.list.length)) return;
  const [song] = state.list.splice(from, 1);
  if (to !== null) state.list.splice(to, 0, song);
  showList();
  const tool = to === null ? 3 : to < from ? 1 : 2, place = to ?? Math.min(from, state.list.length - 1);
  (element("list").children[place]?.children[tool] || element("fill")).focus();
  report(to === null ? `Removed: ${name(song)}` : `${name(song)} is number ${to + 1} now.`);
}

// A number that was asked for; none, and it is said, if it is none.
function asked(id) {
  const field = element(id);
  if (field.value !== "" && field.checkValidity()) return Number(field.value);
  report(`A whole number from ${field.min} to ${field.max} is needed there.`);
  field.focus();
  return null;
}

function add(song) {
  if (song === null) return;
  if (state.list.some((other) => songs[other].recording === songs[song].recording)) return report("It is in the playlist already.");
  state.list.push(song);
  showList();
  report(`${name(song)} is number ${state.list.length}.`);
}

function fillUp() {
  const seeds = state.list.length ? state.list : state.song === null ? [] : [state.song], most = asked("most"), each = asked("each");
  if (most === null || each === null) return;
  if (!seeds.length) return report("Choose a song first.");
  if (seeds.length >= most) return report(`It has ${seeds.length} songs already; ask for more.`);
  const artists = new Map();
  for (const song of seeds) artists.set(songs[song].artist, (artists.get(songs[song].artist) || 0) + 1);
  const found = fill(seeds, most - seeds.length, each, false, artists);
  state.list = [...seeds, ...found.songs];
  showList();
  const why = {
    far: "The next are no more alike than songs of different artists.", artists: "All others are by these artists.",
    all: "There are no other songs.", full: "",
  };
  report(`${state.list.length} songs. ${state.list.length < most ? why[found.why] : ""}`);
}

function fillPath() {
  const most = asked("most"), each = asked("each");
  if (most === null || each === null) return;
  if (state.list.length < 2) return report("A path takes two songs in the playlist: the first and the last.");
  const first = state.list[0], last = state.list[state.list.length - 1], dropped = state.list.length - 2;
  const between = findPath(first, last, Math.max(0, most - 2), each);
  state.list = [first, ...between, last];
  showList();
  report((between.length ? `${state.list.length} songs.` : "No song lies between them.")
    + (dropped ? ` In place of the ${dropped} that lay between.` : ""));
}

function playlist() {
  const lines = ["#EXTM3U"], left = [];
  for (const song of state.list) {
    const path = pathOf(song);
    if (path === null || /[\r\n]/.test(path)) { left.push(name(song)); continue; }
    lines.push(`#EXTINF:${Math.round(songs[song].seconds)},${name(song).replace(/[\r\n]+/g, " ")}`, path);
  }
  return { text: `${lines.join("\n")}\n`, left };
}

function save() {
  if (!state.list.length) return report("The playlist is empty.");
  const { text, left } = playlist(), link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "audio/x-mpegurl" }));
  link.download = "playlist.m3u8";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  report(left.length ? `A playlist cannot hold the name of: ${left.join("; ")}` : "Saved as playlist.m3u8, where this browser saves files.");
}

// --- search, keys, pointers ---------------------------------------------------------------

const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLocaleLowerCase();
const SHOWN = 12;

function search() {
  const words = plain(element("search").value).split(/\s+/).filter(Boolean);
  const found = words.length ? everySong().filter((song) => words.every((word) => plain(name(song)).includes(word))) : [];
  element("found").hidden = !found.length;
  element("found").replaceChildren(...found.slice(0, SHOWN).map((song) => row(song, songs[song].album, () => {
    element("search").value = "";
    search();
    go(song);
  })));
  const several = found.length > SHOWN ? `, ${SHOWN} of them shown` : "";
  say(!words.length ? "" : found.length ? `Found: ${found.length}${several}.` : "No song or artist is called so.");
}

function showWhole() {
  state.untouched = true;  // so that it stays whole when the window changes
  showAll();
}

function goBack() {
  if (state.past.length) go(state.past.pop(), { remember: false });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey || event.target.matches("input, select, audio")) return;
  if (event.key === " " && (event.repeat || event.target.matches("button"))) return;
  const middle = [state.wide / 2, state.high / 2];
  const onMap = { "+": () => zoom(1.3, ...middle), "-": () => zoom(1 / 1.3, ...middle), "0": showWhole };
  const ofSong = {
    ArrowDown: () => walk(1), ArrowUp: () => walk(-1),
    ArrowRight: () => state.near.length && go(state.near[state.marked]), ArrowLeft: goBack,
    " ": () => (audio.paused ? audio.play().catch(() => {}) : audio.pause()),
    Escape: () => { choose(null); canvas.focus(); },
  };
  let act = onMap[event.key] || ofSong[event.key];
  if (state.song === null && ofSong[event.key]) {
    const first = songAt(...middle, Infinity);
    act = event.target === canvas && event.key.startsWith("Arrow") && first !== null ? () => choose(first) : null;
  }
  if (!act) return;
  event.preventDefault();
  act();
});

const fingers = new Map();
let moved = 0;

function zoom(factor, at, to) {
  const by = Math.min(Math.max(state.scale * factor, state.whole / 2), state.whole * 50) / state.scale;
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
});
canvas.addEventListener("pointermove", (event) => {
  const before = fingers.get(event.pointerId), here = [event.offsetX, event.offsetY];
  if (!before) return hover(event);
  const others = [...fingers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
  if (others.length === 1) {
    const [other] = others, apart = (place) => Math.hypot(place[0] - other[0], place[1] - other[1]);
    zoom(apart(here) / Math.max(apart(before), 1), (here[0] + other[0]) / 2, (here[1] + other[1]) / 2);
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
    const clicked = kind === "pointerup" && fingers.delete(event.pointerId) && moved < 5;
    fingers.delete(event.pointerId);
    const song = clicked ? songAt(event.offsetX, event.offsetY, event.pointerType === "touch" ? 24 : 12) : null;
    if (song === null) return;
    choose(song);
    if (innerWidth <= 700) element("chosen").scrollIntoView({ block: "nearest" });
  });
}
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
}, { passive: false });

function hover(event) {
  const song = songAt(event.offsetX, event.offsetY, 8), bubble = element("bubble");
  bubble.hidden = song === null;
  if (song === null) return;
  bubble.textContent = name(song);
  bubble.style.left = `${Math.min(event.offsetX + 14, canvas.clientWidth - 200)}px`;
  bubble.style.top = `${Math.min(event.offsetY + 14, canvas.clientHeight - 100)}px`;
}
canvas.addEventListener("pointerleave", () => { element("bubble").hidden = true; });

element("search").addEventListener("input", search);
const LEGEND = 30; // artists, at most, whom colours and shapes distinguish
if (data.artists.length > LEGEND) {
  element("legend").textContent = "Of so many artists colours do not show who is who: choose one above, or rest on a dot.";
}

function showArtist(number) {
  state.artist = number;
  element("artist").value = number;
  Array.from(element("legend").children).forEach((button, n) => button.setAttribute("aria-pressed", String(number === String(n))));
  draw();
}
element("artist").addEventListener("change", (event) => showArtist(event.target.value));
element("add").addEventListener("click", () => add(state.song));
element("back").addEventListener("click", goBack);
element("fill").addEventListener("click", fillUp);
element("path").addEventListener("click", fillPath);
element("save").addEventListener("click", save);
element("clear").addEventListener("click", () => { state.list = []; showList(); report("The playlist is empty."); });
data.artists.forEach((artist, n) => {
  const option = document.createElement("option");
  option.value = String(n);
  option.textContent = artist.name;
  element("artist").append(option);
  if (data.artists.length > LEGEND) return;
  const button = document.createElement("button");
  button.type = "button";
  button.append(glyph(artist.marker, artist.colour), artist.name);
  button.addEventListener("click", () => showArtist(state.artist === String(n) ? "" : String(n)));
  element("legend").append(button);
});
showArtist("");
element("whole").addEventListener("click", showWhole);
resize();
new ResizeObserver(resize).observe(canvas);
if (data.note) say(data.note);
const guest = songs.findIndex((song) => song.guest);
if (guest >= 0) choose(guest, { play: false });
