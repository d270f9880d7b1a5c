{
  const players = new Map();
  for (const root of document.querySelectorAll("[data-player]")) {
    const player = new Player(root);
    players.set(root, player);
    root.addEventListener("keydown", (event) => player.key(event));
  }
  const onScreen = new Set();
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        onScreen.add(entry.target);
        for (const video of entry.target.querySelectorAll("video")) video.preload = "auto";
        if (everything.getAttribute("aria-pressed") === "true") players.get(entry.target).play();
      } else {
        onScreen.delete(entry.target);
        players.get(entry.target).pause();
      }
    }
  });
  const everything = document.getElementById("play-all");
  everything.addEventListener("click", () => {
    const playing = everything.getAttribute("aria-pressed") !== "true";
    everything.setAttribute("aria-pressed", String(playing));
    everything.textContent = playing ? "Pause all" : "Play all on screen";
    for (const root of onScreen) {
      const player = players.get(root);
      if (playing) player.play();
      else player.pause();
    }
  });
  for (const root of players.keys()) watcher.observe(root);

  const search = document.getElementById("search");
  const counter = document.getElementById("shown");
  const filter = () => {
    const wanted = search.value.toLowerCase();
    let count = 0;
    for (const domain of document.querySelectorAll(".domain")) {
      let any = false;
      for (const exhibit of domain.querySelectorAll(".exhibit")) {
        const match = exhibit.dataset.text.toLowerCase().includes(wanted);
        exhibit.hidden = !match;
        any ||= match;
        count += match;
      }
      domain.hidden = !any;
    }
    counter.textContent = `${count} shown`;
  };
  search.addEventListener("input", filter);
}
