// --- keys, and the start ------------------------------------------------------------------

function goBack() {
  if (state.past.length) go(state.past.pop(), { remember: false });
}

document.addEventListener("keydown", (event) => {
  if (
    event.ctrlKey ||
    event.altKey ||
    event.metaKey ||
    event.target.matches("input, select, audio")
  )
    return;
  if (event.key === " " && (event.repeat || event.target.matches("button"))) return;
  const middle = [state.wide / 2, state.high / 2];
  const onMap = {
    "+": () => zoom(1.3, ...middle),
    "-": () => zoom(1 / 1.3, ...middle),
    0: showAll,
  };
  const ofSong = {
    ArrowDown: () => walk(1),
    ArrowUp: () => walk(-1),
    ArrowRight: () => state.near.length && go(state.near[state.marked]),
    ArrowLeft: goBack,
    " ": () => (audio.paused ? audio.play().catch(() => {}) : audio.pause()),
    Escape: () => {
      element("lasso").setAttribute("aria-pressed", "false");
      choose(null);
      canvas.focus();
    },
  };
  let act = onMap[event.key] || ofSong[event.key];
  if (state.song === null && ofSong[event.key]) {
    const first = songAt(...middle, Infinity);
    const begins = event.target === canvas && event.key.startsWith("Arrow") && first !== null;
    act = begins ? () => choose(first) : null;
  }
  if (!act) return;
  event.preventDefault();
  act();
});

element("back").addEventListener("click", goBack);
element("whole").addEventListener("click", showAll);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
showFilter();
resize();
new ResizeObserver(resize).observe(canvas);
if (data.note) say(data.note);
search();
if (guests.length) choose(guests[0], { play: false });
