// Lets a reader step through the key frames. Without it the page shows all of them as a list.
"use strict";
(() => {
  document.documentElement.classList.add("js");

  function setUp(face) {
    const dots = [...face.querySelectorAll("a.dot")];
    const frames = [...face.querySelectorAll("figure.frame")];
    const slider = face.querySelector("input[type=range]");
    const steps = [...face.querySelectorAll("button[data-step]")];
    let current = 0;

    function select(index, focus) {
      current = Math.max(0, Math.min(frames.length - 1, index));
      frames.forEach((frame, i) => frame.classList.toggle("shown", i === current));
      dots.forEach((dot, i) => {
        dot.classList.toggle("selected", i === current);
        dot.setAttribute("tabindex", i === current ? "0" : "-1");
        if (i === current) dot.setAttribute("aria-current", "true");
        else dot.removeAttribute("aria-current");
      });
      for (const button of steps) {
        const next = current + Number(button.dataset.step);
        button.setAttribute("aria-disabled", String(next < 0 || next >= frames.length));
      }
      if (focus) dots[current].focus({ preventScroll: true });
    }

    const moves = {
      ArrowRight: () => current + 1, ArrowUp: () => current + 1,
      ArrowLeft: () => current - 1, ArrowDown: () => current - 1,
      Home: () => 0, End: () => frames.length - 1,
    };
    dots.forEach((dot, i) => {
      dot.addEventListener("click", (event) => { event.preventDefault(); select(i, true); });
      dot.addEventListener("keydown", (event) => {
        if (event.altKey || event.ctrlKey || event.metaKey || !(event.key in moves)) return;
        event.preventDefault();
        select(moves[event.key](), true);
      });
    });
    for (const button of steps) {
      button.addEventListener("click", () => select(current + Number(button.dataset.step), false));
    }
    if (slider) {
      const paint = () => face.style.setProperty("--map", String(slider.value / 100));
      slider.addEventListener("input", paint);
      paint();
    }
    const follow = () => {
      const wanted = frames.findIndex((frame) => "#" + frame.id === location.hash);
      if (wanted >= 0) select(wanted, false);
      return wanted >= 0;
    };
    window.addEventListener("hashchange", follow);
    if (frames.length && !follow()) {
      select(Math.max(0, frames.findIndex((frame) => frame.classList.contains("first"))), false);
    }
  }

  for (const face of document.querySelectorAll("[data-face]")) setUp(face);

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
