// Learning curves: values where the pointer is, zoom by dragging, smoothing, bands over seeds.

function drawCurves(data) {
  const charts = data.charts.map((chart, place) => new Curve(chart, document.querySelector(`[data-chart="${place}"]`)));
  const near = new IntersectionObserver(
    (entries) => entries.filter((entry) => entry.isIntersecting).forEach(({ target }) => {
      near.unobserve(target);
      charts[Number(target.dataset.chart)].draw();
    }),
    { rootMargin: "600px" },
  );
  charts.forEach((chart) => chart.node && near.observe(chart.node));
  addEventListener("beforeprint", () => charts.forEach((chart) => chart.draw()));
  dark.addEventListener("change", () => charts.forEach((chart) => chart.plot && chart.draw()));
  const smoothing = document.getElementById("smoothing");
  smoothing?.addEventListener("input", () => {
    const weight = Number(smoothing.value);
    smoothing.nextElementSibling.textContent = weight ? weight.toFixed(2) : "off";
    charts.forEach((chart) => chart.smooth(weight));
  });
}

class Curve {
  constructor(chart, node) {
    this.chart = chart;
    this.node = node;
    this.weight = 0;
  }

  smooth(weight) {
    this.weight = weight;
    if (this.plot) this.draw();
  }

  draw() {
    if (!this.node) return;
    this.plot?.destroy();
    this.node.replaceChildren();
    const { x, series, unit, bounds, axis } = this.chart;
    const number = unit === "fraction" ? (value) => (Number.isFinite(value) ? `${short(100 * value)} %` : short(null)) : short;
    const rows = [x];
    // Where the pointer is not, the legend has the last values.
    const shown = (row, number) => (_, value, place, at) => number(at === null || at === undefined ? last(row) : value);
    const drawn = [{ label: axis, value: shown(x, short) }];
    const bands = [];
    for (const each of series) {
      const stroke = each.colour < 0 ? colour("s6") : colour(`s${each.colour % 7}`);
      if (each.low) {
        bands.push({ series: [rows.length, rows.length + 1], fill: transparent(stroke, 0.18) });
        for (const end of [each.high, each.low]) {
          rows.push(end);
          drawn.push({ label: "", class: "hidden-series", stroke: "transparent", width: 0, spanGaps: true, points: { show: false } });
        }
      } else if (this.weight) {
        rows.push(each.y);
        drawn.push({ label: "", class: "hidden-series", stroke: transparent(stroke, 0.25), width: 1, points: { show: false } });
      }
      rows.push(smoothed(each.y, this.weight));
      const dash = each.colour < 0 || each.colour >= 7 ? [5, 3] : undefined;
      drawn.push({ label: each.name, stroke, width: 1.7, dash, spanGaps: true, points: { show: x.length < 3 }, value: shown(rows[rows.length - 1], number) });
    }
    const line = { stroke: colour("muted"), font: "11px system-ui, sans-serif", grid: { stroke: colour("rule"), width: 1 }, ticks: { show: false } };
    this.plot = new uPlot(
      {
        width: this.node.clientWidth || 280,
        height: 150,
        padding: [8, 14, 0, 0],
        scales: { x: { time: false }, y: { range: bounds } },
        axes: [{ ...line, size: 26, space: 60 }, { ...line, size: 48, values: (_, ticks) => ticks.map(number) }],
        cursor: { y: false, sync: { key: this.chart.group }, points: { size: 5 } },
        legend: { live: true },
        series: drawn,
        bands,
      },
      rows,
      this.node,
    );
    this.resized ??= new ResizeObserver(() => {
      const width = this.node.clientWidth;
      if (width && width !== this.plot.width) this.plot.setSize({ width, height: 150 });
    });
    this.resized.observe(this.node);
  }
}

function last(values) {
  return values.findLast((value) => value !== null && value !== undefined) ?? null;
}

// Exponential mean of the values so far; `weight` is that of the past.
function smoothed(values, weight) {
  if (!weight) return values;
  let mean = 0;
  let mass = 0;
  return values.map((value) => {
    if (value === null) return null;
    mean = weight * mean + (1 - weight) * value;
    mass = weight * mass + (1 - weight);
    return mean / mass;
  });
}

function transparent(stroke, share) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(stroke.slice(at, at + 2), 16));
  return `rgba(${red}, ${green}, ${blue}, ${share})`;
}
