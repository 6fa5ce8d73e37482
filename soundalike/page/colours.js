// --- colours and filters ------------------------------------------------------------------

// A colouring sorts songs into groups, each with a colour and a name. The groups that are pressed in the legend are a
// filter, which stays when other colours are shown.

const SCALE = ["#8c4fbf", "#3e7fd0", "#21918c", "#4da532", "#c98f00"]; // from little to much, also without colour
const PLAIN = "#888888"; // songs of no group
const TAGS = 10; // the most frequent, which have colours

function binned(trait, unit) {
  const values = songs.map((song) => song[trait]),
    sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  const fifths = [0.2, 0.4, 0.6, 0.8].map((share) => sorted[Math.floor(share * sorted.length)]),
    edges = [...new Set(fifths)].filter((edge) => edge > sorted[0]);
  const names = [...edges, null].map((edge, n) => {
    if (edge === null) return n ? `from ${edges[n - 1]} ${unit}` : `${sorted[0]} ${unit}`;
    return n ? `${edges[n - 1]} to ${edge} ${unit}` : `below ${edge} ${unit}`;
  });
  const groups = names.map((name, n) => ({ name, colour: SCALE[n] })),
    of = (song) =>
      values[song] === null ? -1 : edges.filter((edge) => values[song] >= edge).length;
  return { label: trait, groups: sorted.length ? groups : [], of };
}

function byTag() {
  const counts = new Map();
  for (const { tags } of songs)
    for (const tag of tags ?? []) counts.set(tag, (counts.get(tag) || 0) + 1);
  const tags = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a)).slice(0, TAGS);
  const groups = tags.map((name, n) => ({ name, colour: data.tagColours[n] }));
  const of = (song) => tags.indexOf(songs[song].tags?.find((tag) => tags.includes(tag)));
  return { groups, of, has: (song, n) => songs[song].tags?.includes(tags[n]) };
}

const NEARNESS = [
  "as alike as one album",
  "as alike as one artist",
  "more than 90% of others",
  "more than half",
  "no more than others",
];

// By how far a song is from the chosen one.
function byNearness() {
  const [[, album], [, artist]] = data.likeness.levels,
    edges = [album ?? 0, artist ?? 0, percentiles[10] ?? 0, percentiles[50] ?? 2];
  const groups = NEARNESS.map((name, n) => ({ name, colour: SCALE[4 - n] }));
  if (!percentiles.length) groups.length = 0;
  return {
    groups,
    of: (song) => (state.apart ? edges.filter((edge) => state.apart[song] > edge).length : -1),
  };
}

const colourings = {
  artist: {
    label: "artist",
    groups: data.artists,
    of: (song) => (songs[song].guest ? -1 : songs[song].artist),
  },
  tempo: binned("tempo", "BPM"),
  loudness: binned("loudness", "dB"),
  brightness: binned("brightness", "Hz"),
  singing: {
    label: "singing",
    groups: [
      { name: "sung", colour: SCALE[4] },
      { name: "instrumental", colour: SCALE[1] },
    ],
    of: (song) => ["sung", "instrumental"].indexOf(songs[song].kind),
  },
  tag: { label: "tag", ...byTag() },
  nearness: { label: "nearness to the chosen song", ...byNearness() },
};
function clearFilters() {
  for (const by of Object.keys(colourings)) state.filters[by] = new Set();
}
clearFilters();
const LEGEND = 30; // artists, at most, whom colours and shapes distinguish

const groupOf = (song) => colourings[state.colouring].of(song);
const colourOf = (song) =>
  songs[song].guest ? ink() : (colourings[state.colouring].groups[groupOf(song)]?.colour ?? PLAIN);
const isIn = (by, song, n) => colourings[by].has?.(song, n) ?? colourings[by].of(song) === n;
const passes = (song) =>
  Object.entries(state.filters).every(([by, wanted]) => {
    if (!wanted.size || (by === "nearness" && !state.apart)) return true;
    return [...wanted].some((n) => isIn(by, song, n));
  });
const shown = (song) =>
  passes(song) || songs[song].guest || song === state.song || state.near.includes(song);

function showLegend() {
  const { groups } = colourings[state.colouring],
    wanted = state.filters[state.colouring];
  const many = state.colouring === "artist" && groups.length > LEGEND;
  element("artist").hidden = state.colouring !== "artist";
  element("artist").value =
    wanted.size === 1 && state.colouring === "artist" ? String([...wanted][0]) : "";
  const buttons = groups.map(({ name, colour, marker }, n) => {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-pressed", String(wanted.has(n)));
    button.append(glyph(marker ?? "o", colour), name);
    button.addEventListener("click", () => {
      if (!wanted.delete(n)) wanted.add(n);
      showFilter();
      element("legend").children[n].focus(); // these buttons are made anew
    });
    return button;
  });
  const waits = state.colouring === "nearness" && !state.apart;
  element("legend").replaceChildren(...(many || waits ? [] : buttons));
  const why = many
    ? "Of so many artists colours do not show who is who: choose one above, or rest on a dot."
    : waits
      ? "Choose a song."
      : "There is nothing to go by here: it was not searched for, or there are too few songs.";
  if (!element("legend").children.length) element("legend").textContent = why;
}

function showFilter() {
  const filtered = Object.values(state.filters).some((wanted) => wanted.size),
    left = everySong().filter(passes).length;
  element("unfilter").hidden = !filtered;
  element("unfilter").textContent = `Show all (now ${left} of ${count})`;
  showLegend();
  draw();
}

function showArtist(number) {
  state.filters.artist = new Set(number === "" ? [] : [Number(number)]);
  showFilter();
}

for (const [key, { label }] of Object.entries(colourings))
  element("colour").append(new Option(label, key));
element("colour").addEventListener("change", (event) => {
  state.colouring = event.target.value;
  showFilter();
  showNear();
  showList();
});
element("unfilter").addEventListener("click", () => {
  clearFilters();
  showFilter();
  element("colour").focus();
});
element("artist").addEventListener("change", (event) => showArtist(event.target.value));
data.artists.forEach(({ name }, n) => element("artist").append(new Option(name, n)));
