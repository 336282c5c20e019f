// A clip: its wave from stored peaks, its bytes as a Blob, and a stretch that is played in a circle.

function player(clip) {
  if (clip.absent) {
    return { node: el("p", { class: "absent" }, el("b", {}, "No audio. "), `${clip.name}: ${clip.absent}`) };
  }
  const wave = el("div", { class: "wave" });
  const time = el("span", { class: "time" }, clock(0, clip.seconds));
  const play = button("\u25b6", () => surfer.playPause(), { class: "play", "aria-label": "play" });
  const all = button("whole clip", () => playWhole(), { class: "whole", hidden: true });
  const node = el(
    "div",
    { class: "player" },
    play,
    el("div", {}, wave, el("p", { class: "beneath" }, time, all, el("span", { class: "clip-name" }, clip.name))),
  );
  const regions = WaveSurfer.Regions.create();
  const surfer = WaveSurfer.create({
    container: wave,
    height: 56,
    normalize: true,
    waveColor: colour("silence"),
    progressColor: colour("audio"),
    cursorColor: colour("ink"),
    barWidth: 2,
    barGap: 1,
    plugins: [regions],
  });
  let looped = null;
  regions.enableDragSelection({ color: "rgba(128, 160, 170, 0.25)" });
  regions.on("region-created", (region) => {
    regions.getRegions().filter((other) => other !== region).forEach((other) => other.remove());
    looped = region;
    all.hidden = false;
    region.play();
  });
  const playWhole = () => {
    looped = null;
    all.hidden = true;
    regions.clearRegions();
  };
  regions.on("region-out", (region) => {
    if (looped === region && surfer.isPlaying()) region.play();
  });
  surfer.on("play", () => label(play, true));
  surfer.on("pause", () => label(play, false));
  surfer.on("timeupdate", (now) => (time.textContent = clock(now, clip.seconds)));
  surfer.on("error", () => node.append(el("p", { class: "absent" }, "This browser cannot play the clip.")));
  surfer.loadBlob(blobOf(clip), [clip.peaks.map((peak) => peak / 100)], clip.seconds).catch(() => {});
  return { node, toggle: () => surfer.playPause(), destroy: () => surfer.destroy() };
}

function label(play, playing) {
  play.textContent = playing ? "\u275a\u275a" : "\u25b6";
  play.setAttribute("aria-label", playing ? "pause" : "play");
}

function blobOf(clip) {
  const bytes = Uint8Array.from(atob(clip.mp3), (character) => character.charCodeAt(0));
  return new Blob([bytes], { type: "audio/mpeg" });
}

function clock(now, whole) {
  return `${Math.min(now, whole).toFixed(1)} / ${whole.toFixed(1)} s`;
}
