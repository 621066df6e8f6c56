// Holds what a chart of Streamlit's loses: the page gives each changed figure a new element, with no zoom and all
// entries of the legend on. Rings around the chosen points are set here, without any change of the figure.
//
// The chart's own state is set the way that a zoom by hand sets it: new traces and a new layout, then an event after
// which Streamlit takes them over and draws them.

const PATIENCE = 100; // ms between tries while the chart is being set up
const TRIES = 50;
const DOUBLE_CLICK = 300; // ms, as Plotly has it
const zooms = new Map(); // by the figure's `uirevision`, which names its axes
const held = new Map(); // by the chart's key

export default function ({ data, setStateValue }) {
  const chart = held.get(data.chart) ?? { plot: null, timer: null, clicked: null, several: false, ended: false };
  const call = {}; // Streamlit ends an earlier call when a later one may have begun
  Object.assign(chart, { data, call });
  chart.setHidden = (hidden) => {
    chart.data = { ...chart.data, hidden }; // two clicks may come before the page answers
    setStateValue("hidden", hidden);
  };
  held.set(data.chart, chart);
  if (!chart.observer) {
    chart.observer = new MutationObserver(() => find(chart));
    chart.observer.observe(document.body, { childList: true, subtree: true });
  }
  if (!find(chart) && chart.plot) show(chart, chart.plot);
  return () => {
    if (chart.call !== call) return;
    chart.ended = true;
    chart.observer.disconnect();
    clearTimeout(chart.timer);
    held.delete(data.chart);
  };
}

// Whether there is another element than before for the chart, which then is listened to and shown as it was.
function find(chart) {
  const plot = document.querySelector(`.st-key-${CSS.escape(chart.data.chart)} .js-plotly-plot`);
  if (!plot || plot === chart.plot || !plot._fullLayout || !plot.layout) return false;
  chart.plot = plot;
  chart.clicked = null;
  plot.on("plotly_relayout", () => rememberZoom(plot));
  plot.on("plotly_selected", (event) => {
    chart.clicked = event?.points?.[0]?.customdata ?? null;
    chart.several = (event?.points?.length ?? 0) > 1; // within a box or a lasso
  });
  plot.on("plotly_legendclick", ({ curveNumber }) => {
    if (chart.ended) return true;
    clearTimeout(chart.timer);
    const hidden = toggled(chart, plot.data[curveNumber].legendgroup);
    if (hidden) chart.timer = setTimeout(() => chart.setHidden(hidden), DOUBLE_CLICK);
    return false;
  });
  plot.on("plotly_legenddoubleclick", ({ curveNumber }) => {
    if (chart.ended) return true;
    clearTimeout(chart.timer);
    const hidden = isolated(chart, plot, plot.data[curveNumber].legendgroup);
    if (hidden) chart.setHidden(hidden);
    return false;
  });
  show(chart, plot);
  return true;
}

function rememberZoom(plot) {
  const zoomed = ["xaxis", "yaxis"].filter((name) => plot.layout[name].autorange === false);
  const ranges = zoomed.map((name) => [name, plot._fullLayout[name].range.slice()]);
  if (zoomed.length) zooms.set(plot.layout.uirevision, Object.fromEntries(ranges));
  else zooms.delete(plot.layout.uirevision);
}

// Sets the rings, and the zoom that the user had on these axes; again until it is drawn.
function show(chart, plot, tries = TRIES) {
  if (plot !== chart.plot || !plot.isConnected || tries === 0 || isShown(chart, plot)) return;
  const [x, y] = places(chart);
  const other = chart.several || (chart.clicked !== null && chart.clicked !== chart.data.selected);
  plot.data = plot.data.map((trace) => {
    if (trace.meta === "ring") return { ...trace, x, y };
    return other ? { ...trace, selectedpoints: null } : trace;
  });
  const zoom = zooms.get(plot.layout.uirevision);
  const axes = Object.entries(zoom ?? {}).map(([name, range]) => [
    name,
    { ...plot.layout[name], range: range.slice(), autorange: false },
  ]);
  plot.layout = { ...plot.layout, ...Object.fromEntries(axes) };
  if (other) {
    chart.clicked = null;
    chart.several = false;
    const selectionrevision = (plot.layout.selectionrevision ?? 0) + 1; // or Plotly brings it back
    plot.layout = { ...plot.layout, selections: [], selectionrevision };
    plot.emit("plotly_deselect"); // or a second click on that point would be none
  }
  plot.emit("plotly_redraw");
  setTimeout(() => show(chart, plot, tries - 1), PATIENCE);
}

function isShown(chart, plot) {
  const [x, y] = places(chart);
  const ring = plot._fullData.find((trace) => trace.meta === "ring");
  const zoom = zooms.get(plot.layout.uirevision);
  const isZoomed = Object.entries(zoom ?? {}).every(
    ([name, range]) => plot._fullLayout[name].range.every((end, n) => end === range[n]),
  );
  const isRinged = (axis, at) => axis?.length === at.length && at.every((value, n) => axis[n] === value);
  return !ring || (isRinged(ring.x, x) && isRinged(ring.y, y) && isZoomed);
}

// Where rings stand: a list of x and one of y. A trace without any point would be none.
function places(chart) {
  const rings = chart.data.rings.length ? chart.data.rings : [[null, null]];
  return [rings.map(([x]) => x), rings.map(([, y]) => y)];
}

function toggled(chart, group) {
  if (!group) return null; // the key of a shape, which is not to be switched off
  const { hidden } = chart.data;
  return hidden.includes(group) ? hidden.filter((other) => other !== group) : [...hidden, group];
}

// All others off, or, where they are, all on.
function isolated(chart, plot, group) {
  if (!group) return null;
  const groups = new Set(plot.data.map((trace) => trace.legendgroup).filter(Boolean));
  const others = [...groups].filter((other) => other !== group);
  return others.every((other) => chart.data.hidden.includes(other)) && !chart.data.hidden.includes(group) ? [] : others;
}
