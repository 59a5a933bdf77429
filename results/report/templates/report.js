"use strict";
// What the page does: draws plots as they come into view, sorts, filters, searches and copies tables, and opens the
// record behind a number. Tables arrive column by column: each distinct value once, and for every row which one it is.

const { tables, plots, records, environment } = JSON.parse(document.getElementById("payload").textContent);
const STEP = 15; // rows shown at first, and by each further step
const TONES = {
  good: ["agrees", "reproduced", "consistent", "equivalent", "ok", "True"],
  fair: ["agrees_up_to_scale", "reproduced_if", "undecided", "unsupported", "absent"],
  bad: ["differs", "nonfinite", "error", "not_reproduced", "different", "failed", "timeout", "diverged", "False"],
};
const JUDGED = ["verdict", "status", "supported", "check"];

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}

function say(words) {
  document.getElementById("status").textContent = words;
}

function variable(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// ---- plots

function inked(value, ink) {
  if (value === "ink") return ink;
  if (Array.isArray(value)) return value.map((item) => inked(item, ink));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inked(item, ink)]));
  }
  return value;
}

function draw(place) {
  const options = plots[place.dataset.plot];
  const chosen = place.querySelector("select")?.value ?? Object.keys(options)[0];
  const [ink, grid] = [variable("--ink"), variable("--line")];
  const { data, layout } = inked(options[chosen], ink);
  const narrow = place.clientWidth < 600;
  const axis = { gridcolor: grid, zerolinecolor: grid, linecolor: grid };
  const canvas = place.querySelector(".canvas");
  const legendBelow = { orientation: "h", y: -0.2, yanchor: "top", maxheight: 140 };
  Plotly.react(canvas, data, {
    ...layout,
    xaxis: { ...axis, ...layout.xaxis, ...(narrow ? { tickangle: 0, nticks: 5 } : {}) },
    yaxis: { ...axis, ...layout.yaxis },
    height: layout.height + (narrow && data.length > 1 ? 120 : 0),
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: ink, family: "system-ui, sans-serif", size: narrow ? 11 : 13 },
    hoverlabel: { font: { family: "system-ui, sans-serif" } },
    legend: narrow ? legendBelow : { traceorder: "normal" },
    margin: { l: 50, r: 10, t: 15, b: 50 },
    dragmode: narrow ? false : "zoom",
  }, { responsive: true, displaylogo: false, displayModeBar: narrow ? false : "hover", modeBarButtonsToRemove: ["lasso2d", "select2d"] });
  canvas.dataset.drawn = chosen;
}

function startPlots() {
  const figures = document.querySelectorAll("[data-plot]");
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((one) => one.isIntersecting)) {
      seen.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "400px" });
  for (const place of figures) {
    seen.observe(place);
    place.querySelector("select")?.addEventListener("change", () => draw(place));
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const place of figures) if (place.querySelector("[data-drawn]")) draw(place);
  });
}

// ---- tables

class SortedTable {
  constructor(place, table) {
    Object.assign(this, { place, table, search: "", chosen: {}, all: false, sort: null, limit: STEP });
    this.order = [...Array(table.rows).keys()];
    this.body = element("tbody");
    this.head = element("tr");
    this.count = element("p", { className: "caption" });
    this.steps = element("div", { className: "steps" });
    const region = element("div", { className: "scroll", tabIndex: 0 },
      element("table", { className: "rows" }, element("caption", { className: "quiet", textContent: table.title }),
        element("thead", {}, this.head), this.body));
    region.setAttribute("role", "region");
    region.setAttribute("aria-label", table.title);
    place.append(element("h3", { textContent: table.title }), this.count);
    if (table.rows) place.append(this.tools(), region, this.steps);
    this.show();
  }

  get columns() {
    return this.table.columns.filter((column) => this.all || column.shown);
  }

  tools() {
    const search = element("input", { type: "search", oninput: () => this.set({ search: search.value.toLowerCase() }) });
    const all = element("input", { type: "checkbox", onchange: () => this.set({ all: all.checked }) });
    const copies = ["CSV", "Markdown", "LaTeX"].map((form) =>
      element("button", { type: "button", textContent: form, title: `Copy as ${form}`, onclick: () => this.copy(form) }));
    return element("div", { className: "tools" },
      element("label", {}, "Search", search),
      ...this.table.columns.filter((column) => column.choices).map((column) => this.filter(column)),
      element("label", { className: "check" }, all, "all columns"),
      element("div", { className: "copies", role: "group", ariaLabel: "Copy" }, "Copy", element("span", {}, ...copies)));
  }

  filter(column) {
    const select = element("select", {
      onchange: () => this.set({ chosen: { ...this.chosen, [column.name]: select.value } }),
    }, element("option", { value: "", textContent: "all" }),
    ...column.texts.map((text, place) => [text, place]).sort().map(([text, place]) =>
      element("option", { value: String(place), textContent: text || "(none)" })));
    select.dataset.filter = column.name;
    return element("label", {}, column.title, select);
  }

  set(changes) {
    Object.assign(this, changes, { limit: STEP });
    this.show();
  }

  choose(column, text) {
    const select = this.place.querySelector(`[data-filter="${column}"]`);
    const option = [...(select?.options ?? [])].find((one) => one.textContent === text);
    if (option) {
      select.value = option.value;
      select.onchange();
    }
  }

  matching() {
    const { columns } = this.table;
    const hits = this.search
      ? columns.map((column) => column.texts.map((text) => text.toLowerCase().includes(this.search))) : null;
    return this.order.filter((row) =>
      columns.every((column) => !this.chosen[column.name] || column.index[row] === Number(this.chosen[column.name]))
      && (!hits || columns.some((column, place) => hits[place][column.index[row]])));
  }

  sortBy(column) {
    const descending = this.sort?.column === column ? !this.sort.descending : false;
    const key = (row) => column.values[column.index[row]];
    this.order.sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === y) return a - b;
      if (x === null || y === null) return x === null ? 1 : -1;
      return (x < y ? -1 : 1) * (descending ? -1 : 1);
    });
    this.set({ sort: { column, descending } });
    const place = this.columns.indexOf(column);
    this.head.children[place].firstChild.focus();
  }

  show() {
    const { columns } = this;
    this.head.replaceChildren(...columns.map((column) => this.header(column)));
    this.found = this.matching();
    this.body.replaceChildren(...this.found.slice(0, this.limit).map((row) => this.row(row, columns)));
    const { rows } = this.table;
    this.count.textContent = rows ? `${this.found.length} of ${rows} rows` : "No row.";
    const left = this.found.length - this.limit;
    this.steps.replaceChildren(...(left > 0 ? [element("button", {
      type: "button", textContent: `Show ${Math.min(left, 100)} more`,
      onclick: () => { this.limit += 100; this.show(); },
    })] : []));
  }

  header(column) {
    const cell = element("th", { scope: "col", className: column.number ? "number" : "" },
      element("button", { type: "button", textContent: column.title, onclick: () => this.sortBy(column) }));
    if (this.sort?.column === column) cell.setAttribute("aria-sort", this.sort.descending ? "descending" : "ascending");
    return cell;
  }

  row(row, columns) {
    return element("tr", {}, ...columns.map((column, place) => this.cell(column, row, place)));
  }

  cell(column, row, place) {
    const text = column.texts[column.index[row]];
    const made = element("td", { className: column.number ? "number" : text.length > 40 ? "long" : "" });
    if (place === 0) {
      made.append(element("button", {
        type: "button", className: "link", textContent: text || "(none)", title: "Open the record",
        onclick: () => openRow(this.table, row),
      }));
    } else if (JUDGED.includes(column.name) && text) {
      const tone = Object.keys(TONES).find((one) => TONES[one].includes(text)) ?? "";
      made.append(element("span", { className: `badge ${tone}`, textContent: text }));
    } else {
      made.textContent = text.length > 300 ? `${text.slice(0, 300)}…` : text;
    }
    return made;
  }

  async copy(form) {
    const rows = this.found.map((row) => this.columns.map((column) =>
      form === "CSV" ? column.values[column.index[row]] ?? "" : column.texts[column.index[row]]));
    await copyText(FORMS[form](this.columns.map((column) => (form === "CSV" ? column.name : column.title)), rows, this.columns));
    say(`${rows.length} rows copied as ${form}`);
  }
}

const FORMS = {
  CSV(names, rows) {
    const quoted = (value) => (/[",\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
    return [names, ...rows].map((row) => row.map(quoted).join(",")).join("\n") + "\n";
  },
  Markdown(names, rows, columns) {
    const line = (cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", "<br>")).join(" | ")} |`;
    return [line(names), line(columns.map((column) => (column.number ? "---:" : "---"))), ...rows.map(line)].join("\n") + "\n";
  },
  LaTeX(names, rows, columns) {
    const symbols = { "\\": "\\textbackslash{}", "{": "\\{", "}": "\\}", "_": "\\_", "%": "\\%", "&": "\\&", "#": "\\#",
      "$": "\\$", "^": "\\textasciicircum{}", "~": "\\textasciitilde{}", "<": "\\textless{}", ">": "\\textgreater{}",
      "|": "\\textbar{}", "±": "$\\pm$", "×": "$\\times$", "\n": " " };
    const escaped = (text) => text.replace(/[\\{}_%&#$^~<>|±×\n]/g, (sign) => symbols[sign]);
    const line = (cells) => `${cells.map(escaped).join(" & ")} \\\\`;
    return [`\\begin{tabular}{${columns.map((column) => (column.number ? "r" : "l")).join("")}}`, "\\toprule", line(names),
      "\\midrule", ...rows.map(line), "\\bottomrule", "\\end{tabular}"].join("\n") + "\n";
  },
};

async function copyText(text) {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = element("textarea", { value: text }); // where the page is not a secure context
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

// ---- records

function rowOf(table, row) {
  return Object.fromEntries(table.columns.map((column) => [column.name, column.values[column.index[row]]]));
}

function openRow(table, row) {
  const found = rowOf(table, row);
  openRecord(found.cell, found, table === tables.findings ? [] : findingsOf(found.loss, found.adapter));
}

function findingsOf(loss, adapter) {
  const { findings } = tables;
  if (!findings) return [];
  return [...Array(findings.rows).keys()].map((row) => rowOf(findings, row))
    .filter((one) => one.loss === loss && one.adapter === adapter);
}

function openRecord(cell, row, findings) {
  const record = records[cell];
  const title = row ? [row.loss ?? row.host ?? row.source, row.adapter ?? row.variant_a ?? row.place] : [];
  document.getElementById("record-title").textContent = title.filter(Boolean).join(", ") || cell;
  document.getElementById("record-body").replaceChildren(
    ...(row ? [definitions(Object.entries(row).filter(([name]) => !["cell", "example"].includes(name)))] : []),
    ...(row?.example ? [element("h3", { textContent: "The smallest example" }), code(row.example)] : []),
    ...(findings.length ? [element("h3", { textContent: "What was found" }),
      ...(findings[0].head ? [element("p", { textContent: findings[0].head })] : []), ...findings.map(finding)] : []),
    ...(record ? [
      element("h3", { textContent: "Repeat it" }), code(record.command),
      element("h3", { textContent: "Its record" }),
      definitions([["cell", cell], ["status", record.status], ["reason", record.reason],
        ["took", `${record.seconds} s`], ["seed", record.seed], ...environment]),
    ] : []));
  document.getElementById("record").showModal();
}

function finding(one) {
  return element("details", {}, element("summary", {}, element("b", { textContent: one.kind }), ` ${one.statement}`),
    definitions([["expected", one.expected], ["got", one.got]]), ...(one.example ? [code(one.example)] : []));
}

function definitions(pairs) {
  return element("dl", {}, ...pairs.filter(([, value]) => value !== null && value !== "").flatMap(([name, value]) =>
    [element("dt", { textContent: name.replaceAll("_", " ") }), element("dd", { textContent: String(value) })]));
}

function code(text) {
  const button = element("button", {
    type: "button", className: "link", textContent: "Copy",
    onclick: async () => { await copyText(text); button.textContent = "Copied"; },
  });
  const block = element("pre", { tabIndex: 0 }, element("code", { textContent: text }));
  return element("div", {}, block, button);
}

// ---- start

const shown = {};
for (const place of document.querySelectorAll("[data-table]")) {
  shown[place.dataset.table] = new SortedTable(place, tables[place.dataset.table]);
}
for (const select of document.querySelectorAll("[data-shows]")) {
  select.addEventListener("change", () => {
    for (const one of document.querySelectorAll(`[data-${select.dataset.shows}]`)) {
      one.hidden = one.dataset[select.dataset.shows] !== select.value;
    }
  });
}
document.addEventListener("click", (event) => {
  const { cell, find, loss } = event.target.dataset;
  if (cell) openRecord(cell, null, findingsOf(records[cell]?.loss, records[cell]?.adapter));
  if (find) {
    shown.findings.choose("adapter", find);
    shown.findings.choose("loss", loss);
  }
});
startPlots();
document.documentElement.dataset.ready = "yes";
