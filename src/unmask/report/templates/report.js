// Steps through key frames, keeps film and timeline in step, sorts and filters the summary.
// Without it the page shows all key frames as a list, and the film with the browser's own controls.
"use strict";
(() => {
  document.documentElement.classList.add("js");

  function setUpFace(face) {
    const dots = [...face.querySelectorAll("a.dot")];
    const frames = [...face.querySelectorAll("figure.frame")];
    const slider = face.querySelector("input[type=range]");
    const steps = [...face.querySelectorAll("button[data-step]")];
    const show = face.querySelector("button[data-show]");
    let current = 0;

    function select(index, options = {}) {
      current = Math.max(0, Math.min(frames.length - 1, index));
      frames.forEach((frame, i) => frame.classList.toggle("shown", i === current));
      mark(dots, current);
      for (const button of steps) {
        const next = current + Number(button.dataset.step);
        button.setAttribute("aria-disabled", String(next < 0 || next >= frames.length));
      }
      if (options.focus && dots[current]) dots[current].focus({ preventScroll: true });
      if (options.told) return;
      face.dispatchEvent(new CustomEvent("keyframe", { bubbles: true, detail: { index: current } }));
    }

    obey(dots, () => current, (index) => select(index, { focus: true }));
    for (const button of steps) {
      button.addEventListener("click", () => select(current + Number(button.dataset.step)));
    }
    if (show) {
      show.addEventListener("click", () => {
        face.dispatchEvent(
          new CustomEvent("showframe", { bubbles: true, detail: { index: current } }));
      });
    }
    if (slider) {
      const paint = () => face.style.setProperty("--map", String(slider.value / 100));
      slider.addEventListener("input", paint);
      paint();
    }
    const follow = () => {
      const wanted = frames.findIndex((frame) => "#" + frame.id === location.hash);
      if (wanted >= 0) select(wanted);
      return wanted >= 0;
    };
    window.addEventListener("hashchange", follow);
    if (frames.length && !follow()) {
      const first = frames.findIndex((frame) => frame.classList.contains("first"));
      select(Math.max(0, first), { told: true });
    }
    face.selectFrame = (index) => select(index, { told: true });
  }

  // The dots of a timeline are one stop of the tab order; arrows move within it.
  function mark(dots, current) {
    dots.forEach((dot, i) => {
      dot.classList.toggle("selected", i === current);
      dot.setAttribute("tabindex", i === Math.max(0, current) ? "0" : "-1");
      if (i === current) dot.setAttribute("aria-current", "true");
      else dot.removeAttribute("aria-current");
    });
  }

  function obey(dots, current, select) {
    const moves = {
      ArrowRight: () => current() + 1, ArrowUp: () => current() + 1,
      ArrowLeft: () => current() - 1, ArrowDown: () => current() - 1,
      Home: () => 0, End: () => dots.length - 1,
    };
    dots.forEach((dot, i) => {
      dot.addEventListener("click", (event) => { event.preventDefault(); select(i); });
      dot.addEventListener("keydown", (event) => {
        if (event.altKey || event.ctrlKey || event.metaKey || !(event.key in moves)) return;
        event.preventDefault();
        select(Math.max(0, Math.min(dots.length - 1, moves[event.key]())));
      });
    });
  }

  function setUpPlayer(player) {
    const video = player.querySelector("video");
    const picture = player.querySelector("img.full");
    const rects = [...player.querySelectorAll(".screen .box rect")];
    const now = player.querySelector("[data-now]");
    const choose = player.querySelector("[data-choose]");
    const paths = JSON.parse(player.dataset.boxes);
    const report = player.dataset.player;
    const frameSeconds = 1 / Number(player.dataset.fps);
    let playable = video !== null;
    let track = player.dataset.face;
    let current = -1;

    const section = () => document.getElementById(report + "-face" + track);
    const frames = () => [...section().querySelectorAll("figure.frame")];
    const part = () => player.querySelector('.player-face[data-track="' + track + '"]');
    const dots = () => [...part().querySelectorAll("a.dot")];

    function drawBox(box) {
      for (const rect of rects) {
        rect.setAttribute("visibility", box ? "visible" : "hidden");
        if (!box) continue;
        rect.setAttribute("x", box[0]);
        rect.setAttribute("y", box[1]);
        rect.setAttribute("width", Math.max(0, box[2] - box[0]));
        rect.setAttribute("height", Math.max(0, box[3] - box[1]));
      }
    }

    // Where the face is at a time: between two places on its path that are close in time.
    function boxAt(seconds) {
      const path = paths[track] || [];
      let low = 0, high = path.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (path[middle][0] < seconds) low = middle + 1; else high = middle;
      }
      const near = 1.5 * frameSeconds;
      const after = path[low], before = path[low - 1];
      if (after && after[0] - seconds <= near) return after.slice(1);
      if (before && seconds - before[0] <= near) return before.slice(1);
      if (!after || !before || after[0] - before[0] > Math.max(0.5, 6 * frameSeconds)) return null;
      const share = (seconds - before[0]) / (after[0] - before[0]);
      return before.slice(1).map((value, i) => value + share * (after[i + 1] - value));
    }

    function boxOf(frame) { return frame.dataset.box.split(",").map(Number); }

    function clock(seconds) {
      const whole = Math.floor(seconds);
      const hundredths = Math.floor((seconds - whole) * 100 + 1e-6);
      const two = (value) => String(value).padStart(2, "0");
      return Math.floor(whole / 60) + ":" + two(whole % 60) + "." + two(hundredths);
    }

    function say(frame, index, seconds) {
      const text = frame ? now.dataset.text : now.dataset.between;
      const values = frame
        ? { "#n": index + 1, "#c": frames().length, "#t": frame.dataset.clock,
            "#s": frame.dataset.score }
        : { "#t": clock(seconds) };
      now.textContent = text.replace(/#[ncts]/g, (name) => values[name]);
    }

    function moveCursor(seconds) {
      const parts = [part(), section()];
      for (const plot of parts.flatMap((each) => [...each.querySelectorAll("svg.plot[data-end]")])) {
        const cursor = plot.querySelector(".cursor");
        const end = Number(plot.dataset.end);
        const place = (end > 0 ? Math.min(100, 100 * seconds / end) : 50) + "%";
        cursor.setAttribute("x1", place);
        cursor.setAttribute("x2", place);
        cursor.setAttribute("visibility", "visible");
      }
    }

    function showKeyFrame(index, options = {}) {
      const all = frames();
      if (!all.length) return;
      current = Math.max(0, Math.min(all.length - 1, index));
      const frame = all[current];
      const seconds = Number(frame.dataset.time);
      if (playable) {
        video.pause();
        // a little into the frame: its first moment may still show the one before
        video.currentTime = seconds + Math.min(0.002, frameSeconds / 4);
      } else {
        const still = frame.querySelector(".still img");
        if (still) picture.src = still.src;
        picture.classList.toggle("missing", !still);
      }
      drawBox(boxOf(frame));
      mark(dots(), current);
      moveCursor(seconds);
      say(frame, current, seconds);
      section().selectFrame(current);
      if (options.focus) dots()[current].focus({ preventScroll: true });
    }

    function setTrack(wanted, index) {
      track = String(wanted);
      for (const each of player.querySelectorAll(".player-face")) {
        each.hidden = each.dataset.track !== track;
      }
      if (choose) choose.value = track;
      showKeyFrame(index);
    }

    // What the film shows at this moment: a key frame, or a place between two.
    function follow(seconds) {
      const all = frames();
      const index = all.findIndex(
        (frame) => Math.abs(Number(frame.dataset.time) - seconds) < 0.6 * frameSeconds);
      moveCursor(seconds);
      drawBox(index >= 0 ? boxOf(all[index]) : boxAt(seconds));
      if (index === current && index >= 0) return;
      current = index;
      mark(dots(), index);
      say(all[index], index, seconds);
      if (index >= 0) section().selectFrame(index);
    }

    for (const each of player.querySelectorAll(".player-face")) {
      obey([...each.querySelectorAll("a.dot")], () => current,
        (index) => showKeyFrame(index, { focus: true }));
    }
    for (const button of player.querySelectorAll("button[data-go]")) {
      button.addEventListener("click", () => {
        const step = Number(button.dataset.go);
        if (current >= 0) { showKeyFrame(current + step); return; }
        const times = frames().map((frame) => Number(frame.dataset.time));
        const after = times.findIndex((time) => time > video.currentTime);
        const next = after < 0 ? times.length : after;
        showKeyFrame(step > 0 ? next : next - 1);
      });
    }
    for (const button of player.querySelectorAll("button[data-frame]")) {
      button.addEventListener("click", () => {
        video.pause();
        const wanted = video.currentTime + Number(button.dataset.frame) * frameSeconds;
        video.currentTime = Math.max(0, Math.min(video.duration || 0, wanted));
      });
    }
    if (choose) choose.addEventListener("change", () => setTrack(choose.value, 0));
    document.addEventListener("keyframe", (event) => {
      if (event.target.dataset.report !== report) return;
      if (event.target.dataset.track !== track) setTrack(event.target.dataset.track, event.detail.index);
      else showKeyFrame(event.detail.index);
    });
    document.addEventListener("showframe", (event) => {
      if (event.target.dataset.report !== report) return;
      setTrack(event.target.dataset.track, event.detail.index);
      player.scrollIntoView({ block: "start" });
    });

    if (video) {
      const tick = () => { if (!video.seeking) follow(video.currentTime); };
      if ("requestVideoFrameCallback" in video) {
        const each = (_, data) => { follow(data.mediaTime); video.requestVideoFrameCallback(each); };
        video.requestVideoFrameCallback(each);
      } else {
        video.addEventListener("timeupdate", tick);
      }
      video.addEventListener("seeked", tick);
      video.addEventListener("error", () => {
        playable = false;
        video.hidden = true;
        picture.hidden = false;
        for (const button of player.querySelectorAll("button[data-frame]")) button.hidden = true;
        player.querySelector(".film-lost").hidden = false;
        showKeyFrame(Math.max(0, current));
      });
      if (video.error) video.dispatchEvent(new Event("error"));
    }
    const first = frames().findIndex((frame) => frame.classList.contains("shown"));
    document.getElementById(report).classList.add("has-player");
    showKeyFrame(Math.max(0, first));
  }

  function setUpSummary(summary) {
    const body = summary.querySelector("tbody");
    if (!body) return;
    const rows = [...body.querySelectorAll("[data-row]")];
    const find = summary.querySelector("[data-find]");
    const word = summary.querySelector("select[data-word]");
    const shown = summary.querySelector("[data-shown]");
    const buttons = [...summary.querySelectorAll("button.sort")];
    const column = { path: 0, word: 1, range: 2, faces: 3, coverage: 4, reason: 5 };

    function value(row, key) {
      if (key === "word") return Number(row.dataset.rank);
      if (key === "range" || key === "faces" || key === "coverage") return Number(row.dataset[key]);
      return row.children[column[key]].textContent.trim();
    }

    function sort(key, down) {
      const sign = down ? -1 : 1;
      const compare = (a, b) => typeof a === "number" ? a - b
        : a.localeCompare(b, document.documentElement.lang, { numeric: true });
      rows.sort((a, b) => sign * compare(value(a, key), value(b, key))
        || a.dataset.rank - b.dataset.rank);
      body.append(...rows);
      for (const button of buttons) {
        const state = button.dataset.sort !== key ? "none" : down ? "descending" : "ascending";
        button.closest("th").setAttribute("aria-sort", state);
      }
    }

    function filter() {
      const text = find.value.toLocaleLowerCase();
      let count = 0;
      for (const row of rows) {
        const fits = (!word.value || row.dataset.word === word.value)
          && row.textContent.toLocaleLowerCase().includes(text);
        row.hidden = !fits;
        count += fits ? 1 : 0;
      }
      shown.textContent = shown.dataset.of.replace("#n", String(count));
    }

    for (const button of buttons) {
      button.addEventListener("click", () => {
        const key = button.dataset.sort;
        const state = button.closest("th").getAttribute("aria-sort");
        const numbers = key === "range" || key === "faces";
        const first = numbers ? "descending" : "ascending";
        sort(key, state === "none" ? first === "descending" : state === "ascending");
      });
    }
    find.addEventListener("input", filter);
    word.addEventListener("change", filter);
    filter();
  }

  // A link to something folded unfolds it.
  function unfold() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let part = target; part; part = part.parentElement) {
      if (part.tagName === "DETAILS") part.open = true;
    }
    if (target) target.scrollIntoView();
  }

  for (const face of document.querySelectorAll("section[data-face][data-track]")) setUpFace(face);
  for (const player of document.querySelectorAll("[data-player]")) setUpPlayer(player);
  for (const summary of document.querySelectorAll("[data-summary]")) setUpSummary(summary);
  window.addEventListener("hashchange", unfold);
  if (location.hash) unfold();

  // A printed page cannot be unfolded.
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const part of opened) part.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const part of opened) part.open = false;
  });
})();
