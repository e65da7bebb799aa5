"use strict";
(() => {
  const STEP = 200;
  const NAME = 0, PATH = 1, LINK = 2, WORD = 3, STYLE = 4, SHOWN = 5, SORT = 6, NOTE = 7;
  const find = (id) => document.getElementById(id);
  const all = JSON.parse(find("data").textContent);
  const texts = all.map((row) => `${row[PATH]}\n${row[NOTE]}`.toLowerCase());
  const body = find("rows"), count = find("count"), more = find("more");
  let order = "probability", down = true, chosen = [], drawn = 0;

  const element = (kind, text, name) => {
    const made = document.createElement(kind);
    made.textContent = text;
    if (name) made.className = name;
    return made;
  };
  const isolated = (kind, text, name) => {
    const made = element(kind, "", name);
    made.append(element("bdi", text));
    return made;
  };

  const drawRow = (row) => {
    const line = document.createElement("tr");
    const file = document.createElement("td");
    const name = isolated(row[LINK] ? "a" : "span", row[NAME]);
    if (row[LINK]) name.href = row[LINK];
    file.append(name, isolated("span", row[PATH], "path"));
    if (row[NOTE]) file.append(isolated("span", row[NOTE], "why"));
    line.append(file, element("td", row[WORD], `word v-${row[STYLE]}`), element("td", row[SHOWN], "shown"));
    return line;
  };

  const drawMore = () => {
    const next = chosen.slice(drawn, drawn + STEP);
    body.append(...next.map((place) => drawRow(all[place])));
    drawn += next.length;
    count.textContent = chosen.length === 0 ? "No file matches."
      : `${drawn} of ${chosen.length} shown${chosen.length < all.length ? `, ${all.length} in all` : ""}.`;
    more.parentElement.hidden = drawn >= chosen.length;
    more.hidden = drawn >= chosen.length;
  };

  const compare = (a, b) => {
    const first = all[a], second = all[b];
    const told = order === "name" ? first[NAME].localeCompare(second[NAME]) : first[SORT] - second[SORT];
    return (down ? -told : told) || a - b;
  };

  const draw = () => {
    const word = find("word").value, least = find("least").value;
    const asked = find("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    chosen = [];
    for (let place = 0; place < all.length; place += 1) {
      const row = all[place];
      if (word && row[WORD] !== word) continue;
      if (least !== "" && row[SORT] * 100 < Number(least)) continue;
      if (asked.every((part) => texts[place].includes(part))) chosen.push(place);
    }
    chosen.sort(compare);
    body.replaceChildren();
    drawn = 0;
    drawMore();
  };

  for (const button of document.querySelectorAll("[data-sort]")) {
    button.addEventListener("click", () => {
      down = order === button.dataset.sort ? !down : button.dataset.sort === "probability";
      order = button.dataset.sort;
      for (const other of document.querySelectorAll("[data-sort]")) {
        const state = other === button ? (down ? "descending" : "ascending") : "none";
        other.closest("th").setAttribute("aria-sort", state);
      }
      draw();
    });
  }
  find("tools").addEventListener("input", draw);
  find("tools").addEventListener("submit", (event) => event.preventDefault());
  more.addEventListener("click", drawMore);
  document.documentElement.classList.add("js");
  draw();
})();
