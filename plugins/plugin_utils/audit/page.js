// GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later
// Filters, sorts and opens what the page holds already. It makes no markup: what hosts say stays text.
"use strict";

document.documentElement.className = "js";

document.addEventListener("DOMContentLoaded", () => {
  // So many rows of a table are laid out at first, as the style sheet has it too.
  const FEW = 100;
  const form = document.querySelector("form");
  const status = form.querySelector("output");
  const field = (name) => form.elements.namedItem(name);
  const severities = [...form.querySelectorAll("[name=severity]")];

  // What is of several hosts. cases: the ways in which they have it, each with its state and its list items by host.
  const groupOf = (row) => ({
    row,
    isFinding: "rule" in row.dataset,
    text: row.textContent.toLowerCase(),
    count: row.querySelector(".count"),
    all: Number(row.querySelector(".count").textContent),
    details: row.querySelector("details"),
    cases: [...row.querySelectorAll(".hosts")].map((list) => ({
      element: list.closest("dd"),
      state: list.closest("dd")?.dataset.state,
      items: [...list.children].map((element) => ({ element, host: element.textContent })),
    })),
  });
  const hostOf = (row) => ({
    row,
    name: row.cells[0].textContent.trim(),
    text: row.textContent.toLowerCase(),
  });
  const tables = [...document.querySelectorAll("table")].map((table) => {
    const isMatrix = table.classList.contains("matrix");
    return {
      body: table.tBodies[0],
      head: table.tHead,
      isMatrix,
      entries: [...table.tBodies[0].rows].map(isMatrix ? hostOf : groupOf),
      most: FEW,
      more: table.closest("section").querySelector(".more"),
    };
  });
  const matrix = tables.find((table) => table.isMatrix);
  const lists = tables.filter((table) => !table.isMatrix);
  const names = new Set(matrix.entries.map((host) => host.name));

  const setHidden = (element, hidden) => {
    if (element && element.hidden !== hidden) element.hidden = hidden;
  };

  const wanted = () => {
    const severity = new Set(severities.filter((box) => box.checked).map((box) => box.value));
    const [rule, state, text, host] = ["rule", "state", "text", "host"].map((name) => field(name).value.trim());
    return {
      severity,
      rule,
      state,
      text: text.toLowerCase(),
      host,
      // The whole name of a host is that host and not those whose names begin with it.
      isHost: names.has(host)
        ? (name) => name === host
        : (name) => name.toLowerCase().includes(host.toLowerCase()),
      isOfFindings: Boolean(severity.size || rule || state || text),
    };
  };

  const fits = (group, filter) =>
    group.text.includes(filter.text) &&
    (!group.isFinding ||
      ((!filter.severity.size || filter.severity.has(group.row.dataset.class)) &&
        (!filter.rule || filter.rule === group.row.dataset.rule)));

  // Only what is open is painted: most of the hosts' names are in what is closed.
  const paint = (group) => {
    for (const { element, items } of group.cases) {
      for (const item of items) setHidden(item.element, !item.isShown);
      setHidden(element, !items.some((item) => item.isShown));
    }
  };

  // Shows the hosts of a group that are asked for, adds them to found, and says how many there are.
  const narrow = (group, filter, found) => {
    if (!fits(group, filter)) return 0;
    const shown = new Set();
    for (const { state, items } of group.cases) {
      const isState = !filter.state || !group.isFinding || state === filter.state;
      for (const item of items) {
        item.isShown = isState && (!filter.host || filter.isHost(item.host));
        if (item.isShown) shown.add(item.host);
      }
    }
    if (group.isFinding) shown.forEach((host) => found.add(host));
    if (group.details.open) paint(group);
    const text = shown.size === group.all ? `${shown.size}` : `${shown.size} of ${group.all}`;
    if (shown.size && group.count.textContent !== text) group.count.textContent = text;
    return shown.size;
  };

  // Shows the first of the rows that are asked for, in the order in which the table is sorted.
  const showRows = (table, isAsked) => {
    let left = table.most;
    for (const row of table.body.rows) setHidden(row, !isAsked(row) || left-- <= 0);
    setHidden(table.more, left >= 0);
    table.more.textContent = `Show ${-left} more`;
  };

  const apply = () => {
    const filter = wanted();
    const found = new Set();
    let shownFindings = 0;
    let allFindings = 0;
    for (const list of lists) {
      const shown = new Map(list.entries.map((group) => [group.row, narrow(group, filter, found)]));
      showRows(list, (row) => shown.get(row));
      for (const group of list.entries.filter(({ isFinding }) => isFinding)) {
        shownFindings += shown.get(group.row);
        allFindings += group.all;
      }
    }
    const isAsked = (host) =>
      (!filter.host || filter.isHost(host.name)) &&
      (!filter.isOfFindings || found.has(host.name) || (filter.text && host.text.includes(filter.text)));
    const shownHosts = new Set(matrix.entries.filter(isAsked).map(({ row }) => row));
    showRows(matrix, (row) => shownHosts.has(row));
    setHidden(document.getElementById("nothing"), shownFindings > 0);
    status.value = `${shownFindings} of ${allFindings} findings, ${shownHosts.size} of ${names.size} hosts`;
  };

  // The state of the filter is the fragment, so that a view can be kept and sent.
  const toFragment = () => {
    const state = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    history.replaceState(null, "", `${state}` ? `#${state}` : location.href.split("#")[0]);
  };

  const fromFragment = () => {
    const state = new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : "");
    for (const box of severities) box.checked = state.getAll("severity").includes(box.value);
    for (const name of ["text", "host", "rule", "state"]) field(name).value = state.get(name) ?? "";
    apply();
  };

  const collator = new Intl.Collator("en", { numeric: true });
  const sort = (table, header) => {
    const [first, other] = header.classList.contains("number") ? ["descending", "ascending"] : ["ascending", "descending"];
    const order = header.getAttribute("aria-sort") === first ? other : first;
    table.head.querySelector("[aria-sort]")?.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const value = (row) => {
      const cell = row.cells[header.cellIndex];
      return (cell?.dataset.sort ?? cell?.textContent ?? "").trim();
    };
    const rows = [...table.body.rows].map((row) => ({ row, value: value(row) }));
    rows.sort((one, two) => sign * collator.compare(one.value, two.value));
    table.body.append(...rows.map(({ row }) => row));
    apply();
  };

  for (const table of tables) {
    for (const header of table.head.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      header.append(button);
      button.addEventListener("click", () => sort(table, header));
    }
    table.more.addEventListener("click", () => {
      table.most = Infinity;
      apply();
    });
  }

  // All that is asked for is printed. What was closed before it is closed after it.
  let closed = [];
  addEventListener("beforeprint", () => {
    for (const table of tables) table.most = Infinity;
    apply();
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const element of closed) element.open = true;
    lists.forEach(({ entries }) => entries.forEach(paint));
  });
  addEventListener("afterprint", () => {
    for (const element of closed) element.open = false;
    for (const table of tables) table.most = FEW;
    apply();
  });

  for (const { entries } of lists) {
    for (const group of entries) group.details.addEventListener("toggle", () => paint(group));
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    apply();
    toFragment();
  });
  form.addEventListener("reset", () => setTimeout(() => form.dispatchEvent(new Event("input"))));
  addEventListener("hashchange", () => {
    // A link to a part of the page leaves the filter as it is.
    if (!location.hash || location.hash.includes("=")) fromFragment();
  });

  fromFragment();
  document.documentElement.classList.add("ready");
});
