// Draws the dashboard of the counts that stand in the page; nothing is fetched.
(async () => {
  "use strict";
  const COLOURS = { blue: "#0072b2", orange: "#c04a00", green: "#007a59", sky: "#56b4e9", grey: "#8795a5", yellow: "#e69f00", purple: "#a3427a", brown: "#7a5c1e" };
  const SEVERAL = [COLOURS.blue, COLOURS.orange, COLOURS.green, COLOURS.purple, COLOURS.yellow, COLOURS.sky, COLOURS.brown, COLOURS.grey];
  const $ = (id) => document.getElementById(id);
  const D = await unpack($("data").textContent);
  const state = { language: "ja", period: "last28", from: 0, to: 0, segment: "", scenario: "" };
  const w = (key) => WORDS[state.language][key] ?? key;

  async function unpack(text) {
    const bytes = Uint8Array.from(atob(text.trim()), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }

  // -- days ----------------------------------------------------------------------------------------------------------
  const at = (iso) => Date.parse(iso + "T00:00:00Z") / 86400000;
  const FIRST = at(D.first), TODAY = at(D.today) - FIRST;
  const iso = (day) => new Date((FIRST + day) * 86400000).toISOString().slice(0, 10);
  const monthStart = (day, back) => { const [y, m] = iso(day).split("-").map(Number); return Date.UTC(y, m - 1 - back, 1) / 86400000 - FIRST; };
  const PERIODS = {
    last7: () => [TODAY - 7, TODAY - 1], last28: () => [TODAY - 28, TODAY - 1], last90: () => [TODAY - 90, TODAY - 1],
    this_month: () => [monthStart(TODAY, 0), TODAY], last_month: () => [monthStart(TODAY, 1), monthStart(TODAY, 0) - 1],
    custom: () => [state.from, state.to],
  };
  const chosen = () => { const [from, to] = PERIODS[state.period](); return { from, to, days: to - from + 1 }; };
  const before = ({ from, days }) => ({ from: from - days, to: from - 1, days });
  const inside = (day, { from, to }) => day >= from && day <= to;

  // -- counts --------------------------------------------------------------------------------------------------------
  const COUNTS = ["targeted", "sent", "delivered", "opened", "clicked", "converted", "bounced", "unsubscribed", "complained"];
  const hasCta = new Map((D.steps.step ?? []).map((step, i) => [D.steps.scenario[i] + "\n" + step, D.steps.has_cta[i]]));
  const keys = (D.mail_keys.scenario ?? []).map((scenario, i) => ({ scenario, step: D.mail_keys.step[i], segment: D.mail_keys.segment[i], cta: hasCta.get(scenario + "\n" + D.mail_keys.step[i]) }));
  const none = () => ({ ...Object.fromEntries(COUNTS.map((name) => [name, 0])), asked: 0 });
  const isShown = (key) => (!state.segment || key.segment === state.segment) && (!state.scenario || key.scenario === state.scenario);

  /** Sums of mails in a period, by whatever a mail's key and day give; keys that give null are left out. */
  function mails(period, by) {
    const sums = new Map(), { day, key } = D.mails;
    for (let i = 0; i < day.length; i++) {
      if (!inside(day[i], period) || !isShown(keys[key[i]])) continue;
      const name = by(keys[key[i]], day[i]);
      let sum = sums.get(name);
      if (!sum) sums.set(name, (sum = none()));
      for (const count of COUNTS) sum[count] += D.mails[count][i] ?? 0;
      if (keys[key[i]].cta) sum.asked += D.mails.delivered[i];
    }
    return sums;
  }
  /** Mails go by the segment that their step aims at; many segments are aimed at by none. */
  const noMails = () => w(state.segment && !keys.some((key) => key.segment === state.segment) ? "no_target" : "no_mails");
  const total = (period) => mails(period, () => "").get("") ?? none();
  const rows = (table) => { const names = Object.keys(table ?? {}); return names.length ? table[names[0]].map((_, i) => Object.fromEntries(names.map((name) => [name, table[name][i]]))) : []; };
  const add = (list, name) => list.reduce((sum, row) => sum + (row[name] ?? 0), 0);
  const FUNNEL = rows(D.funnel), MEMBERS = rows(D.members), HANDOFFS = rows(D.handoffs), COHORTS = rows(D.cohorts), ATTRIBUTION = rows(D.attribution), TESTS = rows(D.tests), REVIEWS = rows(D.reviews);
  const label = (table, id) => table.label?.[table.id.indexOf(id)] ?? id;
  const scenarioLabel = (id) => { const i = (D.steps.scenario ?? []).indexOf(id); return i < 0 ? id : D.steps.scenario_label[i]; };

  // -- figures as people read them -----------------------------------------------------------------------------------
  const number = (value, digits = 0) => value == null ? w("none") : value.toLocaleString(state.language === "ja" ? "ja-JP" : "en-GB", { maximumFractionDigits: digits, minimumFractionDigits: digits });
  const ratio = (a, b) => (b > 0 ? a / b : null);
  const percent = (value, digits = 1) => (value == null ? w("none") : number(value * 100, digits) + "%");
  const escape = (text) => String(text ?? "").replace(/[&<>"']/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[c]);
  const Z = 1.959964;
  const LEAST = 5;
  const RIPE = 7, CONVERTED = 30; // days after which few opens, clicks and calls, and no conversions, are to come
  /** Whether two proportions differ by more than chance: the pooled z-test; null where fewer than five are expected. */
  function differs(a, n, b, m) {
    if (!n || !m) return null;
    const pooled = (a + b) / (n + m), rarest = Math.min(pooled, 1 - pooled) * Math.min(n, m);
    if (rarest < LEAST) return null;
    const spread = Math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m));
    return spread > 0 && Math.abs(a / n - b / m) / spread > Z;
  }
  const countsDiffer = (a, b) => a + b < 2 * LEAST ? null : Math.abs(a - b) / Math.sqrt(a + b) > Z;

  // -- tiles ---------------------------------------------------------------------------------------------------------
  /** ``isClear``: whether the change is more than chance; null where nothing can be said of that. */
  function tile({ name, value, counts = "", change, isClear, isBetter, reference = "", isWhole = false }) {
    if (chosen().to >= TODAY) isClear = null; // today is not over: a part of a day beside whole ones
    const tone = change == null || !isClear ? "" : isBetter ? "good" : "bad";
    if (isWhole) reference = [reference, w("whole")].filter(Boolean).join(" · ");
    const told = change == null ? `<span class="change noise">${w("no_before")}</span>`
      : `<span class="change ${isClear ? tone : "noise"}">${change}${isClear === false ? ` · ${w("noise")}` : ""}</span>`;
    return `<li class="${tone}"><span class="name">${name}</span><span class="value">${value}</span><span class="counts">${counts}</span>${told}<span class="reference">${reference}</span></li>`;
  }
  const points = (now, then) => `${w("before")} ${percent(then)} (${now - then >= 0 ? "+" : "−"}${number(Math.abs(now - then) * 100, 1)}pt)`;
  /** ``judged``: those counts of the period that are as ripe as the period's before; they have to point the same way. */
  function rateTile(name, a, n, b, m, reference, isWhole = false, judged = [a, n]) {
    const now = ratio(a, n), then = ratio(b, m), isClear = ratio(...judged) > then === now > then ? differs(...judged, b, m) : null;
    return tile({ name, value: percent(now), counts: `${number(a)} / ${number(n)}`, change: now == null || then == null ? null : points(now, then), isClear, isBetter: now > then, reference: now == null ? "" : reference(now), isWhole });
  }
  function countTile(name, now, then, hasBefore, isWhole, isClear = countsDiffer(now, then), shown = number) {
    return tile({ name, value: shown(now), change: hasBefore ? `${w("before")} ${shown(then)}` : null, isClear, isBetter: now > then, isWhole });
  }
  const band = (words, low, high) => (value) => `${w(words)} · ${w(value < low ? "below" : value > high ? "above" : "in_band")}`;
  function hotAt(day) {
    const list = state.segment ? MEMBERS.filter((row) => row.day === day && row.segment === state.segment && row.tier === "hot") : FUNNEL.filter((row) => row.day === day);
    return add(list, state.segment ? "leads" : "hot_leads");
  }
  function drawTiles(period) {
    const past = before(period), hasBefore = past.from >= 0, now = total(period), then = hasBefore ? total(past) : none();
    const sales = HANDOFFS.filter((row) => inside(row.day, period)), salesThen = hasBefore ? HANDOFFS.filter((row) => inside(row.day, past)) : [];
    const deals = FUNNEL.filter((row) => inside(row.day, period)), dealsThen = FUNNEL.filter((row) => inside(row.day, past));
    const isWhole = Boolean(state.segment || state.scenario);
    // the latest mails and handoffs have had less time than those of the period before
    const until = (days) => ({ ...period, to: Math.min(period.to, TODAY - days - 1) });
    const opening = total(until(RIPE)), acting = total(until(CONVERTED)), called = sales.filter((row) => inside(row.day, until(RIPE)));
    const due = (list) => add(list, "contacted_within_limit") + add(list, "breached");
    const yen = (value) => (state.language === "ja" ? `${number(value)}円` : `¥${number(value)}`);
    $("tiles").innerHTML = [
      rateTile(w("open_rate"), now.opened, now.delivered, then.opened, then.delivered, band("reference_open", 0.2, 0.3), false, [opening.opened, opening.delivered]),
      rateTile(w("click_rate"), now.clicked, now.delivered, then.clicked, then.delivered, (value) => `${w("reference_click")} · ${w(value < 0.051 ? "below" : "above")}`, false, [opening.clicked, opening.delivered]),
      rateTile(w("conversion_rate"), now.converted, now.asked, then.converted, then.asked, () => "", false, [acting.converted, acting.asked]),
      countTile(w("hot"), hotAt(Math.min(period.to, TODAY)), hotAt(past.to), hasBefore, Boolean(state.scenario), null), // the same people on both days: no two samples
      countTile(w("handed_off"), add(sales, "handed_off"), add(salesThen, "handed_off"), hasBefore, isWhole),
      rateTile(w("within"), add(sales, "contacted_within_limit"), due(sales), add(salesThen, "contacted_within_limit"), due(salesThen), () => "", isWhole, [add(called, "contacted_within_limit"), due(called)]),
      countTile(w("deals_won"), add(deals, "deals_won"), add(dealsThen, "deals_won"), hasBefore, isWhole),
      countTile(w("amount"), add(deals, "amount"), add(dealsThen, "amount"), hasBefore, isWhole, null, yen),
    ].join("");
  }

  // -- charts and tables ---------------------------------------------------------------------------------------------
  const CONFIG = {
    aria: false, background: null, font: getComputedStyle(document.body).fontFamily, view: { stroke: null },
    axis: { labelColor: "#4a5866", titleColor: "#4a5866", labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal", gridColor: "#e6ebf1", domainColor: "#8795a5", tickColor: "#8795a5" },
    legend: { labelColor: "#1d2733", labelFontSize: 12.5, title: null, orient: "top", labelLimit: 260, symbolStrokeWidth: 3 },
    text: { fontSize: 12.5, color: "#1d2733" }, line: { strokeWidth: 2.5 }, point: { size: 36, filled: true },
  };
  let turn = 0, isFirst = true;
  /** A table of columns [name, isText] and rows of ready cells. */
  const table = (columns, list, caption = "") => `<div class="scroll" tabindex="0" role="region" aria-label="${escape(caption || w("table"))}"><table>${caption ? `<caption>${escape(caption)}</caption>` : ""}<thead><tr>${columns.map(([name, isText]) => `<th scope="col"${isText ? ' class="text"' : ""}>${escape(name)}</th>`).join("")}</tr></thead><tbody>${list.map((row) => `<tr>${row.map((cell, i) => (i ? `<td${columns[i][1] ? ' class="text"' : ""}>${cell}</td>` : `<th scope="row">${cell}</th>`)).join("")}</tr>`).join("")}</tbody></table></div>`;
  const empty = (words) => `<p class="empty">${escape(words)}</p>`;
  /** Put charts into a figure: each of {spec, alt, columns, list, note}. */
  async function draw(id, charts) {
    const mine = turn, box = $(id);
    box.innerHTML = charts.map((one, i) => one.empty ? empty(one.empty) : `<div class="cell"><div class="chart" id="${id}-${i}" role="img" aria-label="${escape(one.alt)}"><div></div></div>${one.note ? `<p class="note">${escape(one.note)}</p>` : ""}<details><summary>${w("table")}</summary>${table(one.columns, one.list, one.alt)}</details></div>`).join("");
    for (const [i, one] of charts.entries()) {
      if (one.empty) continue;
      const place = $(`${id}-${i}`).firstElementChild; // its label and role become those of the library
      await vegaEmbed(place, { $schema: "https://vega.github.io/schema/vega-lite/v6.json", width: "container", autosize: { type: "fit-x", contains: "padding" }, config: CONFIG, ...one.spec }, { actions: false, renderer: "svg", tooltip: { theme: "light" } });
      if (mine !== turn) return;
      if (isFirst) { isFirst = false; performance.mark("first-chart"); }
    }
  }
  const DAY_AXIS = { type: "temporal", title: null, axis: { format: "%-m/%-d", labelOverlap: true, tickCount: 8, grid: false }, scale: { type: "utc" } };
  const RATE_AXIS = { type: "quantitative", title: null, axis: { format: ".0%", tickCount: 5 } };

  /** The start of the bucket that a day falls in: days of up to 45, else weeks of the period. */
  const bucket = (period) => (period.days <= 45 ? (day) => day : (day) => period.from + 7 * Math.floor((day - period.from) / 7));
  function overTime(period) {
    const start = bucket(period);
    return [...mails(period, (_, day) => start(day)).entries()].sort((a, b) => a[0] - b[0]).map(([day, sum]) => ({ date: iso(day), ...sum }));
  }

  function rateChart(list, [name, a, b, colour], marks, digits = 1) {
    const values = list.filter((row) => row[b] > 0).map((row) => ({ date: row.date, day: row.date, rate: row[a] / row[b], told: percent(row[a] / row[b], digits), counts: `${number(row[a])} / ${number(row[b])}` }));
    const sumA = add(list, a), sumB = add(list, b);
    const axis = digits > 1 ? { ...RATE_AXIS, axis: { format: ".2%", tickCount: 4 } } : RATE_AXIS;
    return {
      spec: { height: 150, data: { values }, layer: [
        ...marks.map((mark) => ({ data: { values: [mark] }, ...(mark.high ? { mark: { type: "rect", color: "#cfe0f1", opacity: 0.65 }, encoding: { y: { field: "low", type: "quantitative" }, y2: { field: "high" } } } : { mark: { type: "rule", color: mark.colour ?? "#4a5866", strokeDash: [5, 4] }, encoding: { y: { field: "low", type: "quantitative" } } }) })),
        { mark: { type: "line", color: colour, point: values.length < 60 ? { color: colour } : false }, encoding: { x: { field: "date", ...DAY_AXIS }, y: { field: "rate", ...axis }, tooltip: [{ field: "day", title: w("day") }, { field: "told", title: name }, { field: "counts", title: "n" }] } },
      ], title: { text: name, subtitle: marks.map((mark) => mark.words).join(" · "), anchor: "start", fontSize: 13, fontWeight: 600, color: "#1d2733", subtitleColor: "#4a5866", subtitleFontSize: 12 } },
      alt: `${name}: ${percent(ratio(sumA, sumB), digits)} (${number(sumA)} / ${number(sumB)})`,
      columns: [[w("day"), true], [name], [w(b)]],
      list: list.map((row) => [row.date, percent(ratio(row[a], row[b]), digits), number(row[b])]),
    };
  }
  function drawTrend(period) {
    const list = overTime(period);
    if (!add(list, "delivered")) return draw("trend", [{ empty: noMails() }]);
    return draw("trend", [
      rateChart(list, [w("open_rate"), "opened", "delivered", COLOURS.blue], [{ low: 0.2, high: 0.3, words: w("reference_open") }]),
      rateChart(list, [w("click_rate"), "clicked", "delivered", COLOURS.orange], [{ low: 0.051, words: w("reference_click") }]),
    ]);
  }
  function drawDelivery(period) {
    const list = overTime(period);
    if (!add(list, "delivered")) return draw("delivery", [{ empty: noMails() }]);
    return draw("delivery", [
      rateChart(list, [w("bounce_rate"), "bounced", "sent", COLOURS.brown], [], 2),
      rateChart(list, [w("complaint_rate"), "complained", "delivered", COLOURS.purple], [{ low: 0.001, words: w("warn_line") }, { low: 0.003, words: w("stop_line"), colour: "#a3221a" }], 2),
      rateChart(list, [w("unsubscribe_rate"), "unsubscribed", "delivered", COLOURS.green], [], 2),
    ]);
  }

  let sorting = { column: 1, isUp: false };
  function drawScenarios(period) {
    const sums = mails(period, (key) => key.scenario + "\n" + key.step), groups = new Map();
    for (const [name, sum] of sums) {
      const [scenario, step] = name.split("\n");
      if (!groups.has(scenario)) groups.set(scenario, { sum: none(), steps: [] });
      const group = groups.get(scenario);
      for (const count of Object.keys(sum)) group.sum[count] += sum[count];
      group.steps.push([step, sum]);
    }
    if (!groups.size) { $("scenarios").innerHTML = empty(noMails()); return; }
    const columns = [
      [w("scenario")], [w("targeted"), (s) => s.targeted], [w("sent"), (s) => s.sent], [w("delivered"), (s) => s.delivered], [w("open_rate"), (s) => ratio(s.opened, s.delivered), percent], [w("click_rate"), (s) => ratio(s.clicked, s.delivered), percent],
      [w("conversion_rate"), (s) => ratio(s.converted, s.asked), percent], [w("unsubscribe_rate"), (s) => ratio(s.unsubscribed, s.delivered), (value) => percent(value, 2)],
    ];
    const order = [...groups].sort(([a, one], [b, other]) => {
      const value = columns[sorting.column][1], by = sorting.column ? (value(one.sum) ?? -1) - (value(other.sum) ?? -1) : scenarioLabel(a).localeCompare(scenarioLabel(b), "ja");
      return sorting.isUp ? by : -by;
    });
    const place = new Map((D.steps.step ?? []).map((step, i) => [D.steps.scenario[i] + "\n" + step, i]));
    const cells = (sum) => columns.slice(1).map(([, value, shown = number]) => `<td>${shown(value(sum))}</td>`).join("");
    $("scenarios").innerHTML = `<div class="scroll" tabindex="0" role="region" aria-labelledby="h-scenarios"><table><thead><tr>${columns.map(([name], i) => `<th scope="col"${i ? "" : ' class="text"'} aria-sort="${i === sorting.column ? (sorting.isUp ? "ascending" : "descending") : "none"}"><button type="button" data-column="${i}">${escape(name)}</button></th>`).join("")}</tr></thead><tbody>${order.map(([scenario, { sum, steps }]) => `<tr class="group"><th scope="row">${escape(scenarioLabel(scenario))}</th>${cells(sum)}</tr>${steps.sort((a, b) => (place.get(scenario + "\n" + a[0]) ?? 0) - (place.get(scenario + "\n" + b[0]) ?? 0)).map(([step, own]) => { const i = place.get(scenario + "\n" + step); return `<tr class="step"><th scope="row">${escape(i == null ? step : D.steps.label[i])}</th>${cells(own)}</tr>`; }).join("")}`).join("")}</tbody></table></div>`;
    for (const button of $("scenarios").querySelectorAll("button[data-column]")) button.onclick = () => {
      const column = Number(button.dataset.column);
      sorting = { column, isUp: sorting.column === column ? !sorting.isUp : column === 0 };
      drawScenarios(period);
      $("scenarios").querySelector(`button[data-column="${column}"]`).focus();
    };
  }

  function drawWay(period) {
    const last = iso(period.to).slice(0, 7), [y, m] = last.split("-").map(Number), start = new Date(Date.UTC(y, m - 12, 1)).toISOString().slice(0, 10);
    const [dimension, value] = state.scenario ? ["scenario", state.scenario] : state.segment ? ["segment", state.segment] : ["source", null];
    const list = COHORTS.filter((row) => row.dimension === dimension && (value == null || row.value === value) && row.month >= start && row.month.slice(0, 7) <= last);
    const leads = add(list, "leads");
    if (!leads) return draw("way", [{ empty: w("no_data") }]);
    const steps = [["leads", "leads"], ["mailed", "mailed"], ["has_clicked", "clicked"], ["was_hot", "hot"], ["was_handed", "handed_off"], ["met", "met"], ["won", "won"]].map(([name, column]) => ({ step: w(name), leads: add(list, column) }));
    const values = steps.map((one) => ({ ...one, told: `${number(one.leads)} (${percent(one.leads / leads)})` }));
    return draw("way", [{
      spec: { height: steps.length * 34, data: { values }, encoding: { y: { field: "step", type: "nominal", sort: null, title: null, axis: { labelFontSize: 13, labelColor: "#1d2733", ticks: false, domain: false, labelLimit: 150 } }, x: { field: "leads", type: "quantitative", axis: null, scale: { domainMax: leads * (window.innerWidth < 700 ? 2 : 1.35) } } }, layer: [{ mark: { type: "bar", color: COLOURS.blue, height: 22 } }, { mark: { type: "text", align: "left", dx: 6 }, encoding: { text: { field: "told" } } }] },
      alt: `${w("h_way")}: ${values.map((one) => `${one.step} ${one.told}`).join(", ")}`, note: `${w("cohort_note")} ${w("share_note")}`,
      columns: [[w("step"), true], [w("leads")], [w("share")]], list: steps.map((one) => [escape(one.step), number(one.leads), percent(one.leads / leads)]),
    }]);
  }
  function drawStages(period) {
    const day = Math.min(period.to, TODAY), list = FUNNEL.filter((row) => row.day === day);
    if (!list.length) return draw("stages", [{ empty: w("no_data") }]);
    const order = (D.stages.id ?? []).filter((id) => list.some((row) => row.stage === id)), find = (id) => list.find((row) => row.stage === id);
    const most = Math.max(...list.map((row) => row.leads), 1);
    const values = order.map((id) => ({ stage: label(D.stages, id), leads: find(id).leads, hot: find(id).hot_leads, told: `${number(find(id).leads)} (${w("of_which_hot")} ${number(find(id).hot_leads)})` }));
    return draw("stages", [{
      spec: { height: order.length * 42, data: { values }, encoding: { y: { field: "stage", type: "nominal", sort: null, title: null, axis: { labelFontSize: 13, labelColor: "#1d2733", ticks: false, domain: false, labelLimit: 130 } } }, layer: [
        { mark: { type: "bar", color: "#a9c7e4", height: 24 }, encoding: { x: { field: "leads", type: "quantitative", axis: null, scale: { domainMax: most * (window.innerWidth < 700 ? 2.2 : 1.6) } } } },
        { mark: { type: "bar", color: COLOURS.orange, height: 24 }, encoding: { x: { field: "hot", type: "quantitative" } } },
        { mark: { type: "text", align: "left", dx: 6 }, encoding: { x: { field: "leads", type: "quantitative" }, text: { field: "told" } } }] },
      alt: `${w("h_stages")} (${iso(day)}): ${values.map((one) => `${one.stage} ${one.told}`).join(", ")}`, note: `${w("on")} ${iso(day)}${state.segment || state.scenario ? ` · ${w("not_filtered")}` : ""}`,
      columns: [[w("stage"), true], [w("leads")], [w("hot")], [w("met")], [w("deals_won")]],
      list: order.map((id) => { const all = FUNNEL.filter((row) => row.stage === id && inside(row.day, period)); return [escape(label(D.stages, id)), number(find(id).leads), number(find(id).hot_leads), number(add(all, "meetings")), number(add(all, "deals_won"))]; }),
    }]);
  }

  function drawMembers(period) {
    const within = MEMBERS.filter((row) => inside(row.day, period) && (!state.segment || row.segment === state.segment));
    if (!within.length) return draw("members", [{ empty: w("no_data") }]);
    const last = Math.max(...within.map((row) => row.day)), by = state.segment ? "tier" : "segment";
    const names = new Map();
    const most = new Map(); // of each the most on any day, so that what emptied meanwhile is seen to
    for (const row of within) {
      if (row.day === last) names.set(row[by], (names.get(row[by]) ?? 0) + row.leads);
      most.set(row[by], Math.max(most.get(row[by]) ?? 0, row.leads));
    }
    const top = [...most].sort((a, b) => (names.get(b[0]) ?? 0) - (names.get(a[0]) ?? 0) || b[1] - a[1]).slice(0, 8).map(([name]) => name);
    const order = state.segment ? D.tiers.id.filter((tier) => top.includes(tier)).reverse() : top;
    const sums = new Map();
    for (const row of within) if (order.includes(row[by])) { const key = row.day + "\n" + row[by]; sums.set(key, (sums.get(key) ?? 0) + row.leads); }
    const named = (id) => label(state.segment ? D.tiers : D.segments, id);
    // where nobody is in, there is no row: those days are nought, and not a line between their neighbours
    const days = [...new Set(within.map((row) => row.day))].sort((a, b) => a - b);
    const values = days.flatMap((day) => order.map((id) => ({ date: iso(day), day: iso(day), name: named(id), leads: sums.get(day + "\n" + id) ?? 0 })));
    const range = state.segment ? order.map((id) => ({ hot: COLOURS.orange, warm: COLOURS.yellow, cold: "#a9c7e4" })[id] ?? COLOURS.grey) : SEVERAL;
    return draw("members", [{
      spec: { height: 260, data: { values }, mark: state.segment ? { type: "area" } : { type: "line" }, encoding: { x: { field: "date", ...DAY_AXIS }, y: { field: "leads", type: "quantitative", title: null, stack: state.segment ? "zero" : null, axis: { format: "~s", tickCount: 5 } }, color: { field: "name", type: "nominal", scale: { domain: order.map(named), range }, legend: { columns: window.innerWidth < 700 ? 1 : 4 } }, tooltip: [{ field: "day", title: w("day") }, { field: "name", title: w(by) }, { field: "leads", title: w("leads"), format: "," }] } },
      alt: `${w("h_members")} (${iso(last)}): ${order.map((id) => `${named(id)} ${number(names.get(id) ?? 0)}`).join(", ")}`, note: state.scenario ? w("not_by_scenario") : "",
      columns: [[w(by), true], ...D.tiers.label.map((name) => [name])],
      list: order.map((id) => [escape(named(id)), ...D.tiers.id.map((tier) => number(add(within.filter((row) => row.day === last && row[by] === id && row.tier === tier), "leads")))]),
    }]);
  }

  function drawHandoffs(period) {
    const list = HANDOFFS.filter((row) => inside(row.day, period)), start = bucket(period);
    $("owners").innerHTML = "";
    if (!list.length) return draw("handoffs", [{ empty: w("no_handoffs") }]);
    const kinds = [["in_limit", (row) => row.contacted_within_limit, COLOURS.green], ["late", (row) => row.breached, COLOURS.orange], ["other", (row) => Math.max(row.handed_off - row.contacted_within_limit - row.breached, 0), "#b8c4d0"]];
    const buckets = [...new Set(Array.from({ length: period.days }, (_, i) => start(period.from + i)))];
    const values = buckets.flatMap((day) => kinds.map(([name, value], place) => ({ date: iso(day), day: iso(day), kind: w(name), place, leads: list.filter((row) => start(row.day) === day).reduce((sum, row) => sum + value(row), 0) })));
    const owners = [...new Set(list.map((row) => row.owner))].map((owner) => [owner, list.filter((row) => row.owner === owner)]).sort((a, b) => add(b[1], "handed_off") - add(a[1], "handed_off"));
    const hours = (own) => { const told = own.map((row) => row.hours).filter((value) => value != null); return told.length ? (Math.min(...told) === Math.max(...told) ? number(told[0], 1) : `${number(Math.min(...told), 1)}–${number(Math.max(...told), 1)}`) : w("none"); };
    const of = (own) => [number(add(own, "handed_off")), number(add(own, "contacted_within_limit")), percent(ratio(add(own, "contacted_within_limit"), add(own, "contacted_within_limit") + add(own, "breached"))), number(add(own, "breached")), hours(own), number(add(own, "waiting")), number(add(own, "meetings")), number(add(own, "won")), number(add(own, "lost")), number(add(own, "returned"))];
    const columns = [[w("owner"), true], [w("handed_off")], [w("in_limit")], [w("within")], [w("breached")], [w("hours")], [w("waiting")], [w("meetings")], [w("won")], [w("lost")], [w("returned")]];
    $("owners").innerHTML = table(columns, owners.map(([owner, own]) => [escape(owner), ...of(own)]), state.segment || state.scenario ? w("not_filtered") : "");
    return draw("handoffs", [{
      spec: { height: 180, data: { values }, mark: { type: "bar", width: { band: 0.75 } }, encoding: { x: { field: "date", type: "ordinal", timeUnit: undefined, title: null, axis: { labelExpr: "replace(slice(datum.label, 5), '-', '/')", labelAngle: 0, labelOverlap: true, grid: false } }, y: { field: "leads", type: "quantitative", title: null, axis: { tickMinStep: 1, tickCount: 5 } }, order: { field: "place" }, color: { field: "kind", type: "nominal", scale: { domain: kinds.map(([name]) => w(name)), range: kinds.map(([, , colour]) => colour) } }, tooltip: [{ field: "day", title: w("day") }, { field: "kind", title: w("within") }, { field: "leads", title: w("leads") }] } },
      alt: `${w("h_handoffs")}: ${w("handed_off")} ${number(add(list, "handed_off"))}, ${w("in_limit")} ${number(add(list, "contacted_within_limit"))}, ${w("late")} ${number(add(list, "breached"))}`,
      columns: [[w("day"), true], ...kinds.map(([name]) => [w(name)])], list: [...new Set(values.map((row) => row.date))].map((date) => [date, ...kinds.map(([name]) => number(add(values.filter((row) => row.date === date && row.kind === w(name)), "leads")))]),
    }]);
  }

  const testName = (row) => row.test.startsWith("holdout") ? `${row.label} · ${w("metric_" + row.metric)}` : `${row.label || row.test} · ${w("metric_" + row.metric)}`;
  /** A difference of two rates, in points. */
  const signed = (value) => `${value >= 0 ? "+" : "−"}${number(Math.abs(value) * 100, 1)}pt`;
  const variantName = (id) => (id === "held_out" || id === "nurtured" ? w(id) : id);
  const verdict = (row) => `<span class="mark${row.verdict === "unsound" ? " warn" : ""}">${escape(row.verdict === "winner" ? w("winner_is") + variantName(row.winner) : w(row.verdict))}</span>`;
  function drawTests() {
    const list = TESTS.filter((row) => !state.scenario || !row.scenario || row.scenario === state.scenario)
      // until a test is over one looks as often as one likes, so its interval is the one that allows that; of the holdout too
      .map((row) => row.verdict === "winner" || row.verdict === "no_winner" ? { ...row, p: row.p_value } : { ...row, low: row.anytime_low, high: row.anytime_high, p: row.anytime_p_value });
    if (!list.length) return draw("tests", [{ empty: w("no_tests") }]);
    const values = list.filter((row) => row.effect != null && row.low != null).map((row) => ({ ...row, name: `${testName(row)}: ${variantName(row.variant)}`, told: signed(row.effect) }));
    const columns = [[w("test"), true], [w("variant"), true], [w("measured")], [w("reached")], [w("rate")], [w("effect")], [w("p_value")], [w("verdict"), true]];
    const cells = list.map((row) => [escape(testName(row)), escape(variantName(row.variant)), number(row.measured), number(row.reached), percent(row.rate), row.effect == null ? w("none") : `${signed(row.effect)} (${row.low == null ? w("none") : `${signed(row.low)} – ${signed(row.high)}`})`, row.p == null ? w("none") : row.p < 0.001 ? "< 0.001" : number(row.p, 3), row.is_first ? verdict(row) : ""]);
    const shown = draw("tests", values.length ? [{
      spec: { height: Math.max(values.length, 2) * 38, data: { values }, encoding: { y: { field: "name", type: "nominal", sort: null, title: null, axis: { labelLimit: window.innerWidth < 700 ? 150 : 420, labelColor: "#1d2733", ticks: false, domain: false } } }, layer: [
        { mark: { type: "rule", color: "#8795a5" }, encoding: { x: { datum: 0 }, y: { value: 0 }, y2: { value: "height" } } },
        { mark: { type: "rule", strokeWidth: 3, color: COLOURS.blue }, encoding: { x: { field: "low", type: "quantitative", title: w("effect"), axis: { labelExpr: "format(datum.value * 100, '+.1f') + 'pt'", tickCount: 6 } }, x2: { field: "high" } } },
        { mark: { type: "point", size: 90, color: COLOURS.blue }, encoding: { x: { field: "effect", type: "quantitative" } } },
        { mark: { type: "text", dy: -12 }, encoding: { x: { field: "effect", type: "quantitative" }, text: { field: "told" } } }] }, note: w("tests_note"),
      alt: values.map((row) => `${row.name} ${row.told}`).join(", "), columns, list: cells,
    }] : []);
    if (!values.length) $("tests").innerHTML = table(columns, cells);
    else $("tests").querySelector("details").open = true;
    return shown;
  }

  function drawAttribution(period) {
    const list = ATTRIBUTION.filter((row) => inside(row.day, period) && (!state.scenario || row.scenario === state.scenario)), sums = new Map();
    $("s-attribution").hidden = !Object.keys(D.attribution ?? {}).length;
    for (const row of list) {
      const key = row.scenario + "\n" + row.step, sum = sums.get(key) ?? { first_deals: 0, last_deals: 0, linear_deals: 0, linear_amount: 0 };
      for (const name of Object.keys(sum)) sum[name] += row[name] ?? 0;
      sums.set(key, sum);
    }
    const stepLabel = (scenario, step) => { const i = (D.steps.step ?? []).findIndex((one, at) => one === step && D.steps.scenario[at] === scenario); return i < 0 ? step : D.steps.label[i]; };
    $("attribution").innerHTML = `<p class="note">${w("attribution_note")}${state.segment ? ` ${w("not_by_segment")}` : ""}</p>` + (sums.size ? table([[w("scenario"), true], [w("step"), true], [w("first")], [w("last")], [w("linear")], [`${w("amount")} (${w("linear")})`]],
      [...sums].sort((a, b) => b[1].linear_deals - a[1].linear_deals).map(([key, sum]) => { const [scenario, step] = key.split("\n"); return [escape(scenario === "none" ? w("none_mail") : scenarioLabel(scenario)), escape(scenario === "none" ? w("none") : stepLabel(scenario, step)), number(sum.first_deals), number(sum.last_deals), number(sum.linear_deals, 1), number(sum.linear_amount)]; })) : empty(w("no_data")));
  }
  function drawReviews() {
    $("s-reviews").hidden = !REVIEWS.length;
    const rank = (row) => (row.is_noise === false ? 0 : row.is_noise ? 1 : 2); // what is clear, what is noise, what cannot be judged
    const list = [...REVIEWS].sort((a, b) => rank(a) - rank(b) || (a.period < b.period ? 1 : a.period > b.period ? -1 : 0) || a.position - b.position);
    const most = 12, shown = list.slice(0, most);
    const one = (row) => `<li><span class="mark">${w(row.period + "_review")} ${escape(row.period_start)}</span> <span lang="ja">${escape(row.told)}</span>${row.what_to_do ? `<br><span class="note">${w("what_to_do")}: <span lang="ja">${escape(row.what_to_do)}</span>${row.expected_effect ? ` / ${w("expected")}: <span lang="ja">${escape(row.expected_effect)}</span>` : ""}</span>` : ""}</li>`;
    $("reviews").innerHTML = `<ul class="findings">${shown.map(one).join("")}</ul><p class="note">${list.length > most ? `${w("more_findings")}: ${number(list.length - most)} · ` : ""}${w("whole_report")}: <code>reviews/</code></p>`;
  }

  // -- the page ------------------------------------------------------------------------------------------------------
  function fill(select, options, value) {
    select.innerHTML = options.map(([id, name]) => `<option value="${escape(id)}"${id === value ? " selected" : ""}>${escape(name)}</option>`).join("");
  }
  function speak() {
    document.documentElement.lang = state.language;
    document.title = w("title");
    for (const one of document.querySelectorAll("[data-t]")) one.textContent = w(one.dataset.t);
    $("filters").setAttribute("aria-label", w("filters"));
    $("language").textContent = state.language === "ja" ? "English" : "日本語";
    $("language").lang = state.language === "ja" ? "en" : "ja";
    $("as-of").dateTime = D.as_of;
    $("as-of").textContent = new Date(D.as_of).toLocaleString(state.language === "ja" ? "ja-JP" : "en-GB", { timeZone: D.timezone, dateStyle: "long", timeStyle: "short" }) + ` (${D.timezone})`;
    const restated = D.restated?.days?.[0];
    $("restated").textContent = restated ? ` · ${w("restated")}: ${number(restated)}` : "";
    fill($("period"), Object.keys(PERIODS).map((id) => [id, w(id)]), state.period);
    fill($("segment"), [["", w("all")], ...(D.segments.id ?? []).map((id, i) => [id, D.segments.label[i]])], state.segment);
    fill($("scenario"), [["", w("all")], ...[...new Set(keys.map((key) => key.scenario))].map((id) => [id, scenarioLabel(id)])], state.scenario);
  }
  async function show() {
    turn += 1;
    const period = chosen();
    $("segment-note").hidden = !state.segment;
    $("custom").hidden = state.period !== "custom";
    $("chosen").textContent = `${w("chosen")}: ${iso(period.from)} – ${iso(period.to)} · ${w("before")}: ${iso(before(period).from)} – ${iso(before(period).to)}`;
    drawTiles(period);
    drawReviews();
    drawScenarios(period);
    drawAttribution(period);
    for (const section of [drawTrend, drawWay, drawStages, drawMembers, drawHandoffs, drawTests, drawDelivery]) { const mine = turn; await section(period); if (mine !== turn) return; }
    document.documentElement.dataset.drawn = String(turn);
  }
  state.from = Math.max(TODAY - 28, 0); state.to = Math.max(TODAY - 1, 0);
  for (const name of ["from", "to"]) {
    $(name).min = D.first; $(name).max = D.today; $(name).value = iso(state[name]);
    $(name).onchange = () => {
      if (!$(name).value) return;
      state[name] = Math.min(Math.max(at($(name).value) - FIRST, 0), TODAY);
      $(name).value = iso(state[name]);
      if (state.from > state.to) { const other = name === "from" ? "to" : "from"; state[other] = state[name]; $(other).value = iso(state[name]); }
      show();
    };
  }
  for (const name of ["period", "segment", "scenario"]) $(name).onchange = () => { state[name] = $(name).value; show(); };
  $("language").onclick = () => { state.language = state.language === "ja" ? "en" : "ja"; speak(); show(); };
  $("print").onclick = () => window.print();
  speak();
  await show();
})();
