// --- the chosen song, and search ----------------------------------------------------------

function say(text) {
  element("status").textContent = text;
}
function report(text) {
  element("news").textContent = text;
} // of the playlist

function tool(sign, label, act) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", textContent: sign, title: label });
  button.setAttribute("aria-label", label);
  button.addEventListener("click", act);
  return button;
}

// Play the eight seconds in which two songs are most alike, one after the other; asked again, stop.
function hear(song, other, [start, otherStart]) {
  const again = state.heard === other;
  quiet();
  audio.pause();
  if (again) return;
  state.heard = other;
  const play = (which, at, then) => {
    say(`Now: ${name(which)}, from ${Math.floor(at / 60)}:${String(at % 60).padStart(2, "0")}.`);
    preview.src = `${songs[which].file}#t=${at},${at + 8}`;
    state.hearing = setTimeout(then, 8000);
    preview.play().catch((error) => {
      if (error.name === "AbortError") return; // something else was chosen
      quiet();
      say(`This browser cannot play ${name(which)}, or it is no longer there.`);
    });
  };
  play(song, start, () => play(other, otherStart, quiet));
}

// End what plays beside the chosen song.
function quiet() {
  preview.pause();
  clearTimeout(state.hearing);
  clearTimeout(resting?.timer);
  if (state.heard !== null) say("");
  state.heard = null;
}
audio.addEventListener("play", quiet);

function row(song, more, onClick, number = "") {
  const item = document.createElement("li"),
    button = document.createElement("button");
  button.type = "button";
  button.append(
    glyph(songs[song].guest ? "D" : data.artists[songs[song].artist].marker, colourOf(song)),
    `${number}${name(song)}`,
  );
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
  state.apart = null;
  element("chosen").hidden = song === null;
  element("trouble").hidden = true;
  audio.pause();
  quiet();
  if (song !== null) show(song, play);
  showFilter();
}

// The same from a list, whose button may be gone after it: the title takes the focus.
function go(song, how) {
  choose(song, how);
  element("title").focus();
}

function show(song, play) {
  const { title, album, guest: isGuest, answer, file } = songs[song];
  element("title").textContent = title;
  element("by").textContent = isGuest
    ? "the song that was asked about"
    : [artistOf(song), album].filter(Boolean).join(" · ");
  element("answer").textContent = answer || "";
  element("answer").hidden = !answer;
  element("back").disabled = !state.past.length;
  const found = fill([song], 10, count, true);
  state.near = found.songs;
  state.apart = found.apart;
  showNear();
  mark(0);
  say(found.songs.length ? "" : "There is no other song.");
  bringIntoView(song);
  audio.src = file;
  if (play) audio.play().catch(() => {});
}

function showNear() {
  const { song } = state;
  element("near").replaceChildren(
    ...state.near.map((other, n) => {
      const words = [howAlike(state.apart[other]), inCommon(song, other).join(", ")]
        .filter(Boolean)
        .join(", in ");
      const item = row(other, words, () => go(other), `${n + 1}. `),
        at = momentsOf(song, other);
      const label = "Hear the eight seconds of both that are most alike";
      item.firstChild.addEventListener("focus", () => mark(n));
      if (at) item.append(tool("♫", `${label}: ${name(other)}`, () => hear(song, other, at)));
      return item;
    }),
  );
}

function mark(place) {
  state.marked = Math.max(0, Math.min(place, state.near.length - 1));
  Array.from(element("near").children).forEach((item, n) =>
    item.setAttribute("aria-current", String(n === state.marked)),
  );
  draw();
}

function walk(by) {
  mark(state.marked + by);
  element("near").children[state.marked]?.querySelector("button").focus();
}

audio.addEventListener("error", () => {
  if (state.song === null) return;
  element("trouble").textContent =
    `This browser cannot play this file, or it is no longer there: ` +
    `${pathOf(state.song) ?? songs[state.song].file} (if your songs have moved, make run SONGS=... makes this map again)`;
  element("trouble").hidden = false;
});

// Search: by title, artist and album.
const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLocaleLowerCase();
const SHOWN = 12;

function goTo(song) {
  element("search").value = "";
  search();
  go(song);
}

function search() {
  const words = plain(element("search").value).split(/\s+/).filter(Boolean);
  const found = words.length
    ? everySong().filter((song) =>
        words.every((word) => plain(`${name(song)} ${songs[song].album}`).includes(word)),
      )
    : guests;
  element("found").hidden = !found.length;
  element("found").replaceChildren(
    ...found
      .slice(0, words.length ? SHOWN : count)
      .map((song) => row(song, songs[song].answer ?? songs[song].album, () => goTo(song))),
  );
  state.found = found;
  const several = found.length > SHOWN ? `, ${SHOWN} of them shown` : "";
  say(
    !words.length
      ? ""
      : found.length
        ? `Found: ${found.length}${several}.`
        : "No song, artist or album is called so.",
  );
}

element("search").addEventListener("input", search);
element("search").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && state.found?.length) goTo(state.found[0]);
});
