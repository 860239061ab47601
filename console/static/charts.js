// Draws each <div class="chart" data-chart="{...}">: days as seconds since 1970, and series of numbers.
// The same numbers stand in a table beside it, for whoever has no JavaScript.
"use strict";
(() => {
  const MONTHS = ["январь", "февраль", "март", "апрель", "май", "июнь", "июль", "август", "сентябрь", "октябрь", "ноябрь", "декабрь"];
  const SHORT = ["янв", "фев", "мар", "апр", "мая", "июн", "июл", "авг", "сен", "окт", "ноя", "дек"];
  const DAYS = ["воскресенье", "понедельник", "вторник", "среда", "четверг", "пятница", "суббота"];
  const NAMES = { MMMM: MONTHS, MMM: SHORT, WWWW: DAYS, WWW: DAYS.map((day) => day.slice(0, 2)) };
  const COLOURS = ["--tblr-blue", "--tblr-green", "--tblr-orange", "--tblr-purple", "--tblr-red"];
  const HEIGHT = 240;
  const day = (template) => uPlot.fmtDate(template, NAMES);
  const probe = document.createElement("span");
  // A canvas knows no variables and no mixtures of colours: what they come to is asked of an element.
  const colour = (name) => {
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };
  const amount = (value, unit) => value === null ? "—" : value.toLocaleString("ru-RU", { maximumFractionDigits: 2 }) + unit;

  function draw(box) {
    const given = JSON.parse(box.dataset.chart);
    const unit = given.unit ? "\u00a0" + given.unit : "";
    const text = colour("--tblr-body-color"), line = colour("--tblr-border-color");
    const axis = { stroke: text, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
    const options = {
      width: box.clientWidth,
      height: HEIGHT,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "Europe/Moscow"),
      fmtDate: day,
      series: [
        { label: "День", value: (plot, seconds) => seconds === null ? "—" : day("{D} {MMM} {YYYY}")(options.tzDate(seconds)) },
        ...given.series.map((each, place) => ({
          label: each.label,
          stroke: colour(COLOURS[place % COLOURS.length]),
          width: 2,
          points: { show: given.days.length < 2 },
          value: (plot, value) => amount(value, unit),
        })),
      ],
      axes: [
        { ...axis, values: (plot, ticks) => ticks.map((tick) => day("{D} {MMM}")(options.tzDate(tick))), incrs: [86400, 172800, 432000, 604800], space: 60 },
        { ...axis, values: (plot, ticks) => ticks.map((tick) => amount(tick, "")), size: 70 },
      ],
      scales: { y: { range: (plot, least, most) => [Math.min(0, least), Math.max(1, most * 1.1)] } },
    };
    box.replaceChildren();
    return new uPlot(options, [given.days, ...given.series.map((each) => each.values)], box);
  }

  function drawAll() {
    for (const box of document.querySelectorAll(".chart[data-chart]")) {
      let plot = draw(box);
      new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: HEIGHT })).observe(box);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTimeout(() => {
        plot.destroy();
        plot = draw(box);
      }));
    }
  }

  document.addEventListener("DOMContentLoaded", drawAll);
})();
