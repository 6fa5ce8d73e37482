// --- colours and filters ------------------------------------------------------------------

// A colouring sorts songs into groups, each with a colour and a name. The groups that are pressed in the legend are a
// filter, which stays when other colours are shown.

const SCALE = ["#5b2a86", "#3e6fb0", "#21918c", "#6cc24a", "#f2c024"]; // from little to much, also without colour
const PLAIN = "#888888"; // songs of no group
const TAGS = 10; // the most frequent, which have colours

function binned(values, unit) {
  const sorted = values.filter((value) => value !== null).sort((a, b) => a - b);
  const edges = [0.2, 0.4, 0.6, 0.8].map((share) => sorted[Math.floor(share * sorted.length)]);
  const groups = SCALE.map((colour, n) => ({
    colour,
    name:
      n === 0
        ? `below ${edges[0]} ${unit}`
        : n === 4
          ? `from ${edges[3]} ${unit}`
          : `${edges[n - 1]} to ${edges[n]} ${unit}`,
  }));
  return {
    groups,
    of: (song) =>
      values[song] === null ? -1 : edges.filter((edge) => values[song] >= edge).length,
  };
}

function byTag() {
  const counts = new Map();
  for (const { tags } of songs) for (const tag of tags) counts.set(tag, (counts.get(tag) || 0) + 1);
  const tags = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a)).slice(0, TAGS);
  const groups = tags.map((name, n) => ({ name, colour: data.tagColours[n] }));
  return { groups, of: (song) => tags.indexOf(songs[song].tags.find((tag) => tags.includes(tag))) };
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
  tempo: {
    label: "tempo",
    ...binned(
      songs.map(({ tempo }) => tempo),
      "BPM",
    ),
  },
  loudness: {
    label: "loudness",
    ...binned(
      songs.map(({ loudness }) => loudness),
      "dB",
    ),
  },
  brightness: {
    label: "brightness",
    ...binned(
      songs.map(({ brightness }) => brightness),
      "Hz",
    ),
  },
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
const LEGEND = 30; // artists, at most, whom colours and shapes distinguish

const groupOf = (song) => colourings[state.colouring].of(song);
const colourOf = (song) =>
  songs[song].guest ? ink() : (colourings[state.colouring].groups[groupOf(song)]?.colour ?? PLAIN);
const passes = (song) =>
  Object.entries(state.filters).every(
    ([by, wanted]) => !wanted.size || wanted.has(colourings[by].of(song)),
  );
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
    });
    return button;
  });
  element("legend").replaceChildren(...(many ? [] : buttons));
  if (many)
    element("legend").textContent =
      "Of so many artists colours do not show who is who: choose one above, or rest on a dot.";
  if (!many && !groups.length)
    element("legend").textContent = "This was not searched for: make run, with networks, does.";
}

function showFilter() {
  const filtered = Object.values(state.filters).some((wanted) => wanted.size),
    left = everySong().filter(passes).length;
  element("unfilter").hidden = !filtered;
  say(filtered ? `${left} of ${count} songs shown.` : "");
  showLegend();
  draw();
}

function showArtist(number) {
  state.filters.artist = new Set(number === "" ? [] : [Number(number)]);
  showFilter();
}

for (const [key, { label }] of Object.entries(colourings)) {
  const option = document.createElement("option");
  Object.assign(option, { value: key, textContent: label });
  element("colour").append(option);
}
element("colour").addEventListener("change", (event) => {
  state.colouring = event.target.value;
  showFilter();
  if (state.colouring === "nearness" && state.song === null) say("Choose a song.");
});
element("unfilter").addEventListener("click", () => {
  for (const by of Object.keys(state.filters)) state.filters[by] = new Set();
  showFilter();
});
element("artist").addEventListener("change", (event) => showArtist(event.target.value));
data.artists.forEach((artist, n) => {
  const option = document.createElement("option");
  Object.assign(option, { value: String(n), textContent: artist.name });
  element("artist").append(option);
});
