// What the pages can do with a script: send dropped files in parts, show how far a scan is. Without
// it files are sent by the form. The player and its timelines belong to the report's script.
"use strict";
(() => {
  document.documentElement.classList.add("js");
  const $ = (id) => document.getElementById(id);
  const PART = 8 * 1024 * 1024;
  const TRIES = 6;
  const TEXTS = JSON.parse(document.documentElement.dataset.texts);

  function make(tag, text, className) {
    const made = document.createElement(tag);
    if (text) made.textContent = text;
    if (className) made.className = className;
    return made;
  }
  const wait = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
  const left = (seconds) => seconds < 8 ? TEXTS.soon
    : seconds < 90 ? TEXTS.seconds.replace("#n", Math.ceil(seconds / 10) * 10)
      : TEXTS.minutes.replace("#n", Math.ceil(seconds / 60));

  // Sending: tus 1.0, in parts, going on after a broken connection.
  function base64(text) {
    return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
  }
  async function tus(method, url, headers, body) {
    const answer = await fetch(url, { method, body, headers: { "Tus-Resumable": "1.0.0", ...headers } });
    if (answer.ok) return answer;
    const said = await answer.json().catch(() => ({}));
    const error = new Error(said.detail || TEXTS.status.replace("#n", answer.status));
    error.final = answer.status < 500 && ![409, 423].includes(answer.status);
    throw error;
  }
  async function send(file, tell) {
    const drawn = $("film")?.checked ? `,film ${base64(document.documentElement.lang)}` : "";
    const created = await tus("POST", "/v1/uploads", {
      "Upload-Length": String(file.size),
      "Upload-Metadata": `filename ${base64(file.name.slice(-200))}${drawn}`,
    });
    const url = created.headers.get("Location");
    let offset = 0;
    for (let failed = 0; ;) {
      try {
        const answer = await tus("PATCH", url, {
          "Upload-Offset": String(offset), "Content-Type": "application/offset+octet-stream",
        }, file.slice(offset, offset + PART));
        failed = 0;
        offset = Number(answer.headers.get("Upload-Offset"));
        tell(offset / file.size);
        const scan = answer.headers.get("Unmask-Scan");
        if (scan) return scan.split("/").pop();
      } catch (error) {
        if (error.final || ++failed > TRIES) throw error;
        await wait(2 ** failed / 2);
        const asked = await tus("HEAD", url, {}).catch(() => null);
        if (asked) offset = Number(asked.headers.get("Upload-Offset"));
      }
    }
  }

  const drop = $("drop");
  if (drop) {
    const input = $("file"), list = $("sending"), most = Number(drop.dataset.most);
    input.multiple = true;
    async function take(files) {
      const ids = await Promise.all([...files].map(one));
      const sent = ids.filter(Boolean);
      if (sent.length === 1 && ids.length === 1) location.href = `/scans/${sent[0]}`;
    }
    async function one(file) {
      const item = make("li"), name = make("strong", file.name), said = make("p", TEXTS.sending, "quiet"), bar = make("progress");
      bar.max = 1; bar.value = 0;
      bar.setAttribute("aria-label", TEXTS.sending_name.replace("#name", () => file.name));
      item.append(name, bar, said);
      list.append(item);
      try {
        if (!file.size) throw new Error(TEXTS.empty);
        if (file.size > most) throw new Error(TEXTS.large);
        const id = await send(file, (share) => { bar.value = share; });
        said.textContent = `${TEXTS.received} `;
        const link = make("a", TEXTS.watch);
        link.href = `/scans/${id}`;
        said.append(link);
        follow(id, bar, said, () => { said.textContent = `${TEXTS.done} `; const to = make("a", TEXTS.result); to.href = `/scans/${id}`; said.append(to); });
        return id;
      } catch (error) {
        bar.remove();
        said.textContent = error.message === "Failed to fetch" ? TEXTS.silent : error.message;
        item.classList.add("problem");
        return null;
      }
    }
    input.addEventListener("change", () => { take(input.files); input.value = ""; });
    drop.addEventListener("submit", (event) => event.preventDefault());
    for (const kind of ["dragenter", "dragover"]) {
      document.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
    }
    document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      drop.classList.remove("over");
      take(event.dataTransfer.files);
    });
  }

  // Watching a scan.
  function follow(id, bar, said, ended) {
    const events = new EventSource(`/v1/scans/${id}/events`);
    let began = null;
    events.addEventListener("progress", (event) => {
      const scan = JSON.parse(event.data);
      if (scan.state === "queued") { said.textContent = TEXTS.waiting; return; }
      bar.value = scan.progress;
      if (!began || scan.progress < began.share) began = { share: scan.progress, at: performance.now() };
      const gained = scan.progress - began.share, seconds = (performance.now() - began.at) / 1000;
      const more = gained > 0.05 ? `, ${left(seconds / gained * (1 - scan.progress))}` : "";
      said.textContent = (TEXTS.stages[scan.stage] || TEXTS.stages.starting) + more;
    });
    const over = () => { events.close(); bar.value = 1; ended(); };
    events.addEventListener("ended", over);
    events.addEventListener("deleted", over);
  }
  const watch = $("watch");
  if (watch) follow(watch.dataset.scan, $("bar"), $("stage"), () => location.reload());

  // Times in the reader's own.
  for (const time of document.querySelectorAll("time[datetime]")) {
    const format = { dateStyle: "medium", timeStyle: "short" };
    time.textContent = new Date(time.dateTime).toLocaleString(document.documentElement.lang, format);
  }

  // Comparing two of the history.
  const compare = $("compare");
  if (compare) {
    const boxes = [...compare.querySelectorAll("input[type=checkbox]")], button = $("compare-button");
    const ticked = () => boxes.filter((box) => box.checked);
    compare.addEventListener("change", () => { button.disabled = ticked().length !== 2; });
    compare.addEventListener("submit", (event) => {
      event.preventDefault();
      const [first, second] = ticked().map((box) => box.value);
      if (second) location.href = `/compare?first=${first}&second=${second}`;
    });
  }
  for (const form of document.querySelectorAll("form[data-ask]")) {
    form.addEventListener("submit", (event) => { if (!confirm(form.dataset.ask)) event.preventDefault(); });
  }
})();
