{
  const root = document.querySelector("[data-player]");
  if (root) {
    const player = new Player(root);
    document.addEventListener("keydown", (event) => player.key(event));
    for (const mark of document.querySelectorAll("button[data-seek]")) {
      mark.addEventListener("click", () => {
        player.pause();
        player.seek(Number(mark.dataset.seek));
        root.scrollIntoView({ block: "nearest" });
      });
    }
  }
}
