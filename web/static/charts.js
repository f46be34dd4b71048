// Draw the Vega-Lite specifications that the server put into the page, each when it comes into view: Vega is larger than
// the rest of a page. Its expressions go through its interpreter, so that the page needs no `unsafe-eval`; colours and
// fonts come from the style sheet.
const views = new Map();
const files = document.querySelector("script[data-vega]").dataset;
let loading = null;

// The interpreter reads the global `vega` when it starts.
async function loadVega() {
  await new Promise((resolve, reject) => {
    document.head.append(Object.assign(document.createElement("script"), { src: files.vega, onload: resolve, onerror: reject }));
  });
  const { expressionInterpreter } = await import(files.interpreter);
  return expressionInterpreter;
}

// A worker compiles Vega-Lite to Vega: Vega-Lite takes longer to start than a chart takes to draw.
let compiler = null;

function compile(spec) {
  compiler ??= new Worker(files.compiler);
  const { port1, port2 } = new MessageChannel();
  compiler.postMessage({ spec, config: themeConfig(), scripts: [files.vega, files.vegaLite] }, [port2]);
  return new Promise((resolve, reject) => {
    port1.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data.compiled));
  });
}

function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function themeConfig() {
  const quiet = { labelColor: token("--chart-text"), titleColor: token("--chart-text"), gridColor: token("--chart-grid") };
  return {
    background: "transparent",
    font: token("--tblr-font-sans-serif"),
    // The ninth colour is for what is added up.
    range: { category: [...Array.from({ length: 8 }, (_, index) => token(`--arm-${index + 1}`)), token("--chart-text")] },
    axis: { ...quiet, domain: false, ticks: false, labelFontSize: 12, titleFontSize: 12, titleFontWeight: 500, labelPadding: 6, titlePadding: 10 },
    axisY: { labelFontSize: 13 },
    text: { fontSize: 12, fill: token("--chart-text") },
    rule: { stroke: token("--chart-text") },
    view: { stroke: null },
  };
}

function showTooltip(_handler, event, _item, value) {
  const box = document.getElementById("chart-tooltip");
  if (!value) {
    box.hidden = true;
    return;
  }
  box.replaceChildren(
    ...Object.entries(value).flatMap(([name, text]) => {
      const term = document.createElement("dt");
      const detail = document.createElement("dd");
      term.textContent = name;
      detail.textContent = text;
      return [term, detail];
    }),
  );
  box.hidden = false;
  const left = Math.min(event.clientX + 14, innerWidth - box.offsetWidth - 8);
  box.style.translate = `${left}px ${event.clientY + 14}px`;
}

async function draw(mount) {
  const source = document.querySelector(`script[data-chart="${mount.id}"]`);
  if (!source) return;
  const spec = JSON.parse(source.textContent);
  loading ??= loadVega().catch((error) => {
    loading = null; // The next drawing tries again.
    throw error;
  });
  const [expr, compiled] = await Promise.all([loading, compile(spec)]);
  const runtime = vega.parse(compiled, null, { ast: true });
  const canvas = document.createElement("div");
  canvas.className = "chart-canvas";
  const view = new vega.View(runtime, {
    expr,
    renderer: "svg",
    locale: vega.locale(spec.usermeta.numbers),
    logLevel: vega.Error,
  });
  view.tooltip(showTooltip).hover();
  // The new drawing takes the old one's place only when it is finished, so that a refresh never flickers.
  canvas.style.width = `${mount.clientWidth}px`;
  await view.width(mount.clientWidth).initialize(canvas).runAsync();
  views.get(mount.id)?.finalize();
  views.set(mount.id, view);
  canvas.style.width = "";
  mount.replaceChildren(canvas);
}

function show(mount) {
  nearView.unobserve(mount);
  draw(mount).then(showNext, (error) => console.error("A chart could not be drawn", error));
}

// Once Vega is there, draw the others one by one while the browser is idle: the page may be printed.
let isWaiting = false;

function showNext() {
  const mounts = [...document.querySelectorAll("script[data-chart]")].map((source) => document.getElementById(source.dataset.chart));
  const next = mounts.find((mount) => mount?.clientWidth && !views.has(mount.id));
  if (!next || isWaiting) return;
  isWaiting = true;
  (window.requestIdleCallback ?? setTimeout)(() => {
    isWaiting = false;
    show(next);
  });
}

const nearView = new IntersectionObserver(
  (entries) => entries.filter(({ isIntersecting }) => isIntersecting).forEach(({ target }) => show(target)),
  { rootMargin: "200px" },
);

function drawAll(scope) {
  for (const source of scope.querySelectorAll("script[data-chart]")) {
    const mount = document.getElementById(source.dataset.chart);
    if (!mount) continue;
    // A part of the page that was renewed keeps the drawing from before until the new one is finished.
    const before = views.get(mount.id)?.container();
    if (before && !mount.firstChild) mount.append(before);
    nearView.observe(mount);
  }
}

document.addEventListener("htmx:afterSettle", (event) => drawAll(event.target));
document.addEventListener("theme:changed", () => drawAll(document));
let resizing = 0;
addEventListener("resize", () => {
  clearTimeout(resizing);
  resizing = setTimeout(() => drawAll(document), 150);
});
drawAll(document);
