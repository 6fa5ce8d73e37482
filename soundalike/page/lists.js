// --- lists and paths ----------------------------------------------------------------------

const tally = (counts, key) => counts.set(key, (counts.get(key) || 0) + 1);

// Songs that sound most like some songs: of copies one, of each artist a few.
function fill(seeds, most, perArtist, far = false, artists = new Map(), usable = () => true) {
  const apart = meanDistances(seeds),
    chosen = [];
  const recordings = new Set(seeds.map((seed) => songs[seed].recording));
  let why = "all";
  for (const song of orderBy(apart, everySong())) {
    const { recording, artist, guest } = songs[song];
    if (recordings.has(recording) || guest || !usable(song)) continue;
    if (chosen.length === most) {
      why = "full";
      break;
    }
    recordings.add(recording);
    if ((artists.get(artist) || 0) >= perArtist) {
      why = "artists";
      continue;
    }
    if (!far && isFar(apart[song])) {
      why = "far";
      break;
    }
    chosen.push(song);
    tally(artists, artist);
  }
  return { songs: chosen, apart, why };
}

// The way of the least sum of squared steps over so many places, which are passed in their order.
function shortest(steps, usable, between) {
  const there = usable.flatMap((is, place) => (is ? [place] : [])),
    last = there.length - 1;
  const costs = there.map((to) => Float64Array.from(there, (from) => steps[from][to] ** 2));
  let least = Float64Array.from(there, (_, place) => (place ? costs[place][0] : Infinity));
  const before = [];
  for (let n = 0; n < Math.min(between, last - 1); n++) {
    const sums = new Float64Array(last + 1).fill(Infinity),
      from = new Uint16Array(last + 1);
    for (let to = 1; to <= last; to++) {
      const row = costs[to];
      for (let via = 1; via < to; via++) {
        const sum = least[via] + row[via];
        if (sum < sums[to]) {
          sums[to] = sum;
          from[to] = via;
        }
      }
    }
    least = sums;
    before.push(from);
  }
  const way = [last];
  for (const from of before.reverse()) way.push(from[way[way.length - 1]]);
  return [0, ...way.reverse()].map((place) => there[place]);
}

const length = (steps, way) =>
  way.slice(1).reduce((sum, place, n) => sum + steps[way[n]][place] ** 2, 0);

// A way over stops: the legs between them share the songs that there are to be; none is passed twice, and of each
// artist a few in all.
function findWay(stops, most, perArtist, usable) {
  const recordings = new Set(stops.map((song) => songs[song].recording)),
    passed = new Map();
  const isFree = (song) => usable(song) && !recordings.has(songs[song].recording);
  return stops.slice(1).reduce(
    (way, stop, n) => {
      const share = Math.floor((most * (n + 1)) / (stops.length - 1)) - (way.length - n - 1);
      const leg = findPath(stops[n], stop, share, perArtist, isFree, passed);
      for (const song of leg) {
        recordings.add(songs[song].recording);
        tally(passed, songs[song].artist);
      }
      return [...way, ...leg, stop];
    },
    [stops[0]],
  );
}

function findPath(first, last, most, perArtist, usable = () => true, passed = new Map()) {
  const toFirst = distances(first),
    toLast = distances(last),
    apart = toFirst[last];
  const ends = [songs[first].recording, songs[last].recording],
    seen = new Set(ends);
  let between = everySong().filter((song) => {
    const is =
      toFirst[song] < apart &&
      toLast[song] < apart &&
      !seen.has(songs[song].recording) &&
      !songs[song].guest &&
      usable(song);
    if (is) seen.add(songs[song].recording);
    return is;
  });
  between = orderBy(
    toFirst.map((far, song) => far + toLast[song]),
    between,
  ).slice(0, data.onTheWay);
  between = orderBy(
    toFirst.map((far, song) => far - toLast[song]),
    between,
  );
  const places = [first, ...between, last];
  const steps = places.map((place) => Float64Array.from(places, (other) => distance(place, other)));
  const open = places.map(() => true),
    there = new Map(),
    allowed = (artist) => perArtist - (passed.get(artist) || 0);
  for (const song of between) tally(there, songs[song].artist);
  most = Math.min(
    most,
    [...there].reduce((sum, [artist, own]) => sum + Math.min(own, allowed(artist)), 0),
  );
  let way = shortest(steps, open, most);
  for (;;) {
    const own = new Map(Array.from(passed.keys(), (artist) => [artist, []]));
    for (const place of way.slice(1, -1)) {
      const { artist } = songs[places[place]];
      own.set(artist, [...(own.get(artist) || []), place]);
    }
    const over = ([artist, many]) => many.length - allowed(artist);
    const [worst] = [...own].sort((a, b) => over(b) - over(a));
    if (!worst || over(worst) <= 0) return way.slice(1, -1).map((place) => places[place]);
    const options = worst[1].map((place) => {
      const without = open.map((is, n) => is && n !== place),
        other = shortest(steps, without, most);
      return [length(steps, other), place, other];
    });
    const [, place, other] = options.reduce((best, one) => (one[0] < best[0] ? one : best));
    open[place] = false;
    way = other;
  }
}
