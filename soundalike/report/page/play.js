// Added to the live map of a notebook: a click on a song plays six seconds of its clips, one after another.
const plot = document.getElementById("{plot_id}");
const said = document.createElement("p");
said.textContent = "Click a dot to play six seconds of the song.";
plot.after(said);
plot.parentElement.style.height = "auto";
const sound = new Audio();
let waiting = [];
// A page on disk lies in report/, beside clips/; Jupyter serves the library's root below "files".
const jupyter = document.getElementById("jupyter-config-data");
const root = jupyter ? `${JSON.parse(jupyter.textContent).baseUrl}files/` : "../";
const next = () => {
  if (!waiting.length) return;
  sound.src = waiting.shift();
  sound.play().catch(() => {});
};
sound.onended = next;
sound.onerror = () => { said.textContent += " – its clips are not here to be played"; waiting = []; };
plot.on("plotly_click", (event) => {
  const [artist, song, middle, count] = event.points[0].customdata;
  const folder = `${root}clips/${song.split("/").map(encodeURIComponent).join("/")}`;
  waiting = [...Array(count).keys()].map((n) => `${folder}/${String(middle + n).padStart(4, "0")}.wav`);
  said.textContent = `${artist}: ${song.split("/").pop()}`;
  next();
});
