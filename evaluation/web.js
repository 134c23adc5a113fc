// What the pages about runs share. All texts come from files: they are put in place with
// textContent, never as HTML.
const content = JSON.parse(document.getElementById("content").textContent);
const find = id => document.getElementById(id);
const DASHES = ["", "7 3", "2 3", "9 3 2 3", "12 4", "4 2"]; // tell lines apart without colours

function add(parent, kind, text) {
  const element = parent.appendChild(document.createElement(kind));
  if (text !== undefined) element.textContent = text;
  return element;
}

function addSvg(parent, kind, attributes = {}, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return parent.appendChild(element);
}

// Three digits of a number, 1230 and 0.0123; other things as they are.
function number(x) {
  if (typeof x !== "number") return x ?? "";
  return Number.isInteger(x) ? String(x) : String(Number(x.toPrecision(3)));
}

// Round numbers from low to high, some five of them; powers of ten, twos and fives where log.
function ticks(low, high, log) {
  const found = [];
  if (log) {
    const decades = Math.log10(high / low);
    const digits = decades > 4 ? [1] : decades > 2 ? [1, 3] : [1, 2, 5];
    for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++)
      for (const digit of digits) found.push(Number(`${digit}e${e}`));
  } else {
    const rough = (high - low) / 5 || 1, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map(k => k * power).find(step => step >= rough);
    for (let k = Math.ceil(low / step); k * step <= high; k++)
      found.push(Number((k * step).toPrecision(6)));
  }
  return found.filter(tick => tick >= low && tick <= high);
}

const isNumber = x => typeof x === "number";

// What a chart says to those who do not see it: of each line its ends and its least.
function describeChart(chart) {
  const lines = chart.series.map(({ name, y }) => {
    const known = y.map((value, k) => k).filter(k => isNumber(y[k]));
    if (!known.length) return `${name}: no numbers`;
    const first = known[0], last = known.at(-1);
    const least = known.reduce((a, b) => y[b] < y[a] ? b : a);
    const at = k => `${number(y[k])} at ${number(chart.x[k])}`;
    return `${name} from ${at(first)} to ${at(last)}, least ${at(least)}`;
  });
  return `${chart.title}: ${lines.join("; ")}`;
}

// Draw a chart into a figure: {title, x, xLabel, series: [{name, y, errors}], level: {name, y}, log,
// low, high}. x are numbers, or names that stand side by side; y has null where there is nothing.
// Returns a function that marks a place of x.
function drawChart(figure, chart) {
  const caption = add(figure, "figcaption", chart.title);
  caption.className = "note";
  const svg = addSvg(figure, "svg", { class: "chart", role: "img" });
  svg.setAttribute("aria-label", describeChart(chart));
  const legend = add(figure, "ul");
  legend.className = "legend";
  const style = k => `stroke: var(--series-${k % 6}); stroke-dasharray: ${DASHES[k % 6] || "none"}`;
  const named = chart.series.map(({ name }, k) => ({ name, style: style(k) }));
  if (chart.level) named.push({ name: chart.level.name, style: "", class: "level" });
  for (const line of named) {
    const item = add(legend, "li");
    const sample = addSvg(item, "svg", { viewBox: "0 0 26 8", "aria-hidden": true, class: "chart" });
    addSvg(sample, "path", { d: "M0 4H26", style: line.style, class: line.class ?? "" });
    item.append(line.name);
  }

  const names = chart.x.some(isNumber) ? null : chart.x;
  const places = names ? chart.x.map((_, k) => k) : chart.x;
  const values = chart.series.flatMap(({ y, errors }) => y.flatMap((value, k) =>
    errors && isNumber(value) ? [value - errors[k], value + errors[k]] : [value]));
  if (chart.level) values.push(chart.level.y);
  const usable = values.filter(value => isNumber(value) && (!chart.log || value > 0));
  let low = chart.low ?? Math.min(...usable), high = chart.high ?? Math.max(...usable);
  if (!usable.length) [low, high] = [chart.log ? 0.1 : 0, 1];
  if (low === high) [low, high] = chart.log ? [low / 2, high * 2] : [low - 0.5, high + 0.5];
  const scale = chart.log ? Math.log10 : value => value;
  const [left, top, right, bottom] = [46, 8, 10, 34];
  const first = Math.min(...places), last = Math.max(...places, first + 1e-9);
  let marked = null, mark = null;

  function draw() {
    const width = svg.clientWidth || 300, height = svg.clientHeight || 220;
    const px = x => left + (x - first) / (last - first) * (width - left - right);
    const py = y => top + (scale(high) - scale(Math.min(Math.max(y, low), high)))
      / (scale(high) - scale(low)) * (height - top - bottom);
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.replaceChildren();
    for (const tick of ticks(low, high, chart.log)) {
      addSvg(svg, "path", { class: "axis", d: `M${left} ${py(tick)}H${width - right}` });
      addSvg(svg, "text", { x: left - 6, y: py(tick) + 4, "text-anchor": "end" }, number(tick));
    }
    const across = names ? places : ticks(first, last);
    const every = Math.ceil(across.length * (names ? 90 : 34) / (width - left - right));
    across.forEach((tick, k) => {
      if (k % every) return;
      const anchor = px(tick) > width - 40 ? "end" : px(tick) < left + 20 ? "start" : "middle";
      const text = names ? names[tick].slice(0, 14) : number(tick);
      addSvg(svg, "text", { x: px(tick), y: height - bottom + 16, "text-anchor": anchor }, text);
    });
    if (chart.xLabel)
      addSvg(svg, "text", { x: (left + width - right) / 2, y: height - 3, "text-anchor": "middle" },
        chart.xLabel);
    if (chart.level)
      addSvg(svg, "path", { class: "level", d: `M${left} ${py(chart.level.y)}H${width - right}` });
    chart.series.forEach(({ y, errors }, k) => {
      let path = "", drawing = false;
      y.forEach((value, i) => {
        const there = isNumber(value) && (!chart.log || value > 0);
        if (there) path += `${drawing ? "L" : "M"}${px(places[i])} ${py(value)}`;
        if (there && errors)
          path += `M${px(places[i])} ${py(value - errors[i])}V${py(value + errors[i])}M${px(places[i])} ${py(value)}`;
        drawing = there;
      });
      addSvg(svg, "path", { d: path, style: style(k), "stroke-linecap": "round" });
      if (y.length < 30)
        y.forEach((value, i) => isNumber(value) && addSvg(svg, "circle",
          { cx: px(places[i]), cy: py(value), r: 3, style: `fill: var(--series-${k % 6})` }));
    });
    mark = addSvg(svg, "path", { class: "mark" });
    if (marked !== null) mark.setAttribute("d", `M${px(marked)} ${top}V${height - bottom}`);
  }

  new ResizeObserver(draw).observe(svg);
  return x => { marked = Math.min(Math.max(x, first), last); draw(); };
}
