"use strict";
// All videos of a player follow one clock: seconds of the continuation, negative in the prefix.
class Player {
  constructor(root) {
    this.root = root;
    this.lead = Number(root.dataset.lead);
    this.end = Number(root.dataset.end);
    this.step = Number(root.dataset.step);
    this.time = 0;
    this.speed = 1;
    this.kind = "delivered";
    this.playing = false;
    this.panels = [...root.querySelectorAll("[data-panel]")];
    this.prefix = root.querySelector("[data-panel=prefix]");
    for (const video of root.querySelectorAll("video")) {
      video.controls = false;
      for (const event of ["loadedmetadata", "seeked", "loadeddata"]) {
        video.addEventListener(event, () => this.playing || this.show());
      }
    }
    for (const panel of this.panels) {
      const first = panel.querySelector("video:not([hidden])");
      panel.dataset.shown = first ? first.dataset.candidate : "";
    }
    root.addEventListener("click", (event) => this.clicked(event));
    this.control("scrub")?.addEventListener("input", (event) => {
      const wanted = Number(event.target.value);
      this.pause();
      this.seek(wanted);
    });
    this.control("speed")?.addEventListener("change", (event) => {
      this.speed = Number(event.target.value);
    });
    this.timeline = root.querySelector("svg.timeline");
    this.timeline?.addEventListener("pointerdown", (event) => this.pointed(event));
    this.timeline?.addEventListener("pointermove", (event) => event.buttons && this.pointed(event));
    this.show();
  }

  control(name) {
    return this.root.querySelector(`[data-do="${name}"]`);
  }

  // -- the clock

  play() {
    if (this.playing) return;
    this.playing = true;
    if (this.time >= this.end - this.step / 2) this.time = -this.lead;
    let before = performance.now();
    const tick = (now) => {
      if (!this.playing) return;
      // A hidden tab gets no ticks: go on from where it was instead of jumping.
      this.time += Math.min((now - before) / 1000, 0.25) * this.speed;
      before = now;
      if (this.time >= this.end) this.time = -this.lead;
      this.show();
      requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
    this.buttons();
  }

  pause() {
    this.playing = false;
    this.show();
    this.buttons();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  seek(time) {
    this.time = Math.min(Math.max(time, -this.lead), this.end);
    this.show();
  }

  nudge(seconds) {
    this.pause();
    this.seek(Math.round((this.time + seconds) / this.step) * this.step);
  }

  // -- what is on screen

  current(panel) {
    const videos = [...panel.querySelectorAll("video")];
    const mine = videos.filter((video) => video.dataset.candidate === panel.dataset.shown);
    const wanted = mine.find((video) => video.dataset.kind === this.kind) ?? mine[0];
    for (const video of videos) {
      if (video !== wanted && !video.hidden) video.pause();
      video.hidden = video !== wanted;
    }
    return wanted;
  }

  show() {
    for (const panel of this.panels) {
      const video = this.current(panel);
      if (!video) continue;
      const local = panel === this.prefix ? this.time + this.lead : this.time;
      this.place(video, local);
      const label = panel.querySelector("[data-frames-label]");
      if (label) {
        const kind = video.dataset.kind === "native" ? "native: " : "";
        const text = kind + video.dataset.label;
        if (label.textContent !== text) label.textContent = text;
      }
    }
    this.leadIn();
    this.readouts();
  }

  place(video, at) {
    const fps = Number(video.dataset.fps);
    const last = Number(video.dataset.frames) - 1;
    const inside = at >= 0 && at < (last + 1) / fps;
    if (this.playing && inside) {
      if (video.playbackRate !== this.speed) video.playbackRate = this.speed;
      if (Math.abs(video.currentTime - at) > Math.max(0.12 * this.speed, 1 / fps)) video.currentTime = at;
      if (video.paused) video.play().catch(() => {});
      return;
    }
    if (!video.paused) video.pause();
    // The middle of a frame's time shows that frame in every browser.
    const frame = Math.min(Math.max(Math.floor(at * fps + 1e-6), 0), last);
    const middle = (frame + 0.5) / fps;
    if (Math.abs(video.currentTime - middle) > 0.2 / fps) video.currentTime = middle;
  }

  leadIn() {
    const source = this.prefix ? this.current(this.prefix) : null;
    const before = this.time < 0 && source && source.readyState >= 2;
    for (const canvas of this.root.querySelectorAll("canvas[data-lead]")) {
      canvas.hidden = !before;
      canvas.parentElement.classList.toggle("in-lead", Boolean(before));
      if (!before) continue;
      const width = canvas.parentElement.clientWidth;
      const height = canvas.parentElement.clientHeight;
      if (canvas.width !== width || canvas.height !== height) {
        canvas.width = width;
        canvas.height = height;
      }
      const scale = Math.max(width / source.videoWidth, height / source.videoHeight);
      const [w, h] = [source.videoWidth * scale, source.videoHeight * scale];
      canvas.getContext("2d").drawImage(source, (width - w) / 2, (height - h) / 2, w, h);
    }
  }

  readouts() {
    const scrub = this.control("scrub");
    if (scrub) {
      scrub.value = this.time;
      scrub.setAttribute("aria-valuetext", `${this.time.toFixed(2)} seconds`);
    }
    const clock = this.root.querySelector("[data-clock]");
    if (clock) clock.textContent = `${this.time.toFixed(2)} s`.replace("-", "−");
    const cursor = this.root.querySelector("[data-cursor]");
    if (cursor) {
      const x = this.across(this.time);
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
    }
    for (const note of this.notes()) {
      const [from, to] = [Number(note.dataset.from), Number(note.dataset.to)];
      const active = this.time >= from - 0.05 && this.time <= Math.max(to, from + 0.25);
      if (note.parentElement.hasAttribute("data-now")) note.hidden = !active;
      else note.classList.toggle("active", active);
    }
  }

  notes() {
    const scope = this.root.dataset.keys === "page" ? document : this.root;
    return scope.querySelectorAll("[data-from]");
  }

  buttons() {
    const play = this.control("play");
    if (play) {
      play.textContent = this.playing ? "Pause" : "Play";
      play.setAttribute("aria-pressed", String(this.playing));
    }
    this.control("kind")?.setAttribute("aria-pressed", String(this.kind === "native"));
    this.control("large")?.setAttribute("aria-pressed", String(this.root.classList.contains("large")));
  }

  // -- the time line

  plot() {
    const zone = this.timeline.querySelector(".prefix-zone");
    const left = Number(zone.getAttribute("x"));
    const seam = Number(this.timeline.querySelector(".seam").getAttribute("x1"));
    const last = this.timeline.viewBox.baseVal.width - 8;
    return { left, scale: (last - left) / (this.lead + this.end), seam };
  }

  across(time) {
    const { left, scale } = this.plot();
    return left + (time + this.lead) * scale;
  }

  pointed(event) {
    const box = this.timeline.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * this.timeline.viewBox.baseVal.width;
    const { left, scale } = this.plot();
    this.pause();
    this.seek((x - left) / scale - this.lead);
  }

  // -- hands

  clicked(event) {
    const button = event.target.closest("button");
    if (!button || !this.root.contains(button)) return;
    if (button.dataset.show) this.candidate(button);
    else this.act(button.dataset.do);
  }

  act(name) {
    if (name === "play") this.toggle();
    else if (name === "back") this.nudge(-this.step);
    else if (name === "forward") this.nudge(this.step);
    else if (name === "kind") this.kind = this.kind === "native" ? "delivered" : "native";
    else if (name === "large") this.root.classList.toggle("large");
    if (name === "kind" || name === "large") this.show();
    this.buttons();
  }

  candidate(button) {
    const panel = button.closest("[data-panel]");
    panel.dataset.shown = button.dataset.show;
    for (const other of panel.querySelectorAll("[data-show]")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    this.show();
  }

  faster(direction) {
    const speed = this.control("speed");
    if (!speed) return;
    const index = Math.min(Math.max(speed.selectedIndex + direction, 0), speed.options.length - 1);
    speed.selectedIndex = index;
    this.speed = Number(speed.value);
  }

  key(event) {
    const pressed = event.target.closest("button, select, input, textarea, summary, a");
    const typing = pressed?.matches("select, input, textarea");
    if (event.ctrlKey || event.metaKey || event.altKey || typing) return;
    if (pressed && (event.key === " " || event.key === "Enter")) return;
    const frame = event.shiftKey ? 0.5 : this.step;
    const actions = {
      " ": () => this.toggle(),
      ArrowLeft: () => this.nudge(-frame),
      ArrowRight: () => this.nudge(frame),
      Home: () => this.seek(-this.lead),
      End: () => this.seek(this.end),
      0: () => this.seek(0),
      "[": () => this.faster(-1),
      "]": () => this.faster(1),
      n: () => this.act("kind"),
      l: () => this.act("large"),
    };
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }
}

{
  const themes = ["system", "light", "dark"];
  const button = document.getElementById("theme");
  button.addEventListener("click", () => {
    const now = document.documentElement.dataset.theme ?? "system";
    const next = themes[(themes.indexOf(now) + 1) % themes.length];
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    button.textContent = `Theme: ${next}`;
  });
}
