{
  const study = JSON.parse(document.getElementById("study").textContent);
  const at = (id) => document.getElementById(id);
  const figures = { left: document.querySelector("[data-side=left]"), right: document.querySelector("[data-side=right]") };
  const videos = Object.values(figures).map((figure) => figure.querySelector("video"));
  const buttons = [...document.querySelectorAll("[data-answer]")];
  // Videos may drift apart by this many seconds before one is set to the other's time.
  const DRIFT = 0.08;
  const PAUSE_BETWEEN = 600;

  // Answers of a page without a server: in the browser until they are downloaded.
  const kept = {
    name: `phyrefine-rate ${study.study} ${study.rater}`,
    rows: [],
    load() {
      try {
        this.rows = JSON.parse(localStorage.getItem(this.name) ?? "[]");
      } catch {
        this.rows = [];
      }
      for (const row of this.rows) study.answers[row.trial] = row.answer;
    },
    async add(row) {
      this.rows.push({ ...row, at: new Date().toISOString() });
      try {
        localStorage.setItem(this.name, JSON.stringify(this.rows));
      } catch {
        return "This browser keeps nothing: download your answers before you close this page.";
      }
      return "";
    },
    download() {
      const cell = (row, column) => ({ study: study.study, rater: study.rater, ...row })[column];
      const lines = this.rows.map((row) => study.columns.map((column) => cell(row, column)).join(","));
      const text = [study.columns.join(","), ...lines, ""].join("\n");
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
      link.download = `answers-${study.study}-${study.rater}.csv`;
      link.click();
    },
  };
  const server = {
    load() {},
    async add(row) {
      const reply = await fetch("answers", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(row),
      });
      if (!reply.ok) throw new Error(await reply.text());
      return "";
    },
  };
  const store = study.clips ? kept : server;

  const loaded = new Map();
  const source = (id) => {
    if (study.clips) return Promise.resolve(study.clips[id]);
    if (!loaded.has(id)) {
      const got = fetch(`clips/${id}.mp4`).then(async (reply) => {
        if (!reply.ok) throw new Error(await reply.text());
        return URL.createObjectURL(await reply.blob());
      });
      got.catch(() => loaded.delete(id));
      loaded.set(id, got);
    }
    return loaded.get(id);
  };

  let current = 0;
  let begun = 0;
  let ready = false; // both were watched to the end, or the pair was answered before
  let wanted = true; // playing, as far as the person is concerned
  let saving = false;
  let again = 0;

  const say = (text, wrong = false) => {
    at("status").textContent = text;
    at("status").classList.toggle("wrong", wrong);
  };
  const answered = () => Object.keys(study.answers).length;
  const next = () => study.trials.findIndex((_, number) => study.answers[number] === undefined);

  const enable = () => {
    for (const button of buttons) {
      button.disabled = saving || !(ready || button.dataset.answer === "broken");
      button.setAttribute("aria-pressed", String(study.answers[current] === button.dataset.answer));
    }
    for (const [side, figure] of Object.entries(figures)) {
      figure.classList.toggle("picked", study.answers[current] === side);
    }
    for (const back of document.querySelectorAll(".back")) back.disabled = current === 0;
  };

  const play = async () => {
    wanted = true;
    at("replay").querySelector("span").textContent = "Pause";
    const results = await Promise.allSettled(videos.map((video) => video.play()));
    if (wanted && results.some((result) => result.reason?.name === "NotAllowedError")) {
      pause();
      say("Press Space to play.");
    }
  };
  const pause = () => {
    wanted = false;
    at("replay").querySelector("span").textContent = "Play";
    clearTimeout(again);
    for (const video of videos) video.pause();
  };
  const restart = () => {
    for (const video of videos) video.currentTime = 0;
    play();
  };

  const show = async (number) => {
    clearTimeout(again);
    const done = number < 0 || number >= study.trials.length;
    at("trial").hidden = at("controls").hidden = done;
    at("done").hidden = !done;
    at("progress").value = answered() / study.trials.length;
    at("count").textContent = done
      ? `${answered()} of ${study.trials.length}`
      : `pair ${number + 1} of ${study.trials.length}`;
    current = done ? study.trials.length : number;
    if (done) {
      for (const video of videos) video.pause();
      for (const back of document.querySelectorAll("#done .back")) back.disabled = false;
      document.querySelector("#done button").focus();
      return;
    }
    const trial = study.trials[number];
    ready = study.answers[number] !== undefined;
    at("text").textContent = trial.text;
    say(ready ? "You have answered this pair; another answer replaces it." : "Watch both to the end, then answer.");
    enable();
    try {
      const uris = await Promise.all([source(trial.left), source(trial.right)]);
      if (current !== number) return;
      videos.forEach((video, index) => {
        video.src = uris[index];
        video.load();
      });
      begun = performance.now();
      if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
        pause();
        say("Press Space to play.");
      } else {
        play();
      }
      const after = study.trials[number + 1];
      if (after) for (const id of [after.left, after.right]) source(id).catch(() => {});
    } catch (error) {
      say(`A video could not be loaded: ${error.message} Reload the page to try again.`, true);
    }
  };

  const give = async (answer) => {
    if (saving || current >= study.trials.length) return;
    if (!ready && answer !== "broken") {
      say("Watch both to the end first.");
      return;
    }
    const trial = study.trials[current];
    const seconds = Math.round(performance.now() - begun) / 1000;
    saving = true;
    enable();
    try {
      const told = await store.add({ trial: current, left: trial.left, right: trial.right, answer, seconds });
      const replaced = study.answers[current] !== undefined;
      study.answers[current] = answer;
      saving = false;
      enable();
      const following = replaced ? current + 1 : next();
      await show(study.answers[following] === undefined ? following : next());
      if (told) say(told, true);
    } catch (error) {
      saving = false;
      enable();
      say(`Not stored: ${error.message} Answer again once this is mended.`, true);
    }
  };

  for (const video of videos) {
    video.addEventListener("ended", () => {
      if (!videos.every((one) => one.ended)) return;
      if (!ready) {
        ready = true;
        say("Which one? The videos go on until you answer.");
        enable();
      }
      if (wanted) again = setTimeout(restart, PAUSE_BETWEEN);
    });
    video.addEventListener("error", () => {
      if (video.src) say("A video does not play: press X to say so.", true);
    });
  }
  const tick = () => {
    const [left, right] = videos;
    if (!left.ended && !right.ended && !left.paused && Math.abs(left.currentTime - right.currentTime) > DRIFT) {
      right.currentTime = left.currentTime;
    }
    const trial = study.trials[current];
    if (trial && left.duration) {
      document.querySelector(".hand").style.setProperty("width", `${(100 * left.currentTime) / left.duration}%`);
      document.querySelector(".seam").style.setProperty("width", `${(100 * trial.seam) / left.duration}%`);
      for (const label of document.querySelectorAll(".given")) label.hidden = left.currentTime >= trial.seam;
    }
    requestAnimationFrame(tick);
  };

  const back = () => {
    if (current > 0) show(current - 1);
  };
  const keys = { ArrowLeft: "left", ArrowRight: "right", ArrowDown: "same", x: "broken", X: "broken" };
  document.addEventListener("keydown", (event) => {
    // A key that is held down is one answer, not many.
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    const inButton = event.target.closest("button") !== null && (event.key === " " || event.key === "Enter");
    if (inButton) return;
    if (event.key in keys) give(keys[event.key]);
    else if (event.key === " ") toggle();
    else if (event.key === "Backspace") back();
    else return;
    event.preventDefault();
  });
  const toggle = () => {
    if (wanted) pause();
    else if (videos.every((video) => video.ended)) restart();
    else play();
  };
  for (const button of buttons) {
    button.addEventListener("click", () => {
      button.blur(); // so that Space plays again
      give(button.dataset.answer);
    });
  }
  at("replay").addEventListener("click", () => {
    at("replay").blur();
    toggle();
  });
  for (const button of document.querySelectorAll(".back")) button.addEventListener("click", back);
  at("finish")?.addEventListener("click", async () => {
    try {
      const reply = await fetch("finish", { method: "POST" });
      if (!reply.ok) throw new Error(await reply.text());
      at("done").querySelector("h2").textContent = "Finished. You may close this page.";
      for (const button of at("done").querySelectorAll("button")) button.hidden = true;
    } catch {
      at("done").querySelector("h2").textContent = "The server has ended. Your answers are stored.";
    }
  });
  for (const name of ["download", "early"]) at(name)?.addEventListener("click", () => kept.download());

  store.load();
  show(next());
  requestAnimationFrame(tick);
}
