"use strict";
// The map page. Its parts are put together by soundalike/map_page.py. Rules for lists and paths are those of
// soundalike/playlists.py, which a test compares.

const data = JSON.parse(document.getElementById("data").textContent);
const { columns } = data.songs;
const songs = data.songs.data.map((row) =>
  Object.fromEntries(row.map((value, n) => [columns[n], value])),
);
const guests = data.answers.map((_, n) => songs.length - data.answers.length + n); // songs that were asked about
guests.forEach((song, n) => Object.assign(songs[song], { guest: true, answer: data.answers[n] }));
const counted = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;
const count = songs.length,
  dims = data.dims;
const element = (id) => document.getElementById(id);

// --- numbers ------------------------------------------------------------------------------

function bytes(text) {
  const plain = atob(text),
    found = new Uint8Array(plain.length);
  for (let n = 0; n < plain.length; n++) found[n] = plain.charCodeAt(n);
  return found;
}

function fromHalves(buffer) {
  const of = new Float32Array(65536);
  for (let n = 0; n < 65536; n++) {
    const sign = n & 0x8000 ? -1 : 1,
      exponent = (n >> 10) & 31,
      part = n & 1023;
    of[n] = sign * (exponent ? 2 ** (exponent - 15) * (1 + part / 1024) : 2 ** -14 * (part / 1024));
  }
  return Float32Array.from(new Uint16Array(buffer), (half) => of[half]);
}

const points = fromHalves(bytes(data.points).buffer);
const x = new Float32Array(bytes(data.x).buffer),
  y = new Float32Array(bytes(data.y).buffer);
const near = new (count <= 65536 ? Uint16Array : Uint32Array)(bytes(data.near).buffer),
  shares = bytes(data.shares),
  moments = new Uint16Array(bytes(data.moments).buffer);
const present = songs.map((_, song) =>
  data.ears.map(([start]) => points[song * dims + start] !== 0),
);

// How far songs are from one, as Embedding.distances of soundalike/embedding.py has it: ears that do not describe both do not count.
function distance(song, other) {
  let cosine = 0,
    common = 1e-12;
  for (let n = 0, a = song * dims, b = other * dims; n < dims; n++)
    cosine += points[a + n] * points[b + n];
  data.ears.forEach(([, share], ear) => {
    if (present[song][ear] && present[other][ear]) common += share;
  });
  return 1 - cosine / common;
}

const distances = (song) => Float64Array.from(songs, (_, other) => distance(song, other));

function meanDistances(seeds) {
  const found = new Float64Array(count);
  for (const seed of seeds)
    distances(seed).forEach((far, song) => {
      found[song] += far / seeds.length;
    });
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
  for (const [name, most] of data.likeness.levels)
    if (most !== null && far <= most) return `as alike as songs of ${name}`;
  if (isFar(far)) return "no more alike than songs of different artists";
  return `more alike than ${100 - percentiles.findIndex((one) => one >= far)}% of songs by different artists`;
}

// The place of a song among those nearest to another, for which it was computed where and in what they are alike.
const explained = near.length / count;
const rankOf = (song, other) =>
  near.subarray(song * explained, (song + 1) * explained).indexOf(other);

// The seconds of both at which two songs are most alike.
function momentsOf(song, other) {
  const n = rankOf(song, other),
    at = 2 * (song * explained + n);
  return n < 0 ? null : moments.subarray(at, at + 2);
}

// What two songs have in common, the most first.
function inCommon(song, other) {
  const n = rankOf(song, other),
    first = (song * explained + n) * data.aspects.length;
  if (n < 0) return [];
  return data.aspects
    .map((name, at) => [shares[first + at] / 255, name])
    .filter(([part]) => part >= data.worth)
    .sort((a, b) => b[0] - a[0])
    .map(([, name]) => name);
}
