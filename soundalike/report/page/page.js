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
function fill(seeds, most, perArtist, far = false) {
  const apart = meanDistances(seeds), chosen = [], artists = new Map();
  const recordings = new Set(seeds.map((seed) => songs[seed].recording));
  let why = "all";
  for (const song of orderBy(apart, everySong())) {
    const { recording, artist, guest } = songs[song];
    if (recordings.has(recording) || guest) continue;
    if (chosen.length === most) { why = "full"; break; }
    if (!far && isFar(apart[song])) { why = "far"; break; }
    if ((artists.get(artist) || 0) === perArtist) { why = "artists"; continue; }
    chosen.push(song);
    recordings.add(recording);
    artists.set(artist, (artists.get(artist) || 0) + 1);
  }
  return { songs: chosen, apart, why };
}

// The way of the least sum of squared steps over so many places, which are passed in their order.
function shortest(steps, usable, between) {
  const there = usable.flatMap((is, place) => (is ? [place] : [])), last = there.length - 1;
  const cost = (a, b) => steps[there[a]][there[b]] ** 2;
  let least = there.map((_, place) => (place ? cost(0, place) : Infinity));
  const before = [];
  for (let n = 0; n < Math.min(between, last - 1); n++) {
    const sums = new Array(last + 1).fill(Infinity), from = new Array(last + 1).fill(0);
    for (let to = 1; to <= last; to++) {
      for (let via = 1; via < to; via++) {
        const sum = least[via] + cost(via, to);
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
  const usable = places.map(() => true);
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

const state = { song: null, near: [], marked: 0, past: [], list: [], artist: "", scale: 1, left: 0, top: 0, hover: null };
const canvas = element("map"), pen = canvas.getContext("2d"), audio = element("audio");
const artistOf = (song) => (songs[song].guest ? "" : data.artists[songs[song].artist].name);
const name = (song) => [artistOf(song), songs[song].title].filter(Boolean).join(" - ");
const colourOf = (song) => (songs[song].guest ? "#1a1a1a" : data.artists[songs[song].artist].colour);
const shown = (song) => state.artist === "" || songs[song].artist === Number(state.artist) || songs[song].guest;
const bounds = {
  left: x.reduce((a, b) => Math.min(a, b), Infinity), right: x.reduce((a, b) => Math.max(a, b), -Infinity),
  top: y.reduce((a, b) => Math.min(a, b), Infinity), bottom: y.reduce((a, b) => Math.max(a, b), -Infinity),
};

function fit() {
  const wide = canvas.clientWidth, high = canvas.clientHeight, margin = 40;
  canvas.width = wide * devicePixelRatio;
  canvas.height = high * devicePixelRatio;
  const across = Math.max(bounds.right - bounds.left, 1e-6), down = Math.max(bounds.bottom - bounds.top, 1e-6);
  state.scale = Math.max(1e-6, Math.min((wide - 2 * margin) / across, (high - 2 * margin) / down));
  state.left = wide / 2 - state.scale * (bounds.left + bounds.right) / 2;
  state.top = high / 2 - state.scale * (bounds.top + bounds.bottom) / 2;
  draw();
}

const across = (song) => state.left + state.scale * x[song];
const down = (song) => state.top + state.scale * y[song];

function shape(kind, at, to, r) {
  pen.beginPath();
  const corners = {
    "^": [[0, -1.2], [1.1, 0.8], [-1.1, 0.8]], "v": [[0, 1.2], [1.1, -0.8], [-1.1, -0.8]],
    "s": [[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]], "D": [[0, -1.3], [1.3, 0], [0, 1.3], [-1.3, 0]],
    "P": [[-0.4, -1.2], [0.4, -1.2], [0.4, -0.4], [1.2, -0.4], [1.2, 0.4], [0.4, 0.4], [0.4, 1.2], [-0.4, 1.2], [-0.4, 0.4],
      [-1.2, 0.4], [-1.2, -0.4], [-0.4, -0.4]],
  }[kind];
  if (corners) corners.forEach(([a, b], n) => (n ? pen.lineTo(at + a * r, to + b * r) : pen.moveTo(at + a * r, to + b * r)));
  else pen.arc(at, to, r, 0, 2 * Math.PI);
  pen.closePath();
}

let waiting = false;
function draw() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
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

function row(song, more, onClick, number = "") {
  const item = document.createElement("li"), button = document.createElement("button"), dot = document.createElement("span");
  button.type = "button";
  dot.className = "dot";
  dot.style.background = colourOf(song);
  button.append(dot, `${number}${name(song)}`);
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
    return row(other, words, () => choose(other), `${n + 1}. `);
  }));
  mark(0);
  if (!found.songs.length) say("There is no other song."); else say("");
  audio.src = file;
  if (play) audio.play().catch(() => {});
}

function mark(place) {
  state.marked = Math.max(0, Math.min(place, state.near.length - 1));
  Array.from(element("near").children).forEach((item, n) => item.setAttribute("aria-current", String(n === state.marked)));
}

function walk(by) {
  mark(state.marked + by);
  element("near").children[state.marked]?.scrollIntoView({ block: "nearest" });
}

audio.addEventListener("error", () => {
  if (state.song === null) return;
  element("trouble").textContent = `This browser cannot play this file, or it is not there any more: ${pathOf(state.song) ?? songs[state.song].file}`;
  element("trouble").hidden = false;
});

// --- the playlist -------------------------------------------------------------------------

// The path of a song's file; none if its name is not Unicode.
function pathOf(song) {
  try {
    const path = decodeURIComponent(songs[song].file.slice("file://".length));
    return /^\/[A-Za-z]:\//.test(path) ? path.slice(1).replaceAll("/", "\\") : path;
  } catch {
    return null;
  }
}

function showList() {
  element("list").replaceChildren(...state.list.map((song, n) => {
    const item = row(song, "", () => choose(song));
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
}

const asked = (id) => Math.max(1, Math.floor(Number(element(id).value)) || 1);

function add(song) {
  if (song === null) return;
  if (state.list.some((other) => songs[other].recording === songs[song].recording)) return say("It is in the playlist already.");
  state.list.push(song);
  showList();
  say("");
}

function fillUp() {
  const seeds = state.list.length ? state.list : state.song === null ? [] : [state.song];
  if (!seeds.length) return say("Choose a song first.");
  const found = fill(seeds, Math.max(0, asked("most") - seeds.length), asked("each"));
  state.list = [...seeds, ...found.songs];
  showList();
  say({ far: "The next songs are no more alike than songs of different artists.", artists: "All others are by these artists." }[found.why] || "");
}

function fillPath() {
  if (state.list.length < 2) return say("A path takes two songs in the playlist: the first and the last.");
  const first = state.list[0], last = state.list[state.list.length - 1];
  const between = findPath(first, last, Math.max(1, asked("most") - 2), asked("each"));
  state.list = [first, ...between, last];
  showList();
  say(between.length ? "" : "No song lies between them.");
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
  if (!state.list.length) return say("The playlist is empty.");
  const { text, left } = playlist(), link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "audio/x-mpegurl" }));
  link.download = "playlist.m3u8";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  say(left.length ? `A playlist cannot hold the name of: ${left.join("; ")}` : "Saved as playlist.m3u8, where this browser saves files.");
}

// --- search, keys, pointers ---------------------------------------------------------------

function search() {
  const sought = element("search").value.trim().toLocaleLowerCase(), found = [];
  for (let song = 0; sought && song < count && found.length < 12; song++) {
    if (name(song).toLocaleLowerCase().includes(sought)) found.push(song);
  }
  element("found").hidden = !found.length;
  element("found").replaceChildren(...found.map((song) => row(song, songs[song].album, () => {
    element("search").value = "";
    search();
    choose(song);
  })));
  say(sought && !found.length ? "No song or artist is called so." : "");
}

function goBack() {
  if (state.past.length) choose(state.past.pop(), { remember: false });
}

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, audio") && event.key !== "Escape") return;
  if (event.key === " " && event.target.matches("button")) return;
  const act = {
    ArrowDown: () => walk(1), ArrowUp: () => walk(-1),
    ArrowRight: () => state.near.length && choose(state.near[state.marked]), ArrowLeft: goBack,
    " ": () => (audio.paused ? audio.play().catch(() => {}) : audio.pause()), Escape: () => choose(null),
  }[event.key];
  if (!act || (state.song === null && event.key !== "ArrowLeft")) return;
  event.preventDefault();
  act();
});

const fingers = new Map();
let moved = 0;

function zoom(by, at, to) {
  state.left = at + (state.left - at) * by;
  state.top = to + (state.top - to) * by;
  state.scale *= by;
  draw();
}

canvas.addEventListener("pointerdown", (event) => {
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
    if (song !== null) choose(song);
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
  bubble.style.top = `${event.offsetY + 14}px`;
}
canvas.addEventListener("pointerleave", () => { element("bubble").hidden = true; });

element("search").addEventListener("input", search);
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
element("clear").addEventListener("click", () => { state.list = []; showList(); });
data.artists.forEach((artist, n) => {
  const option = document.createElement("option");
  option.value = String(n);
  option.textContent = artist.name;
  element("artist").append(option);
  if (data.artists.length > 30) return; // a list serves as well
  const button = document.createElement("button"), dot = document.createElement("span");
  button.type = "button";
  dot.className = `dot ${artist.marker === "o" ? "" : "other"}`;
  dot.style.background = artist.colour;
  button.append(dot, artist.name);
  button.addEventListener("click", () => showArtist(state.artist === String(n) ? "" : String(n)));
  element("legend").append(button);
});
showArtist("");
new ResizeObserver(fit).observe(canvas);
if (data.note) say(data.note);
const guest = songs.findIndex((song) => song.guest);
if (guest >= 0) choose(guest, { play: false });
