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

// Change the playlist; the last changes can be undone.
function setList(list) {
  state.undone.push(state.list);
  state.list = list;
  showList();
}

function undo() {
  if (!state.undone.length) return report("There is nothing to undo.");
  state.list = state.undone.pop();
  showList();
  report(`${counted(state.list.length, "song")}, as before.`);
}

function addAll(found) {
  const recordings = new Set(state.list.map((song) => songs[song].recording));
  const added = found.filter(
    (song) => !recordings.has(songs[song].recording) && recordings.add(songs[song].recording),
  );
  if (added.length) setList([...state.list, ...added]);
  report(`${counted(added.length, "song")} added.`);
}

function showList() {
  draw();
  element("list").replaceChildren(
    ...state.list.map((song, n) => {
      const item = row(song, "", () => go(song));
      const tools = [
        ["↑", "Move up", () => move(n, n - 1)],
        ["↓", "Move down", () => move(n, n + 1)],
        ["×", "Remove", () => move(n, null)],
      ];
      for (const [sign, label, act] of tools)
        item.append(tool(sign, `${label}: ${name(song)}`, act));
      return item;
    }),
  );
}

function move(from, to) {
  if (to !== null && (to < 0 || to >= state.list.length)) return;
  const list = [...state.list],
    [song] = list.splice(from, 1);
  if (to !== null) list.splice(to, 0, song);
  setList(list);
  const tool = to === null ? 3 : to < from ? 1 : 2,
    place = to ?? Math.min(from, state.list.length - 1);
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
  if (state.list.some((other) => songs[other].recording === songs[song].recording))
    return report("It is in the playlist already.");
  setList([...state.list, song]);
  report(`${name(song)} is number ${state.list.length}.`);
}

function fillUp() {
  const seeds = state.list.length ? state.list : state.song === null ? [] : [state.song],
    most = asked("most"),
    each = asked("each");
  if (most === null || each === null) return;
  if (!seeds.length) return report("Choose a song first.");
  if (seeds.length >= most) return report(`It has ${seeds.length} songs already; ask for more.`);
  const artists = new Map();
  for (const song of seeds) tally(artists, songs[song].artist);
  const found = fill(seeds, most - seeds.length, each, false, artists, passes);
  setList([...seeds, ...found.songs]);
  const why = {
    far: "The next are no more alike than songs of different artists.",
    artists: "All others are by these artists.",
    all: "There are no other songs.",
    full: "",
  };
  report(`${state.list.length} songs. ${state.list.length < most ? why[found.why] : ""}`);
}

function fillPath() {
  const most = asked("most"),
    each = asked("each");
  if (most === null || each === null) return;
  const stops = state.list;
  if (stops.length < 2) return report("A way takes two songs in the playlist or more: its stops.");
  if (stops.length >= most) return report(`It has ${stops.length} songs already; ask for more.`);
  const way = findWay(stops, most - stops.length, each, passes);
  if (way.length === stops.length) return report("No song lies between them.");
  setList(way);
  report(`${counted(way.length, "song")}, ${counted(way.length - stops.length, "new one")}.`);
}

function playlist() {
  const lines = ["#EXTM3U"],
    left = [];
  for (const song of state.list) {
    const path = pathOf(song);
    if (path === null || /[\r\n]/.test(path)) {
      left.push(name(song));
      continue;
    }
    lines.push(
      `#EXTINF:${Math.round(songs[song].seconds)},${name(song).replace(/[\r\n]+/g, " ")}`,
      path,
    );
  }
  return { text: `${lines.join("\n")}\n`, left };
}

function save() {
  if (!state.list.length) return report("The playlist is empty.");
  const { text, left } = playlist(),
    link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "audio/x-mpegurl" }));
  link.download = "playlist.m3u8";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  report(
    left.length
      ? `A playlist cannot hold the name of: ${left.join("; ")}`
      : "Saved as playlist.m3u8, where this browser saves files.",
  );
}

element("add").addEventListener("click", () => add(state.song));
element("fill").addEventListener("click", fillUp);
element("path").addEventListener("click", fillPath);
element("save").addEventListener("click", save);
element("undo").addEventListener("click", undo);
element("clear").addEventListener("click", () => {
  setList([]);
  report("The playlist is empty.");
});
