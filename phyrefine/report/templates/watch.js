{
  // The page is written anew beside the run; a clip that plays is not cut off.
  const seconds = Number(document.querySelector("[data-reload]")?.dataset.reload ?? 0);
  const playing = () =>
    [...document.querySelectorAll("video")].some((video) => !video.paused && !video.ended);
  if (seconds) setInterval(() => playing() || location.reload(), seconds * 1000);

  const root = document.documentElement;
  const button = document.getElementById("theme");
  const kept = sessionStorage.getItem("theme");
  if (kept) {
    root.dataset.theme = kept;
    button.textContent = `Theme: ${kept}`;
  }
  button.addEventListener("click", () =>
    sessionStorage.setItem("theme", root.dataset.theme ?? ""),
  );
}
